import { Command, Option } from 'commander';
import { OcislimError } from '../lib/errors.ts';
import type { Signer } from '../pack/sign.ts';
import type { SignatureFormat } from '../pack/signatures.ts';
import type { Context } from '../transports/context.ts';
import { signingKey } from './key-options.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface SignOptions extends GlobalOptions {
  readonly key?: string;
  readonly keyless?: true;
  readonly format: SignatureFormat | 'both';
  readonly bundle?: string;
}

const EXAMPLES = `
The signature is of the image's digest, so a tag is signed as what it means now. cosign verifies it:
  cosign verify --key cosign.pub --insecure-ignore-tlog=true IMAGE

Examples:
  ocislim sign --key cosign.key ghcr.io/me/hello:1
  ocislim sign --key cosign.key oci:hello.oci
  ocislim sign --key cosign.key docker-archive:hello.tar --bundle hello.sigstore.json`;

export function signCommand(signal: AbortSignal): Command {
  return new Command('sign')
    .description('sign an image, with a key or by who runs the CI job; the signature is put beside it')
    .argument('<image>', 'a name in the store that was pushed, an image reference, or oci:DIR')
    .option('--key <file>', "private key: cosign's, or a plain one in PEM")
    .option(
      '--keyless',
      "sign with a certificate for this CI job's identity, and log it (needs @sigstore/sign)",
    )
    .addOption(
      new Option('--format <kind>', 'a sigstore bundle that refers to the image, a tag as cosign 2 reads it')
        .choices(['bundle', 'tag', 'both'])
        .default('both'),
    )
    .option('--bundle <file>', 'write the signature there, as a sigstore bundle, and attach nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (image: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<SignOptions>();
      await withSession(options, signal, async (session) => {
        const { sign } = await import('../pack/sign.ts');
        const signer = await signerOf(options, session.context);
        const formats = options.format === 'both' ? (['bundle', 'tag'] as const) : [options.format];
        const signed = await sign(image, signer, { formats, bundle: options.bundle }, session.context);
        session.result(signed, [`${signed.name}@${signed.digest}`]);
      });
    });
}

async function signerOf({ key, keyless, format }: SignOptions, context: Context): Promise<Signer> {
  if ((key === undefined) === (keyless === undefined))
    throw new OcislimError('OCISLIM_USAGE', 'sign: needs either --key FILE or --keyless', {
      hint: 'make a key with ocislim keygen',
    });
  if (key !== undefined) return signingKey(key, context);
  if (format === 'tag') throw new OcislimError('OCISLIM_USAGE', 'sign: --keyless makes a bundle, not a tag');
  const { keylessSigner } = await import('../sign/keyless.ts');
  return keylessSigner(context);
}
