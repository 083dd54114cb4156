import { Command } from 'commander';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface PullOptions extends GlobalOptions {
  readonly platform?: string;
  readonly allPlatforms?: boolean;
  readonly referrers?: boolean;
}

export function pullCommand(signal: AbortSignal): Command {
  return new Command('pull')
    .description('fetch an image into the local store')
    .argument('<image>', 'image reference, or any source such as oci:DIR')
    .option('--platform <platform>', "which platform's image (default: this machine's)")
    .option('--all-platforms', 'the whole index')
    .option('--referrers', 'with signatures, SBOMs and what else refers to it')
    .action(async (image: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PullOptions>();
      await withSession(options, signal, async (session) => {
        const { pull } = await import('../pack/move.ts');
        const pulled = await pull(image, options, session.context);
        session.result(pulled, [`${pulled.name}@${pulled.digest}`]);
      });
    });
}
