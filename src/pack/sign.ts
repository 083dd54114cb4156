import type { Descriptor } from '#oci-spec-types';
import type { Artifact } from '../image/model.ts';
import { referrerOf } from '../image/referrer.ts';
import { writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { familiarReference, formatReference, type Reference, repositoryName } from '../registry/reference.ts';
import { BUNDLE, SIGN_PREDICATE, signBundle, signStatement } from '../sign/bundle.ts';
import { type NamedKey, publicOf } from '../sign/key.ts';
import { signBytes } from '../sign/signature.ts';
import { encodeClaim } from '../sign/simple-signing.ts';
import type { Context } from '../transports/context.ts';
import { openSource, unaliased } from '../transports/index.ts';
import { type Location, parseLocation } from '../transports/location.ts';
import { openManifest } from '../transports/registry.ts';
import { findInStore } from '../transports/store.ts';
import { attachAll } from './attach.ts';
import type { DeliveryPlan } from './deliver.ts';
import { addToSignatureTag } from './signature-tag.ts';
import { lookForSignatures, type SignatureFormat, type SignaturePlace } from './signatures.ts';

/** What signs: a key, or what makes a bundle of a statement in another way. */
export type Signer = NamedKey | { readonly name: string; bundle(statement: Buffer): Promise<Buffer> };

export interface Signed {
  readonly name: string;
  readonly digest: string;
  /** How it is signed now; what was signed by this key already is not signed again. */
  readonly formats: readonly (SignatureFormat | 'file')[];
}

export interface SignOptions {
  readonly formats: readonly SignatureFormat[];
  /** A file for the bundle; then nothing is attached. */
  readonly bundle?: string | undefined;
}

/**
 * Signs the manifest or index that a name means, and puts the signature beside it. What it consists of is signed with
 * it, by its digests.
 * @throws OCISLIM_USAGE for a place without room for signatures, what the transport throws
 */
export async function sign(
  image: string,
  signer: Signer,
  { formats, bundle }: SignOptions,
  context: Context,
): Promise<Signed> {
  return within(image, async () => {
    const location = parseLocation(image, { default: 'any' });
    if (bundle !== undefined) {
      const { artifact } = await openSource(location, context);
      const { digest } = artifact.descriptor;
      await writeBytesAtomically(bundle, await bundleBy(signer, artifact.descriptor));
      return { name: image, digest, formats: ['file'] };
    }
    const { descriptor, place, name } = await findSubject(location, context);
    const made = await signAt(descriptor, place, signer, formats, context);
    return { name: name ?? image, digest: descriptor.digest, formats: made };
  });
}

interface Subject {
  readonly descriptor: Descriptor;
  readonly place: SignaturePlace;
  readonly name?: string | undefined;
}

/** What is to be signed. An image of the store is signed where it was pushed to. */
async function findSubject(location: Location, context: Context): Promise<Subject> {
  switch (location.transport) {
    case 'oci': {
      const { artifact } = await openSource(location, context);
      return { descriptor: artifact.descriptor, place: { kind: 'layout', location } };
    }
    case 'docker':
    case 'any':
    case 'store': {
      const isLocal = location.transport !== 'docker';
      const kept = isLocal ? await findInStore(location.reference, context) : undefined;
      const reference = kept === undefined ? await unaliased(location, context) : location.reference;
      const digest = kept?.descriptor.digest;
      const asked = digest === undefined ? reference : { ...reference, digest };
      const { descriptor } = await openManifest(asked, context).catch((error: unknown) => {
        throw kept === undefined ? error : notPushed(error, reference);
      });
      return { descriptor, place: { kind: 'registry', reference }, name: familiarReference(reference) };
    }
    default:
      throw new OcislimError('OCISLIM_USAGE', `${location.transport}: has no place for signatures`, {
        hint: 'a registry has one, and a layout, oci:DIR; --bundle FILE writes the signature to a file',
      });
  }
}

function notPushed(error: unknown, reference: Reference): unknown {
  if (!(error instanceof OcislimError) || error.code !== 'OCISLIM_MANIFEST_UNKNOWN') return error;
  const name = familiarReference(reference);
  return new OcislimError(
    error.code,
    `${repositoryName(reference)} has not got what the store calls ${name}`,
    {
      hint: `push it first: ocislim push ${name}`,
      cause: error,
    },
  );
}

/** Signs what a pack or a build has made, everywhere it went. */
export async function signDelivered(
  { descriptor }: Artifact,
  references: readonly Reference[],
  plan: DeliveryPlan,
  signer: Signer,
  context: Context,
): Promise<void> {
  for (const place of placesOf(plan, references))
    await signAt(descriptor, place, signer, ['bundle', 'tag'], context);
}

/** @throws OCISLIM_USAGE where nothing is delivered to a place that has room for a signature */
export function requirePlaceToSign(plan: DeliveryPlan, references: readonly Reference[]): void {
  if (placesOf(plan, references).length > 0) return;
  throw new OcislimError('OCISLIM_USAGE', '--sign: none of the outputs has a place for signatures', {
    hint: 'sign what goes to a registry (--push), or to a layout (-o oci:DIR)',
  });
}

function placesOf(
  { locations, push }: DeliveryPlan,
  references: readonly Reference[],
): readonly SignaturePlace[] {
  const layouts = locations.filter(({ transport }) => transport === 'oci');
  const repositories = new Map(references.map((each) => [repositoryName(each), each]));
  return [
    ...layouts.map((location): SignaturePlace => ({ kind: 'layout', location })),
    ...(push ? [...repositories.values()] : []).map(
      (reference): SignaturePlace => ({ kind: 'registry', reference }),
    ),
  ];
}

async function signAt(
  descriptor: Descriptor,
  place: SignaturePlace,
  signer: Signer,
  formats: readonly SignatureFormat[],
  context: Context,
): Promise<readonly SignatureFormat[]> {
  const { digest } = descriptor;
  // ECDSA never gives the same signature twice: whoever signs in every run would pile them up.
  const there =
    'key' in signer ? (await lookForSignatures(digest, publicOf(signer), place, context)).good : [];
  const isThere = (format: SignatureFormat) => there.some((each) => each.format === format);
  const made: SignatureFormat[] = [];
  if (formats.includes('bundle')) {
    made.push('bundle');
    if (!isThere('bundle')) await attachBundle(descriptor, place, signer, context);
  }
  // A layout has no tags of that kind, and a certificate goes into a bundle alone.
  if (formats.includes('tag') && place.kind === 'registry' && 'key' in signer) {
    made.push('tag');
    const { reference } = place;
    const payload = encodeClaim({ repository: repositoryName(reference), digest });
    if (!isThere('tag'))
      await addToSignatureTag(
        reference,
        digest,
        { payload, signature: signBytes(payload, signer.key) },
        context,
      );
  }
  const where = place.kind === 'registry' ? formatReference(place.reference) : 'the layout';
  context.progress.note(`signed ${digest} in ${where} with ${signer.name}`);
  return made;
}

async function attachBundle(
  subject: Descriptor,
  place: SignaturePlace,
  signer: Signer,
  context: Context,
): Promise<void> {
  const location: Location =
    place.kind === 'layout' ? place.location : { transport: 'docker', reference: place.reference };
  const referrer = referrerOf({
    subject,
    artifactType: BUNDLE,
    payload: await bundleBy(signer, subject),
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': SIGN_PREDICATE,
    },
  });
  await attachAll(context, location, [referrer]);
}

async function bundleBy(signer: Signer, { digest }: Descriptor): Promise<Buffer> {
  const statement = signStatement(digest);
  return 'key' in signer ? signBundle(statement, signer.key) : signer.bundle(statement);
}
