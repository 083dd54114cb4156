import { Command } from 'commander';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

export function rmiCommand(signal: AbortSignal): Command {
  return new Command('rmi')
    .description('take names out of the local store')
    .argument('<name...>', 'names of images')
    .action(async (names: string[], _options: unknown, command: Command) => {
      await withSession(command.optsWithGlobals<GlobalOptions>(), signal, async (session) => {
        const { removeNames } = await import('../pack/local.ts');
        const removed = await removeNames(names, session.context);
        session.result({ removed }, removed);
      });
    });
}
