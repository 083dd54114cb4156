import { Readable } from 'node:stream';
import { type Descriptor, type Digest, isIndexType, isManifestType } from '#oci-spec-types';
import type { BlobSource } from '../image/load.ts';
import type { BlobOrigin, OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { openBlob, openForeign } from './blobs.ts';
import { type FetchedManifest, getManifest } from './manifests.ts';
import { type Reference, repositoryName } from './reference.ts';
import type { Repository } from './repository.ts';

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
  const asked = reference.digest ?? reference.tag ?? 'latest';
  const found = await firstThatWorks(
    candidates,
    (repository) => getManifest(repository, asked, options),
    warn,
    options,
  );
  const name = repositoryName(reference);
  return { descriptor: found.value.descriptor, source: repositorySource(name, candidates, found, warn) };
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
  const servedBy = new Map<Digest, BlobOrigin>();
  // Candidates before the one that had the manifest have been found wanting.
  const left = candidates.slice(first.at);
  const guesses = [originOf(first.repository), ...left.slice(1).map(({ guess }) => guess)];

  const openDocument = async (digest: Digest, options: OpenOptions): Promise<Readable> => {
    const get = (repository: Repository) => getManifest(repository, digest, options);
    const { value } = await firstThatWorks(left, get, warn, options);
    documents.set(digest, value.raw);
    return inMemory(value.raw);
  };
  const openContent = async (descriptor: Descriptor, options: OpenOptions): Promise<Readable> => {
    try {
      const get = (repository: Repository) => openBlob(repository, descriptor, options);
      const { value, repository } = await firstThatWorks(left, get, warn, options);
      servedBy.set(descriptor.digest, originOf(repository));
      return value;
    } catch (error) {
      const foreign = isUnknown(error) ? await openForeign(first.repository, descriptor, options) : undefined;
      if (foreign === undefined) throw error;
      return foreign;
    }
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
    // Asked before the content is fetched, too; then it is most likely where its manifest was.
    origins: (digest) => {
      const served = servedBy.get(digest);
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
