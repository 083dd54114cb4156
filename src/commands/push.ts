import { Command } from 'commander';
import type { Moved } from '../pack/move.ts';
import type { NamedKey } from '../sign/key.ts';
import type { Context } from '../transports/context.ts';
import { signerFor } from './key-options.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface PushOptions extends GlobalOptions {
  readonly referrers?: boolean;
  readonly sign?: string;
}

export function pushCommand(signal: AbortSignal): Command {
  return new Command('push')
    .description('send an image of the local store to its registry')
    .argument('<name>', 'name of the image in the store')
    .argument('[ref]', 'another name for it in the registry')
    .option('--referrers', 'with signatures, SBOMs and what else refers to it in the store')
    .option('--sign <key>', 'sign it there with a private key')
    .action(async (name: string, reference: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PushOptions>();
      await withSession(options, signal, async (session) => {
        const { push } = await import('../pack/move.ts');
        const { context } = session;
        // A password that is wrong is found before anything is sent.
        const signer = await signerFor(options.sign, context);
        const pushed = await push(name, reference, context, options);
        if (signer !== undefined) await signThere(pushed, signer, context);
        session.result(pushed, [`${pushed.name}@${pushed.digest}`]);
      });
    });
}

async function signThere({ name, digest }: Moved, signer: NamedKey, context: Context): Promise<void> {
  const { sign } = await import('../pack/sign.ts');
  await sign(`docker://${name}@${digest}`, signer, { formats: ['bundle', 'tag'] }, context);
}
