import { Readable } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import type { Blob } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { leadsInward } from './address.ts';
import { discard, type HttpResponse, header, type RequestBody } from './http.ts';
import type { Repository } from './repository.ts';
import { isBrokenOff } from './resume.ts';
import { backoff, isPassing, realSleep } from './retry.ts';
import type { PushBlobOptions } from './uploads.ts';

/** An upload that the registry has begun. */
export interface Session {
  /** Where it goes on; every answer may name another place. */
  readonly url: URL;
  /** Chunks but the last have at least so many bytes (`OCI-Chunk-Min-Length`). */
  readonly leastChunk: number;
}

/** A registry puts a large upload in its place, and may hash it, before it answers. */
export const PATIENCE = 15 * 60_000;
/** Bytes of a chunk, where the registry says nothing else; halved where it is too much. */
const CHUNK = 32 * 1024 * 1024;
const LEAST_CHUNK = 64 * 1024;
/** Failures in a row, without anything new that the registry has, after which the upload is given up. */
const FAILURES = 4;

/**
 * One upload of a blob. It is sent in one piece; where that breaks off, or is too much for the registry, the registry is
 * asked what it has, and gets the rest in chunks.
 */
export class Upload {
  readonly #repository: Repository;
  readonly #blob: Blob;
  readonly #options: PushBlobOptions;
  #session: Session;
  /** Bytes that the registry has. */
  #stored = 0;
  /** Bytes that progress was told of. */
  #shown = 0;
  #chunk = CHUNK;
  /** The registry has lost it, or it cannot be gone on with: beginning anew may help. */
  lost = false;

  constructor(repository: Repository, blob: Blob, session: Session, options: PushBlobOptions) {
    this.#repository = repository;
    this.#blob = blob;
    this.#session = session;
    this.#options = options;
  }

  /** Where the upload is now. */
  get session(): URL {
    return this.#session.url;
  }

  /**
   * @param inChunks from the beginning; blobs of less than a chunk are sent in one piece all the same
   * @throws OCISLIM_REGISTRY_UNREACHABLE | OCISLIM_REGISTRY_FAILED | OCISLIM_UNAUTHORIZED, or what the blob throws
   */
  async run({ inChunks }: { readonly inChunks: boolean }): Promise<void> {
    const small = this.#blob.descriptor.size <= this.#chunk;
    try {
      if ((small || !inChunks) && (await this.#inOnePiece())) return;
      await this.#inChunks();
    } catch (error) {
      this.#show(0);
      throw error;
    }
  }

  /** False when the registry may have a part, and can be given the rest. */
  async #inOnePiece(): Promise<boolean> {
    const { size } = this.#blob.descriptor;
    try {
      const response = await this.#send(
        'PUT',
        withDigest(this.#session.url, this.#blob.descriptor.digest),
        this.#body(0, size),
      );
      if (isDone(response)) {
        await discard(response);
        return true;
      }
      if (!(response.status === 413 || isPassing(response)) || size === 0)
        throw await this.#failure(response);
      await discard(response);
      return false;
    } catch (error) {
      if (this.#options.signal?.aborted || !isBrokenOff(error)) throw error;
      return false;
    }
  }

  async #inChunks(): Promise<void> {
    const { size } = this.#blob.descriptor;
    await this.#askStored();
    let failures = 0;
    while (this.#stored < size) {
      const before = this.#stored;
      const problem = await this.#sendChunk();
      if (this.#stored > before) failures = 0;
      else if (++failures === FAILURES) throw problem ?? this.#stuck();
      else if (problem !== undefined) await this.#pause(failures);
    }
    const response = await this.#send(
      'PUT',
      withDigest(this.#session.url, this.#blob.descriptor.digest),
      this.#body(size, size),
    );
    if (!isDone(response)) throw await this.#failure(response);
    await discard(response);
  }

  /** Sends the next chunk. What went wrong and may pass is returned, since the next try may have another size. */
  async #sendChunk(): Promise<unknown> {
    const { size } = this.#blob.descriptor;
    const end = Math.min(size, this.#stored + Math.max(this.#chunk, this.#session.leastChunk));
    const headers = { 'content-range': `${this.#stored}-${end - 1}` };
    let response: HttpResponse;
    try {
      response = await this.#send('PATCH', this.#session.url, this.#body(this.#stored, end), headers);
    } catch (error) {
      if (this.#options.signal?.aborted || !isBrokenOff(error)) throw error;
      await this.#pause(1);
      await this.#askStored();
      return error;
    }
    if (response.status === 413 && this.#chunk > Math.max(LEAST_CHUNK, this.#session.leastChunk)) {
      await discard(response);
      this.#chunk = Math.max(LEAST_CHUNK, Math.floor(Math.min(this.#chunk, end - this.#stored) / 2));
      return undefined;
    }
    if (response.status === 416 || isPassing(response)) {
      const problem = await this.#failure(response);
      await this.#askStored();
      return problem;
    }
    // The specification has 202; ECR answers 201, and others 204.
    if (![201, 202, 204].includes(response.status)) throw await this.#failure(response);
    await discard(response);
    this.#session = this.#following(response);
    if (storedBy(response) === end || end === 1) this.#stored = end;
    else await this.#askStored(end);
    this.#show(this.#stored);
    return undefined;
  }

  /**
   * Asks how far the upload is (distribution-spec § Pushing a blob in chunks); a registry that does not tell is believed
   * to have `assumed`.
   */
  async #askStored(assumed?: number): Promise<void> {
    const response = await this.#send('GET', this.#session.url);
    if (response.status !== 204 && response.status !== 200 && response.status !== 202) {
      if (assumed === undefined || response.status === 404) throw await this.#failure(response);
      await discard(response);
      this.#stored = assumed;
      return;
    }
    await discard(response);
    this.#session = this.#following(response);
    this.#stored = Math.min(storedBy(response) ?? assumed ?? 0, this.#blob.descriptor.size);
    this.#show(this.#stored);
  }

  async #send(
    method: 'GET' | 'PUT' | 'PATCH',
    to: URL,
    body?: RequestBody,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HttpResponse> {
    const isOwn = to.origin === this.#repository.server.base.origin;
    const { signal } = this.#options;
    const typed = body === undefined ? {} : { 'content-type': 'application/octet-stream' };
    return this.#repository.request({
      method,
      to,
      access: 'push',
      headers: { ...typed, ...headers },
      body,
      anonymous: !isOwn,
      // A body whose sending broke off is not simply sent again: part of it may have arrived.
      retry: body === undefined ? 'all' : 'answers',
      patience: PATIENCE,
      signal,
    });
  }

  #body(from: number, to: number): RequestBody {
    const { signal, onBytes } = this.#options;
    const open = async () => {
      this.#show(from);
      return from === to ? new Uint8Array(0) : openFrom(this.#blob, from, to, signal);
    };
    const count = (bytes: number) => {
      this.#shown += bytes;
      onBytes?.(bytes);
    };
    return { size: to - from, open, onBytes: count };
  }

  /** Tells progress where the upload really is. */
  #show(at: number): void {
    if (at !== this.#shown) this.#options.onBytes?.(at - this.#shown);
    this.#shown = at;
  }

  #following(response: HttpResponse): Session {
    if (header(response, 'location') === undefined) return this.#session;
    return { ...sessionOf(this.#repository, response), leastChunk: this.#session.leastChunk };
  }

  async #pause(failures: number): Promise<void> {
    await (this.#repository.sleep ?? realSleep)(backoff(failures), this.#options.signal);
  }

  #failure(response: HttpResponse): Promise<OcislimError> {
    this.lost = [404, 410, 416].includes(response.status) || isPassing(response);
    const doing = `upload blob ${this.#blob.descriptor.digest}`;
    return this.#repository.failure(response, { access: 'push' }, doing);
  }

  #stuck(): OcislimError {
    const { digest, size } = this.#blob.descriptor;
    const why = `upload of ${digest} does not get beyond ${this.#stored} of ${size} bytes`;
    return new OcislimError('OCISLIM_REGISTRY_FAILED', `${this.#repository.name}: ${why}`);
  }
}

/** Where an upload ends. Appended as text: reading and writing the query anew would change what the registry put there. */
export function withDigest(upload: URL, digest: Digest): URL {
  const url = new URL(upload);
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}

function isDone({ status }: HttpResponse): boolean {
  return status === 201 || status === 204;
}

/** `Range: 0-LAST`, as bytes that are there; undefined where it is missing or makes no sense. */
function storedBy(response: HttpResponse): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(header(response, 'range')?.trim() ?? '') ?? [];
  if (last === undefined) return undefined;
  // Of an upload that has nothing yet, registries say 0-0.
  return last === '0' ? 0 : Number(last) + 1;
}

/** Where the registry wants an upload: relative or absolute, with a query of its own, or on another host. */
export function sessionOf({ name, server }: Repository, response: HttpResponse): Session {
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
  const least = header(response, 'oci-chunk-min-length') ?? '';
  return { url, leastChunk: /^\d{1,12}$/.test(least) ? Number(least) : 0 };
}

/** Lets the registry forget an upload (distribution-spec § Endpoints); nobody needs to know whether it did. */
export async function cancelUpload(repository: Repository, session: URL): Promise<void> {
  if (session.origin !== repository.server.base.origin) return;
  const request = { method: 'DELETE', to: session, access: 'push', retry: 'none', patience: 5_000 } as const;
  await repository.request(request).then(discard, () => {});
}

/** The blob's bytes from `from` to before `to`. */
async function openFrom(
  blob: Blob,
  from: number,
  to: number,
  signal?: AbortSignal,
): Promise<Readable | Uint8Array> {
  if (blob.bytes !== undefined) return blob.bytes.subarray(from, to);
  const { size } = blob.descriptor;
  if (from === 0 && to === size) return blob.open({ signal, transient: true });
  const opened = await (blob.openAt?.(from, { signal }) ?? blob.open({ signal }));
  const skipped = blob.openAt === undefined ? from : 0;
  return Readable.from(slice(opened, skipped, to - from), { objectMode: false });
}

async function* slice(stream: Readable, skip: number, length: number): AsyncGenerator<Buffer> {
  let before = skip;
  let left = length;
  for await (const chunk of stream) {
    const bytes = (chunk as Buffer).subarray(before, before + left);
    before = Math.max(0, before - (chunk as Buffer).length);
    left -= bytes.length;
    if (bytes.length > 0) yield bytes;
    if (left === 0) return;
  }
}

function refused(name: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_REGISTRY_FAILED', `${name}: ${why}; not followed`);
}
