import { Command } from 'commander';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface CopyOptions extends GlobalOptions {
  readonly platform?: string;
  readonly referrers?: boolean;
}

export function copyCommand(signal: AbortSignal): Command {
  return new Command('copy')
    .alias('cp')
    .description('copy an image between any two places')
    .argument(
      '<source>',
      'image reference, oci:DIR[:NAME], oci-archive:FILE, docker-archive:FILE, docker-daemon:REF, store:NAME',
    )
    .argument('<destination>', 'the same kinds; - writes a docker-archive to standard output')
    .option('--platform <platform>', "that platform's image alone (default: everything)")
    .option('--referrers', 'with signatures, SBOMs and what else refers to it')
    .action(async (source: string, destination: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CopyOptions>();
      await withSession(options, signal, async (session) => {
        const { copy } = await import('../pack/move.ts');
        const copied = await copy(source, destination, options, session.context);
        const line = `${copied.name}@${copied.digest}`;
        if (destination === '-') session.say(line);
        else session.result(copied, [line]);
      });
    });
}
