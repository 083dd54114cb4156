import { createHash } from 'node:crypto';
import {
  type Descriptor,
  type Digest,
  DOCUMENT_LIMIT,
  digestAlgorithm,
  documentMediaType,
  isDigest,
  isIndexType,
  isManifestType,
  MediaType,
  sha256,
} from '#oci-spec-types';
import type { OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { contentType, discard, type HttpResponse, header, readBody } from './http.ts';
import type { Repository } from './repository.ts';
import { backoff, realSleep } from './retry.ts';

/** All four in one: some registries look at nothing but the first header line, others refuse an index without it. */
const ACCEPT = [
  MediaType.Index,
  MediaType.Manifest,
  MediaType.DockerManifestList,
  MediaType.DockerManifest,
].join(', ');

/** A manifest or index, with its bytes as they came. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly raw: Uint8Array;
}

/**
 * Fetches a manifest by tag or digest (distribution-spec § Pulling manifests). The digest is computed from the bytes
 * and compared with the one asked for, or the one that the registry says a tag has.
 * @throws OCISLIM_MANIFEST_UNKNOWN | OCISLIM_REGISTRY_MISMATCH | OCISLIM_DOCUMENT_INVALID | OCISLIM_UNAUTHORIZED | …
 */
export async function getManifest(
  repository: Repository,
  tagOrDigest: string,
  options: OpenOptions = {},
): Promise<FetchedManifest> {
  const what = nameOf(repository, tagOrDigest);
  const response = await repository.request({
    method: 'GET',
    to: `manifests/${tagOrDigest}`,
    access: 'pull',
    headers: { accept: ACCEPT },
    signal: options.signal,
  });
  if (response.status === 404) {
    await discard(response);
    throw unknown(what, tagOrDigest);
  }
  if (response.status !== 200)
    throw await repository.failure(response, { access: 'pull' }, `read ${tagOrDigest}`);
  const raw = await readBody(response, DOCUMENT_LIMIT);
  const digest = checkedDigest(what, tagOrDigest, raw, response);
  return { descriptor: { mediaType: mediaTypeOf(what, raw, response), digest, size: raw.length }, raw };
}

/**
 * The digest of a manifest (distribution-spec § Checking if content exists in the registry). The manifest itself is
 * fetched only where HEAD does not tell: several registries leave the header out, and some refuse HEAD.
 * @throws what {@link getManifest} throws
 */
export async function manifestDigest(
  repository: Repository,
  tagOrDigest: string,
  options: OpenOptions = {},
): Promise<Digest> {
  const response = await repository.request({
    method: 'HEAD',
    to: `manifests/${tagOrDigest}`,
    access: 'pull',
    headers: { accept: ACCEPT },
    signal: options.signal,
  });
  await discard(response);
  const claimed = claimedDigest(response);
  if (response.status === 200 && claimed !== undefined) return claimed;
  return (await getManifest(repository, tagOrDigest, options)).descriptor.digest;
}

function checkedDigest(what: string, asked: string, raw: Uint8Array, response: HttpResponse): Digest {
  if (isDigest(asked)) {
    const hex = createHash(digestAlgorithm(asked)).update(raw).digest('hex');
    if (asked === `${digestAlgorithm(asked)}:${hex}`) return asked;
    throw mismatch(what, `the registry sent content with digest ${digestAlgorithm(asked)}:${hex}`);
  }
  const actual = sha256(raw);
  const claimed = claimedDigest(response);
  if (claimed === undefined || claimed === actual) return actual;
  throw mismatch(what, `the registry says ${claimed}, but sent content with digest ${actual}`);
}

/** `Docker-Content-Digest`, where it is one that can be compared; several registries leave it out. */
function claimedDigest(response: HttpResponse): Digest | undefined {
  const claimed = header(response, 'docker-content-digest');
  return isDigest(claimed) && digestAlgorithm(claimed) === 'sha256' ? claimed : undefined;
}

/** The content type, unless it is one that says nothing; it must agree with what the document says of itself. */
function mediaTypeOf(what: string, raw: Uint8Array, response: HttpResponse): string {
  const announced = contentType(response);
  if (announced === MediaType.DockerManifestSchema1 || announced === MediaType.DockerManifestSchema1Signed) {
    throw new OcislimError(
      'OCISLIM_DOCUMENT_INVALID',
      `${what}: Docker image manifest schema 1 is not supported`,
      { hint: 'push the image again with a tool of this decade' },
    );
  }
  const own = documentMediaType(raw, what);
  if (!isIndexType(announced) && !isManifestType(announced)) return own;
  const implied = own === MediaType.Index || own === MediaType.Manifest;
  if (own === announced || (implied && !statesMediaType(raw))) return announced;
  throw new OcislimError(
    'OCISLIM_DOCUMENT_INVALID',
    `${what}: says it is ${own}, was announced as ${announced}`,
  );
}

function statesMediaType(raw: Uint8Array): boolean {
  const value: unknown = JSON.parse(Buffer.from(raw).toString('utf8'));
  return typeof value === 'object' && value !== null && 'mediaType' in value;
}

/**
 * Whether the repository has a manifest. "Forbidden" counts as absent: Artifactory says so before a first push.
 * @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_FAILED
 */
export async function hasManifest(
  repository: Repository,
  digest: Digest,
  options: OpenOptions = {},
): Promise<boolean> {
  const request = {
    method: 'HEAD',
    access: 'push',
    headers: { accept: ACCEPT },
    signal: options.signal,
  } as const;
  const response = await repository.request({ ...request, to: `manifests/${digest}` });
  if (response.status === 200) {
    await discard(response);
    return [undefined, digest].includes(claimedDigest(response));
  }
  const isAnswer = response.status >= 400 && response.status < 500 && ![401, 429].includes(response.status);
  if (!isAnswer) throw await repository.failure(response, request, `ask for ${digest}`);
  await discard(response);
  return false;
}

/**
 * Stores a manifest under a tag or its digest (distribution-spec § Pushing Manifests).
 * @returns whether the registry lists it with the subject it names (§ Pushing Manifests with Subject)
 * @throws OCISLIM_REGISTRY_MISMATCH where the registry made something else of it; OCISLIM_UNAUTHORIZED | …
 */
export async function putManifest(
  repository: Repository,
  raw: Uint8Array,
  mediaType: string,
  tagOrDigest: string,
  options: OpenOptions = {},
): Promise<{ readonly listed: boolean }> {
  const response = await repository.request({
    method: 'PUT',
    to: `manifests/${tagOrDigest}`,
    access: 'push',
    headers: { 'content-type': mediaType },
    body: { size: raw.length, open: async () => raw },
    signal: options.signal,
  });
  if (response.status < 200 || response.status > 299) {
    throw await repository.failure(response, { access: 'push' }, `push ${tagOrDigest}`);
  }
  await discard(response);
  const claimed = claimedDigest(response);
  if (claimed === undefined || claimed === sha256(raw))
    return { listed: header(response, 'oci-subject') !== undefined };
  throw mismatch(
    nameOf(repository, tagOrDigest),
    `pushed as ${sha256(raw)}, the registry says it has ${claimed}`,
  );
}

/** How often a tag is looked at; some registries need a moment until they show what they have accepted. */
const LOOKS = 4;

/**
 * Makes sure that a tag which was just pushed names what was pushed. Who may push but not pull is believed.
 * @throws OCISLIM_REGISTRY_FAILED where it names something else
 */
export async function confirmTag(
  repository: Repository,
  tag: string,
  digest: Digest,
  options: OpenOptions = {},
): Promise<void> {
  for (let look = 1; ; look++) {
    const found = await tagDigest(repository, tag, options);
    if (found === digest || found === 'unreadable') return;
    if (look === LOOKS) {
      throw new OcislimError(
        'OCISLIM_REGISTRY_FAILED',
        `${nameOf(repository, tag)}: was pushed as ${digest}, but ${found === undefined ? 'is not there' : `names ${found}`}`,
        { hint: 'somebody else may have pushed the tag at the same time; push it again' },
      );
    }
    await (repository.sleep ?? realSleep)(backoff(look), options.signal);
  }
}

/** Whether a tag names that manifest; false also for one that cannot be read. */
export async function hasTag(
  repository: Repository,
  tag: string,
  digest: Digest,
  options: OpenOptions = {},
): Promise<boolean> {
  return (await tagDigest(repository, tag, options)) === digest;
}

async function tagDigest(
  repository: Repository,
  tag: string,
  options: OpenOptions,
): Promise<Digest | 'unreadable' | undefined> {
  const request = {
    to: `manifests/${tag}`,
    access: 'push',
    headers: { accept: ACCEPT },
    ...options,
  } as const;
  const head = await repository.request({ ...request, method: 'HEAD' });
  await discard(head);
  const claimed = claimedDigest(head);
  if (head.status === 200 && claimed !== undefined) return claimed;
  const response = await repository.request({ ...request, method: 'GET' });
  if (response.status === 200) return sha256(await readBody(response, DOCUMENT_LIMIT));
  await discard(response);
  return response.status === 404 ? undefined : 'unreadable';
}

function nameOf({ name }: Repository, tagOrDigest: string): string {
  return isDigest(tagOrDigest) ? `${name}@${tagOrDigest}` : `${name}:${tagOrDigest}`;
}

function unknown(what: string, asked: string): OcislimError {
  return new OcislimError(
    'OCISLIM_MANIFEST_UNKNOWN',
    `${what}: no such ${isDigest(asked) ? 'image' : 'tag'}`,
    {
      hint:
        asked === 'latest'
          ? 'not every repository has a tag "latest": name another after a colon'
          : undefined,
    },
  );
}

function mismatch(what: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_REGISTRY_MISMATCH', `${what}: ${why}`);
}
