import type { KeyObject } from 'node:crypto';
import { type Digest, DOCUMENT_LIMIT } from '#oci-spec-types';
import type { Opaque } from '../image/model.ts';
import { isAboutContent } from '../image/validate.ts';
import { OcislimError } from '../lib/errors.ts';
import { readVerified } from '../lib/verify.ts';
import type { Reference } from '../registry/reference.ts';
import { BUNDLE, verifyBundle } from '../sign/bundle.ts';
import type { NamedKey } from '../sign/key.ts';
import { isSignedBy } from '../sign/signature.ts';
import { decodeClaim } from '../sign/simple-signing.ts';
import { companionSource, ofRegistry } from '../transports/companions.ts';
import type { Context } from '../transports/context.ts';
import type { Location } from '../transports/location.ts';
import { findReferrers } from './attach.ts';
import { readSignatureTag, type TaggedSignature } from './signature-tag.ts';

/** Where signatures of a manifest are kept, and of which kinds. */
export type SignaturePlace =
  | { readonly kind: 'registry'; readonly reference: Reference }
  | { readonly kind: 'layout'; readonly location: Location };

/** How a signature is kept: in a sigstore bundle that refers to the manifest, or under cosign's own tag. */
export type SignatureFormat = 'bundle' | 'tag';

/** A signature that is right. */
export interface GoodSignature {
  readonly format: SignatureFormat | 'file';
  /** What messages call the key. */
  readonly key: string;
  /** What the signer called the image; of a bundle nothing does. */
  readonly repository?: string | undefined;
}

interface Looked {
  readonly good: readonly GoodSignature[];
  /** Why each of the others is not. */
  readonly wrong: readonly string[];
}

/**
 * The signatures of a manifest by one key.
 * @throws OCISLIM_SIGNATURE_INVALID where there is none; what the transport throws
 */
export async function requireSignature(
  digest: Digest,
  key: NamedKey,
  place: SignaturePlace,
  context: Context,
): Promise<readonly GoodSignature[]> {
  const { good, wrong } = await lookForSignatures(digest, key, place, context);
  if (good.length > 0) return good;
  if (wrong.length === 0)
    throw new OcislimError('OCISLIM_SIGNATURE_INVALID', `${digest} has no signature`, {
      hint: 'ocislim sign makes one',
    });
  throw new OcislimError(
    'OCISLIM_SIGNATURE_INVALID',
    `no signature of ${digest} is right by ${key.name}: ${[...new Set(wrong)].slice(0, 5).join('; ')}`,
  );
}

/** What there is of signatures, each held against the key; a wrong one does no harm to others. */
export async function lookForSignatures(
  digest: Digest,
  key: NamedKey,
  place: SignaturePlace,
  context: Context,
): Promise<Looked> {
  const good: GoodSignature[] = [];
  const wrong: string[] = [];
  const look = async (work: () => Promise<GoodSignature> | GoodSignature) => {
    try {
      good.push(await work());
    } catch (error) {
      if (!isAboutSignature(error)) throw error;
      wrong.push(error.message);
    }
  };
  const location: Location =
    place.kind === 'layout' ? place.location : { transport: 'docker', reference: place.reference };
  for (const referrer of await findReferrers(context, location, digest, BUNDLE))
    await look(async () => {
      verifyBundle(await bundleOf(referrer, context), digest, key.key, 'the bundle');
      return { format: 'bundle', key: key.name };
    });
  const source =
    place.kind === 'registry'
      ? ofRegistry(place.reference, context)
      : await companionSource(location, context);
  for (const signature of await readSignatureTag(source, digest, context))
    await look(() => verifyTagged(signature, digest, key));
  return { good, wrong };
}

/** @throws OCISLIM_SIGNATURE_INVALID */
export function verifyTagged(
  { payload, signature }: TaggedSignature,
  digest: Digest,
  { name, key }: { readonly name: string; readonly key: KeyObject },
): GoodSignature {
  if (!isSignedBy(payload, signature, key))
    throw new OcislimError('OCISLIM_SIGNATURE_INVALID', 'the tagged signature: not signed by this key');
  // Only what is signed is looked into.
  const claim = decodeClaim(payload, 'the tagged signature');
  if (claim.digest !== digest)
    throw new OcislimError('OCISLIM_SIGNATURE_INVALID', `the tagged signature: signs ${claim.digest}`);
  return { format: 'tag', key: name, repository: claim.repository };
}

async function bundleOf({ blobs }: Opaque, { signal }: Context): Promise<Buffer> {
  const layers = blobs.filter(({ descriptor }) => descriptor.mediaType === BUNDLE);
  const [only, ...others] = layers;
  if (only === undefined || others.length > 0 || only.descriptor.size > DOCUMENT_LIMIT)
    throw new OcislimError(
      'OCISLIM_SIGNATURE_INVALID',
      'the bundle: a manifest that does not hold one bundle',
    );
  return readVerified(await only.open({ signal }), only.descriptor);
}

function isAboutSignature(error: unknown): error is OcislimError {
  return (
    isAboutContent(error) || (error instanceof OcislimError && error.code === 'OCISLIM_SIGNATURE_INVALID')
  );
}
