import { pipeline, type Readable, Transform } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import type { Blob, BlobOrigin, OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { leadsInward } from './address.ts';
import { hasBlob } from './blobs.ts';
import { discard, type HttpResponse, header } from './http.ts';
import type { Repository } from './repository.ts';
import { backoff, realSleep } from './retry.ts';

export interface PushBlobOptions extends OpenOptions {
  /** Bytes sent; below zero for those of an upload that begins anew. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** Uploads of one blob, the first included; each begins anew. */
const ATTEMPTS = 3;
/** A registry puts a large upload in its place, and may hash it, before it answers. */
const PATIENCE = 15 * 60_000;
/** More guesses at where a blob could be mounted from cost more than they save. */
const MOUNTS = 3;

/**
 * Sees to it that the repository has a blob: asks, else mounts it from a repository of the same registry that has it
 * (distribution-spec § Mounting a blob from another repository), else uploads it in one piece.
 * @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_FAILED | OCISLIM_REGISTRY_UNREACHABLE, or what the blob throws
 */
export async function pushBlob(
  repository: Repository,
  blob: Blob,
  options: PushBlobOptions = {},
): Promise<'exists' | 'mounted' | 'pushed'> {
  const { digest } = blob.descriptor;
  if (await hasBlob(repository, digest, options)) return 'exists';
  let session: URL | undefined;
  for (const { repository: source } of mountable(repository, blob.origins)) {
    const answer = await mount(repository, digest, source, options);
    if (answer === 'mounted') return answer;
    session ??= answer;
  }
  for (let attempt = 1; ; attempt++) {
    try {
      session ??= await start(repository, options);
      await upload(repository, blob, session, options);
      return 'pushed';
    } catch (error) {
      if (attempt === ATTEMPTS || options.signal?.aborted || !isBrokenOff(error)) throw error;
      session = undefined;
      await (repository.sleep ?? realSleep)(backoff(attempt), options.signal);
    }
  }
}

function isBrokenOff(error: unknown): boolean {
  return error instanceof OcislimError && error.code === 'OCISLIM_REGISTRY_UNREACHABLE';
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
): Promise<'mounted' | URL | undefined> {
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

async function start(repository: Repository, options: OpenOptions): Promise<URL> {
  const request = { method: 'POST', access: 'push', signal: options.signal } as const;
  const response = await repository.request({ ...request, to: 'blobs/uploads/' });
  if (response.status !== 202) throw await repository.failure(response, request, 'begin an upload');
  await discard(response);
  return sessionOf(repository, response);
}

/** Where the registry wants an upload: relative or absolute, with a query of its own, or on another host. */
function sessionOf({ name, server }: Repository, response: HttpResponse): URL {
  const location = header(response, 'location');
  if (location === undefined || !URL.canParse(location, response.url.href)) {
    throw refused(name, 'the registry names no URL to upload to');
  }
  const url = new URL(location, response.url);
  // Registries behind a proxy that speaks TLS for them often think they are reached by plain HTTP.
  if (url.protocol === 'http:' && url.host === server.base.host) url.protocol = server.base.protocol;
  const legal = url.protocol === 'https:' || (url.protocol === 'http:' && server.base.protocol === 'http:');
  if (!legal)
    throw refused(name, `the registry wants uploads at ${url.protocol}//${url.host}, which is not HTTPS`);
  if (leadsInward(url, server.base)) {
    throw refused(name, `the registry wants uploads at ${url.host}, an address in a private network`);
  }
  return url;
}

async function upload(
  repository: Repository,
  blob: Blob,
  session: URL,
  { signal, onBytes }: PushBlobOptions,
): Promise<void> {
  const { digest, size } = blob.descriptor;
  let sent = 0;
  const takeBack = () => {
    if (sent > 0) onBytes?.(-sent);
    sent = 0;
  };
  const open = async () => {
    takeBack();
    return count(await blob.open({ signal }), (bytes) => {
      sent += bytes;
      onBytes?.(bytes);
    });
  };
  const request = { method: 'PUT', access: 'push', signal } as const;
  let response: HttpResponse;
  try {
    response = await repository.request({
      ...request,
      to: withDigest(session, digest),
      headers: { 'content-type': 'application/octet-stream' },
      body: { size, open },
      anonymous: session.origin !== repository.server.base.origin,
      retry: 'none',
      patience: PATIENCE,
    });
  } catch (error) {
    takeBack();
    throw error;
  }
  if (response.status !== 201 && response.status !== 204) {
    throw await repository.failure(response, request, `upload blob ${digest}`);
  }
  await discard(response);
}

/** Appended as text: reading and writing the query anew would change what the registry put there. */
function withDigest(session: URL, digest: Digest): URL {
  const url = new URL(session);
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}

function count(stream: Readable, onBytes: (count: number) => void): Readable {
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  pipeline(stream, counter, () => {
    // The counter carries the error to the request.
  });
  return counter;
}

function refused(name: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_REGISTRY_FAILED', `${name}: ${why}; not followed`);
}
