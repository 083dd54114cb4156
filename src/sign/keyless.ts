import { createRequire } from 'node:module';
import { OcislimError } from '../lib/errors.ts';
import { IN_TOTO } from './bundle.ts';

/**
 * Signing without a key: Fulcio gives a certificate for whoever runs the CI job, Rekor logs the signature. All of that
 * is @sigstore/sign's, which is not installed with ocislim and loaded here alone.
 */

/** What is used of @sigstore/sign 4, and of @sigstore/bundle that it brings. */
export interface SigstoreModules {
  readonly CIContextProvider: new (audience?: string) => object;
  readonly FulcioSigner: new (options: { identityProvider: object; fulcioBaseURL: string }) => object;
  readonly RekorWitness: new (options: { rekorBaseURL: string }) => object;
  readonly DSSEBundleBuilder: new (options: {
    signer: object;
    witnesses: object[];
  }) => { create(artifact: { data: Buffer; type: string }): Promise<unknown> };
  readonly bundleToJSON: (bundle: unknown) => unknown;
  readonly DEFAULT_FULCIO_URL: string;
  readonly DEFAULT_REKOR_URL: string;
}

interface Keyless {
  readonly offline: boolean;
  /** Default: what is installed beside ocislim. */
  readonly load?: () => SigstoreModules;
}

export interface KeylessSigner {
  readonly name: string;
  /** @throws OCISLIM_FAILED with what sigstore's services, or the CI, refused */
  bundle(statement: Buffer): Promise<Buffer>;
}

/** @throws OCISLIM_USAGE with `--offline`, and where @sigstore/sign is not installed */
export async function keylessSigner({ offline, load = installed }: Keyless): Promise<KeylessSigner> {
  if (offline) throw new OcislimError('OCISLIM_USAGE', 'sign --keyless: not with --offline');
  const sigstore = load();
  const signer = new sigstore.FulcioSigner({
    identityProvider: new sigstore.CIContextProvider('sigstore'),
    fulcioBaseURL: sigstore.DEFAULT_FULCIO_URL,
  });
  const witness = new sigstore.RekorWitness({ rekorBaseURL: sigstore.DEFAULT_REKOR_URL });
  const builder = new sigstore.DSSEBundleBuilder({ signer, witnesses: [witness] });
  return {
    name: "a certificate for this job's identity",
    bundle: async (statement) => {
      try {
        const made = await builder.create({ data: statement, type: IN_TOTO });
        return Buffer.from(JSON.stringify(sigstore.bundleToJSON(made)));
      } catch (cause) {
        // It rejects with plain text, too.
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new OcislimError('OCISLIM_FAILED', `sign --keyless: ${why}`, {
          hint: 'in a GitHub job give it permissions: id-token: write; elsewhere set SIGSTORE_ID_TOKEN',
          cause,
        });
      }
    },
  };
}

function installed(): SigstoreModules {
  const here = createRequire(import.meta.url);
  try {
    const there = createRequire(here.resolve('@sigstore/sign'));
    return { ...here('@sigstore/sign'), ...there('@sigstore/bundle') } as SigstoreModules;
  } catch (cause) {
    throw new OcislimError('OCISLIM_USAGE', 'sign --keyless: @sigstore/sign is not installed', {
      hint: 'npm install @sigstore/sign@4 beside ocislim, or sign with --key',
      cause,
    });
  }
}
