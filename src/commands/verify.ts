import { Command } from 'commander';
import type { Verified } from '../pack/verify.ts';
import { sanitise } from '../ui/sanitise.ts';
import { humanSize } from '../ui/size.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface VerifyOptions extends GlobalOptions {
  readonly key?: string;
  readonly bundle?: string;
}

export function verifyCommand(signal: AbortSignal): Command {
  return new Command('verify')
    .description('hold everything that an image claims against its bytes; its signature, with a key')
    .argument('<image>', 'a name in the store, else an image reference; or any source such as oci:DIR')
    .option('--key <file>', 'public key, whose signature there must be')
    .option('--bundle <file>', 'the signature, in the place of what is kept beside the image')
    .action(async (image: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions>();
      await withSession(options, signal, async (session) => {
        const { verify } = await import('../pack/verify.ts');
        const { cwd } = session.context;
        const { openPublicKey } = await import('../sign/key-file.ts');
        const key = options.key === undefined ? undefined : await openPublicKey(options.key, { cwd });
        const verified = await verify({ image, key, bundle: options.bundle }, session.context);
        for (const line of describe(verified)) session.say(line);
        session.result(verified, [`${verified.name}@${verified.digest}`]);
      });
    });
}

function describe({ platforms, manifests, blobs, size, signatures }: Verified): readonly string[] {
  return [
    ...platforms.map(
      (each) =>
        `  ${each.platform}: ${each.layers} layers with their diffIDs, ${each.history} steps of history`,
    ),
    `  digests and sizes of ${manifests} manifests and ${blobs} blobs, ${humanSize(size)}`,
    ...signatures.map(({ format, key, repository }) => {
      const called = repository === undefined ? '' : `, as ${sanitise(repository)}`;
      return `  signed by ${key} (${format}${called})`;
    }),
  ];
}
