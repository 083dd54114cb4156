import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatPlatform } from '#oci-spec-types';
import { imagesOf } from '../image/images-of.ts';
import { loadArtifact, platformOfConfig } from '../image/load.ts';
import type { Artifact } from '../image/model.ts';
import { isAboutContent, validateArtifact } from '../image/validate.ts';
import { documentsOf } from '../image/write.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { familiarReference, parseReference } from '../registry/reference.ts';
import { verifyBundle } from '../sign/bundle.ts';
import type { NamedKey } from '../sign/key.ts';
import type { Context } from '../transports/context.ts';
import { openSource, type Source, unaliased } from '../transports/index.ts';
import { type Location, parseLocation } from '../transports/location.ts';
import { openManifest } from '../transports/registry.ts';
import { findInStore } from '../transports/store.ts';
import type { SignaturePlace } from './signatures.ts';
import { type GoodSignature, requireSignature } from './signatures.ts';

export interface VerifyRequest {
  readonly image: string;
  /** Whose signature there must be; undefined: signatures are not looked at. */
  readonly key?: NamedKey | undefined;
  /** A file with the signature, in the place of what is kept beside the image. */
  readonly bundle?: string | undefined;
}

export interface VerifiedPlatform {
  readonly platform: string;
  readonly digest: string;
  readonly layers: number;
  /** Steps of the history, those without a layer included. */
  readonly history: number;
}

/** What was found right; the object that `--json` prints. */
export interface Verified {
  readonly name: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly platforms: readonly VerifiedPlatform[];
  /** Manifests and indexes. */
  readonly manifests: number;
  /** Distinct configs and layers. */
  readonly blobs: number;
  /** Bytes that were read and held against their digests. */
  readonly size: number;
  readonly signatures: readonly GoodSignature[];
}

/**
 * Holds everything that an image claims against its bytes, where they are: digests and sizes of all documents and
 * blobs, diffIDs, history, platforms, and the form of every document; and its signature, where a key is given.
 * @throws OCISLIM_VERIFY_FAILED with what is wrong; OCISLIM_SIGNATURE_INVALID; what the transport throws
 */
export async function verify(request: VerifyRequest, context: Context): Promise<Verified> {
  return (await openVerified(request, context)).verified;
}

/** The same, with what was verified: a name may mean something else by the next time it is asked for. */
export async function openVerified(
  request: VerifyRequest,
  context: Context,
): Promise<{ readonly verified: Verified; readonly artifact: Artifact }> {
  const { image, key } = request;
  return within(image, async () => {
    const { artifact, reference, place } = await openToVerify(image, context);
    requireNone(await validateArtifact(artifact, { signal: context.signal }));
    const summary = await summaryOf(artifact, context);
    const name = reference === undefined ? image : familiarReference(parseReference(reference));
    const signatures = key === undefined ? [] : await signaturesBy(key, artifact, place, request, context);
    return { verified: { name, ...summary, signatures }, artifact };
  });
}

interface Opened extends Source {
  /** Where its signatures would be; undefined where there is no place for any. */
  readonly place?: SignaturePlace | undefined;
}

/**
 * Opens an image to be verified: the very bytes of its place. Of a registry nothing is taken from the store, which
 * may have what the registry has lost.
 */
async function openToVerify(image: string, context: Context): Promise<Opened> {
  const location = parseLocation(image, { default: 'any' });
  try {
    return await openDirectly(location, context);
  } catch (error) {
    if (!isAboutContent(error) || isMissing(error)) throw error;
    throw failed([error.message]);
  }
}

async function openDirectly(location: Location, context: Context): Promise<Opened> {
  const { transport } = location;
  if (transport !== 'any' && transport !== 'docker') {
    const source = await openSource(location, context);
    return { ...source, place: placeOf(location) };
  }
  const kept = transport === 'any' ? await findInStore(location.reference, context) : undefined;
  if (kept !== undefined) {
    const source = await openSource({ ...location, transport: 'store' }, context);
    return { ...source, place: { kind: 'registry', reference: location.reference } };
  }
  const reference = await unaliased(location, context);
  const { descriptor, source } = await openManifest(reference, context);
  const artifact = await loadArtifact(source, descriptor, { signal: context.signal });
  return { artifact, place: { kind: 'registry', reference }, reference: familiarReference(reference) };
}

function placeOf(location: Location): SignaturePlace | undefined {
  if (location.transport === 'oci' || location.transport === 'oci-archive')
    return { kind: 'layout', location };
  return location.transport === 'store' ? { kind: 'registry', reference: location.reference } : undefined;
}

/** That there is no such image is no verdict on it. */
function isMissing({ code }: OcislimError): boolean {
  return code === 'OCISLIM_NOT_FOUND' || code === 'OCISLIM_MANIFEST_UNKNOWN';
}

function requireNone(problems: readonly string[]): void {
  if (problems.length > 0) throw failed(problems);
}

function failed(problems: readonly string[]): OcislimError {
  const [first = '', ...others] = problems;
  const more = others.length === 0 ? '' : ` (and ${others.length} more: ${others.slice(0, 10).join('; ')})`;
  return new OcislimError('OCISLIM_VERIFY_FAILED', `not what it claims to be: ${first}${more}`, {
    hint: 'fetch or make it again; what is there must not be used',
    check: problems.map((message) => ({ rule: 'claim-wrong', level: 'error', message })),
  });
}

async function summaryOf(
  artifact: Artifact,
  { signal }: Context,
): Promise<Omit<Verified, 'name' | 'signatures'>> {
  const documents = await documentsOf(artifact, { signal });
  const blobs = new Map<string, number>();
  for (const document of documents) {
    if (document.kind === 'index') continue;
    const { config, layers } = document.manifest;
    for (const { digest, size } of [config, ...layers]) blobs.set(digest, size);
  }
  const raw = documents.reduce((sum, document) => sum + document.raw.length, 0);
  const { digest, mediaType } = artifact.descriptor;
  return {
    digest,
    mediaType,
    platforms: (await imagesOf(artifact, { signal })).map((image) => ({
      platform: formatPlatform(platformOfConfig(image.config)),
      digest: image.descriptor.digest,
      layers: image.layers.length,
      history: image.config.history?.length ?? 0,
    })),
    manifests: documents.length,
    blobs: blobs.size,
    size: [...blobs.values()].reduce((sum, size) => sum + size, raw),
  };
}

async function signaturesBy(
  key: NamedKey,
  { descriptor }: Artifact,
  place: SignaturePlace | undefined,
  { bundle }: VerifyRequest,
  context: Context,
): Promise<readonly GoodSignature[]> {
  const { digest } = descriptor;
  if (bundle !== undefined) {
    const bytes = await readFile(resolve(context.cwd, bundle)).catch((cause: unknown) => {
      throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${bundle}: no signature that could be read there`, {
        cause,
      });
    });
    verifyBundle(bytes, digest, key.key, bundle);
    return [{ format: 'file', key: key.name }];
  }
  if (place !== undefined) return requireSignature(digest, key, place, context);
  throw new OcislimError('OCISLIM_USAGE', 'has no place for signatures', {
    hint: 'give the file that ocislim sign --bundle FILE wrote, with --bundle FILE',
  });
}
