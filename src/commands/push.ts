import { Command } from 'commander';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

export function pushCommand(signal: AbortSignal): Command {
  return new Command('push')
    .description('send an image of the local store to its registry')
    .argument('<name>', 'name of the image in the store')
    .argument('[ref]', 'another name for it in the registry')
    .action(async (name: string, reference: string | undefined, _options: unknown, command: Command) => {
      await withSession(command.optsWithGlobals<GlobalOptions>(), signal, async (session) => {
        const { push } = await import('../pack/move.ts');
        const pushed = await push(name, reference, session.context);
        session.result(pushed, [`${pushed.name}@${pushed.digest}`]);
      });
    });
}
