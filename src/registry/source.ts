import { Readable } from 'node:stream';
import { type Descriptor, type Digest, isIndexType, isManifestType } from '#oci-spec-types';
import type { BlobSource } from '../image/load.ts';
import type { BlobOrigin, OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { Verifier } from '../lib/verify.ts';
import { openForeign, openStretch, type Stretch, verified } from './blobs.ts';
import { type FetchedManifest, getManifest, manifestDigest } from './manifests.ts';
import { type Reference, repositoryName } from './reference.ts';
import type { Repository } from './repository.ts';
import { resuming } from './resume.ts';

/** A repository that is connected to when its turn comes. */
export interface Candidate {
  connect(): Promise<Repository>;
  /** Where it most likely is; known without connecting. */
  readonly guess: BlobOrigin;
}

/**
 * Resolves a reference at the first of several repositories that knows it. Mirrors come first and the origin is the
 * last: a mirror that fails costs a warning, and one that merely lacks the image not even that.
 */
export async function resolveFrom(
  reference: Reference,
  candidates: readonly Candidate[],
  warn: (message: string) => void,
  options: OpenOptions = {},
): Promise<{ readonly descriptor: Descriptor; readonly source: BlobSource }> {
  const get = (repository: Repository) => getManifest(repository, askedOf(reference), options);
  const found = await firstThatWorks(candidates, get, warn, options);
  const name = repositoryName(reference);
  return { descriptor: found.value.descriptor, source: repositorySource(name, candidates, found, warn) };
}

/** The digest of a reference at the first of several repositories that knows it, in the same order. */
export async function digestFrom(
  reference: Reference,
  candidates: readonly Candidate[],
  warn: (message: string) => void,
  options: OpenOptions = {},
): Promise<Digest> {
  const ask = (repository: Repository) => manifestDigest(repository, askedOf(reference), options);
  return (await firstThatWorks(candidates, ask, warn, options)).value;
}

function askedOf({ digest, tag }: Reference): string {
  return digest ?? tag ?? 'latest';
}

interface Found<T> {
  readonly value: T;
  /** Which of the candidates gave it. */
  readonly at: number;
  readonly repository: Repository;
}

async function firstThatWorks<T>(
  candidates: readonly Candidate[],
  work: (repository: Repository) => Promise<T>,
  warn: (message: string) => void,
  { signal }: OpenOptions,
): Promise<Found<T>> {
  const failures: string[] = [];
  for (const [at, candidate] of candidates.entries()) {
    try {
      const repository = await candidate.connect();
      return { value: await work(repository), at, repository };
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof OcislimError)) throw error;
      if (at === candidates.length - 1) throw withFailures(error, failures);
      failures.push(error.message);
      if (!isUnknown(error)) warn(`mirror passed over: ${error.message}`);
    }
  }
  throw new OcislimError('OCISLIM_INTERNAL', 'no repository to ask');
}

function isUnknown(error: unknown): boolean {
  return (
    error instanceof OcislimError &&
    (error.code === 'OCISLIM_MANIFEST_UNKNOWN' || error.code === 'OCISLIM_BLOB_UNKNOWN')
  );
}

/** Whoever works behind a mirror wants to know why it was of no use, more than that there is no way past it. */
function withFailures(error: OcislimError, failures: readonly string[]): OcislimError {
  if (failures.length === 0) return error;
  const hint = [error.hint, `the mirror was of no use: ${failures.join('; ')}`]
    .filter((part) => part !== undefined)
    .join('; ');
  return new OcislimError(error.code, error.message, { hint, cause: error });
}

/** A repository and its mirrors as a source. What `first` holds is not fetched again. */
function repositorySource(
  name: string,
  candidates: readonly Candidate[],
  first: Found<FetchedManifest>,
  warn: (message: string) => void,
): BlobSource {
  const documents = new Map<Digest, Uint8Array>([[first.value.descriptor.digest, first.value.raw]]);
  const servedBy = new Map<Digest, { readonly origin: BlobOrigin; readonly at: number }>();
  // Candidates before the one that had the manifest have been found wanting.
  const left = candidates.slice(first.at);
  const guesses = [originOf(first.repository), ...left.slice(1).map(({ guess }) => guess)];

  const openDocument = async (digest: Digest, options: OpenOptions): Promise<Readable> => {
    const get = (repository: Repository) => getManifest(repository, digest, options);
    const { value } = await firstThatWorks(left, get, warn, options);
    documents.set(digest, value.raw);
    return inMemory(value.raw);
  };
  /** Whoever gave something wrong for a blob is not asked for it again while there are others. */
  const distrusted = new Map<Digest, number>();
  const stretch = async (descriptor: Descriptor, offset: number, breaks: number, options: OpenOptions) => {
    const others = left.length - 1;
    const passed = Math.min((distrusted.get(descriptor.digest) ?? 0) + Math.floor(breaks / 2), others);
    const get = (repository: Repository) => openStretch(repository, descriptor, offset, options);
    const { value, repository, at } = await firstThatWorks(left.slice(passed), get, warn, options);
    servedBy.set(descriptor.digest, { origin: originOf(repository), at: passed + at });
    return value;
  };
  const read = (descriptor: Descriptor, offset: number, { signal }: OpenOptions) => {
    const open = (at: number, breaks: number) => stretch(descriptor, at, breaks, { signal });
    return resuming(descriptor, offset, { open, sleep: first.repository.sleep, signal });
  };
  const openContent = async (descriptor: Descriptor, options: OpenOptions): Promise<Readable> => {
    const { digest } = descriptor;
    // The first stretch is asked for at once, so that "no such blob" is this call's error and not the stream's.
    const bytes = await begun(read(descriptor, 0, options)).catch(async (error: unknown) => {
      const foreign = isUnknown(error) ? await openForeign(first.repository, descriptor, options) : undefined;
      if (foreign === undefined) throw error;
      return foreign;
    });
    if (bytes instanceof Verifier) return bytes;
    const onMismatch = () => void distrusted.set(digest, (servedBy.get(digest)?.at ?? 0) + 1);
    return verified(bytes, descriptor, `${name}: ${digest}`, { onMismatch });
  };
  return {
    name,
    open: async (descriptor, options = {}) => {
      const { digest, mediaType } = descriptor;
      const known = documents.get(digest);
      if (known !== undefined) return inMemory(known);
      const isDocument = isManifestType(mediaType) || isIndexType(mediaType);
      return isDocument ? openDocument(digest, options) : openContent(descriptor, options);
    },
    openAt: async (descriptor, offset, options = {}) =>
      Readable.from(await begun(read(descriptor, offset, options)), { objectMode: false }),
    // Asked before the content is fetched, too; then it is most likely where its manifest was.
    origins: (digest) => {
      const served = servedBy.get(digest)?.origin;
      return served === undefined ? guesses : [served, ...guesses];
    },
  };
}

function originOf({ server, path }: Repository): BlobOrigin {
  return { origin: server.base.origin, repository: path };
}

function inMemory(bytes: Uint8Array): Readable {
  return Readable.from([Buffer.from(bytes)], { objectMode: false });
}

/** The same bytes once the first of them are there, or what hinders them. */
async function begun(stretch: Stretch): Promise<Stretch> {
  const iterator = stretch[Symbol.asyncIterator]();
  let held: IteratorResult<Buffer> | undefined = await iterator.next();
  const next = async () => {
    const result = held ?? iterator.next();
    held = undefined;
    return result;
  };
  // A generator that was not begun would not end what it was given.
  const end = async () => iterator.return?.() ?? { done: true as const, value: undefined };
  return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
}
