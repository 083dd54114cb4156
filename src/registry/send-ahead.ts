import { Readable } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import { discard, header } from './http.ts';
import type { Repository } from './repository.ts';
import { cancelUpload, PATIENCE, type Session, sessionOf, withDigest } from './upload.ts';
import { type PushBlobOptions, startUpload } from './uploads.ts';

/**
 * Uploads a blob while it is made (distribution-spec § Pushing blobs): its bytes in one PATCH as they come, then its digest.
 * It is a try, not repeated: what goes wrong only means that the blob is to be pushed once it is whole.
 * @param digest asked for at the end of `content`
 * @returns whether the repository has the blob now
 */
export async function sendAhead(
  repository: Repository,
  content: AsyncIterable<Uint8Array>,
  digest: Promise<Digest>,
  { signal, begun }: PushBlobOptions,
): Promise<boolean> {
  let session: Session | undefined;
  try {
    session = begun?.() ?? (await startUpload(repository, { signal }));
    const request = { access: 'push', retry: 'none', patience: PATIENCE, signal } as const;
    const anonymous = (url: URL) => url.origin !== repository.server.base.origin;
    const sent = await repository.request({
      ...request,
      method: 'PATCH',
      to: session.url,
      headers: { 'content-type': 'application/octet-stream' },
      body: { open: once(content) },
      anonymous: anonymous(session.url),
    });
    await discard(sent);
    if (![201, 202, 204].includes(sent.status)) throw new Error(`answered ${sent.status}`);
    if (header(sent, 'location') !== undefined) session = sessionOf(repository, sent);
    const url = withDigest(session.url, await digest);
    const done = await repository.request({
      ...request,
      method: 'PUT',
      to: url,
      headers: { 'content-type': 'application/octet-stream' },
      body: { size: 0, open: async () => new Uint8Array(0) },
      anonymous: anonymous(url),
    });
    await discard(done);
    if (done.status === 201 || done.status === 204) return true;
    throw new Error(`answered ${done.status}`);
  } catch {
    if (session !== undefined) await cancelUpload(repository, session.url);
    return false;
  }
}

/** What is made is there once: a request that is to be sent again cannot be. */
function once(content: AsyncIterable<Uint8Array>): () => Promise<Readable> {
  let isOpened = false;
  return async () => {
    if (isOpened) throw new Error('content that was sent already');
    isOpened = true;
    return Readable.from(content, { objectMode: false });
  };
}
