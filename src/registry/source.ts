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
type Candidate = () => Promise<Repository>;

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
  const { value: manifest, at } = await firstThatWorks(
    candidates,
    (repository) => getManifest(repository, asked, options),
    warn,
    options,
  );
  const source = repositorySource(repositoryName(reference), candidates.slice(at), manifest, warn);
  return { descriptor: manifest.descriptor, source };
}

async function firstThatWorks<T>(
  candidates: readonly Candidate[],
  work: (repository: Repository) => Promise<T>,
  warn: (message: string) => void,
  { signal }: OpenOptions,
): Promise<{ readonly value: T; readonly at: number; readonly repository: Repository }> {
  const failures: string[] = [];
  for (const [at, candidate] of candidates.entries()) {
    try {
      const repository = await candidate();
      return { value: await work(repository), at, repository };
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof OcislimError)) throw error;
      if (at === candidates.length - 1) throw withFailures(error, failures);
      failures.push(error.message);
      if (!isUnknown(error)) warn(`mirror passed over: ${error.message}`);
    }
  }
  throw new OcislimError('OCISLIM_INTERNAL', 'resolve: no repository to ask');
}

function isUnknown({ code }: OcislimError): boolean {
  return code === 'OCISLIM_MANIFEST_UNKNOWN' || code === 'OCISLIM_BLOB_UNKNOWN';
}

/** Whoever works behind a mirror wants to know why it was of no use, rather than that there is no way out. */
function withFailures(error: OcislimError, failures: readonly string[]): OcislimError {
  if (failures.length === 0) return error;
  const hint = `the mirror was of no use: ${failures.join('; ')}`;
  return new OcislimError(error.code, error.message, { hint, cause: error });
}

/** A repository and its mirrors as a source. `first` is in hand already, and not fetched again. */
function repositorySource(
  name: string,
  candidates: readonly Candidate[],
  first: FetchedManifest,
  warn: (message: string) => void,
): BlobSource {
  const documents = new Map<Digest, Uint8Array>([[first.descriptor.digest, first.raw]]);
  const servedBy = new Map<Digest, BlobOrigin>();
  let likely: readonly BlobOrigin[] = [];
  return {
    name,
    open: async (descriptor, options = {}) => {
      const { digest, mediaType } = descriptor;
      const known = documents.get(digest);
      if (known !== undefined) return inMemory(known);
      if (isManifestType(mediaType) || isIndexType(mediaType)) {
        const { value } = await firstThatWorks(
          candidates,
          (repository) => getManifest(repository, digest, options),
          warn,
          options,
        );
        return inMemory(value.raw);
      }
      const opened = await firstThatWorks(
        candidates,
        async (repository, ) => {
          return openBlob(repository, descriptor, options);
        },
        warn,
        options,
      );
      servedBy.set(digest, originOf(opened.repository));
      return opened.value;
    },
    origins: (digest) => {
      const served = servedBy.get(digest);
      return served === undefined ? likely : [served, ...likely];
    },
  };
}

function originOf({ server, path }: Repository): BlobOrigin {
  return { origin: server.base.origin, repository: path };
}

function inMemory(bytes: Uint8Array): Readable {
  return Readable.from([Buffer.from(bytes)], { objectMode: false });
}
