import { Command } from 'commander';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

export function tagCommand(signal: AbortSignal): Command {
  return new Command('tag')
    .description('give an image of the local store another name')
    .argument('<name>', 'name of the image')
    .argument('<new-name>', 'the other name')
    .action(async (name: string, newName: string, _options: unknown, command: Command) => {
      await withSession(command.optsWithGlobals<GlobalOptions>(), signal, async (session) => {
        const { tag } = await import('../pack/local.ts');
        const tagged = await tag(name, newName, session.context);
        session.result(tagged, [`${tagged.name}@${tagged.digest}`]);
      });
    });
}
