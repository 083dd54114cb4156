import type { Digest } from '#oci-spec-types';
import type { Blob, BlobOrigin, OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { hasBlob } from './blobs.ts';
import { discard } from './http.ts';
import type { Repository } from './repository.ts';
import { isBrokenOff } from './resume.ts';
import { backoff, realSleep } from './retry.ts';
import { cancelUpload, type Session, sessionOf, Upload } from './upload.ts';

export interface PushBlobOptions extends OpenOptions {
  /** Bytes sent; below zero for those that are sent again. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Gives an upload that was begun already, once. */
  readonly begun?: (() => Session | undefined) | undefined;
  /** Nobody expects the repository to have it: it is not asked. */
  readonly isAbsent?: boolean | undefined;
}

/** Uploads of one blob, the first included; each begins anew. */
const ATTEMPTS = 4;
/** More guesses at where a blob could be mounted from cost more than they save. */
const MOUNTS = 3;

/**
 * Sees to it that the repository has a blob: asks where it may well be there, else mounts it from a repository of the same
 * registry that has it (distribution-spec § Mounting a blob from another repository), else uploads it, going on where an
 * upload broke off.
 * @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_FAILED | OCISLIM_REGISTRY_UNREACHABLE, or what the blob throws
 */
export async function pushBlob(
  repository: Repository,
  blob: Blob,
  options: PushBlobOptions = {},
): Promise<'exists' | 'mounted' | 'pushed'> {
  const { digest } = blob.descriptor;
  const { signal } = options;
  if (options.isAbsent !== true && (await hasBlob(repository, digest, options))) return 'exists';
  let session: Session | undefined;
  for (const { repository: source } of mountable(repository, blob.origins)) {
    const answer = await mount(repository, digest, source, options);
    if (answer === 'mounted') return answer;
    session ??= answer;
  }
  session ??= options.begun?.();
  for (let attempt = 1; ; attempt++) {
    let upload: Upload | undefined;
    try {
      upload = new Upload(repository, blob, session ?? (await startUpload(repository, options)), options);
      session = undefined;
      await upload.run({ inChunks: attempt > 1 });
      return 'pushed';
    } catch (error) {
      if (upload !== undefined) await cancelUpload(repository, upload.session);
      const mayPass = upload?.lost || (upload !== undefined && isBrokenOff(error));
      if (attempt === ATTEMPTS || signal?.aborted || !mayPass) throw error;
      await (repository.sleep ?? realSleep)(backoff(attempt), signal);
      // It may have arrived although the answer did not.
      if (await hasBlob(repository, digest, options)) return 'pushed';
    }
  }
}

function mountable(
  { server, path }: Repository,
  origins: readonly BlobOrigin[] | undefined,
): readonly BlobOrigin[] {
  const near = origins?.filter(
    ({ origin, repository }) => origin === server.base.origin && repository !== path,
  );
  return near?.slice(0, MOUNTS) ?? [];
}

/** Any no is no worse than not to have asked: then the answer may hold an upload to go on with, or nothing. */
async function mount(
  repository: Repository,
  digest: Digest,
  source: string,
  options: OpenOptions,
): Promise<'mounted' | Session | undefined> {
  try {
    const response = await repository.request({
      method: 'POST',
      to: `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(source)}`,
      access: 'push',
      alsoReads: source,
      retry: 'none',
      signal: options.signal,
    });
    await discard(response);
    if (response.status === 201) return 'mounted';
    return response.status === 202 ? sessionOf(repository, response) : undefined;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof OcislimError) return undefined;
    throw error;
  }
}

/** Begins an upload (distribution-spec § Pushing blobs). @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_FAILED */
export async function startUpload(repository: Repository, options: OpenOptions = {}): Promise<Session> {
  const request = { method: 'POST', access: 'push', signal: options.signal } as const;
  const response = await repository.request({ ...request, to: 'blobs/uploads/' });
  if (response.status !== 202) throw await repository.failure(response, request, 'begin an upload');
  await discard(response);
  return sessionOf(repository, response);
}
