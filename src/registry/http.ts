import type { Readable } from 'node:stream';
import { isAbort, OcislimError } from '../lib/errors.ts';
import { connectionError } from './connection-errors.ts';

/** Content of a request that can be opened again, because a retry or a new token sends it once more. */
export interface RequestBody {
  /** In bytes; exactly this much is sent. Undefined where nobody knows yet. */
  readonly size?: number | undefined;
  open(): Promise<Readable | Uint8Array>;
  /** Called with the count of bytes as they leave. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: RequestBody | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What a token must allow for this request, the most important first (REGISTRY: some read only that one). */
  readonly scopes?: readonly string[] | undefined;
  /** Never carries credentials: set once a redirect has left the registry's origin, and for foreign layers. */
  readonly anonymous?: boolean | undefined;
  /** The server's certificate is not checked; only for hosts the user called insecure. */
  readonly unverified?: boolean | undefined;
  /** What is tried again: everything that may pass (default), only answers like 503, or nothing. */
  readonly retry?: 'all' | 'answers' | 'none' | undefined;
  /** How long the answer may take to begin once the request is sent, in milliseconds. */
  readonly patience?: number | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Must be read, discarded or destroyed, or the connection is never free again. */
  readonly body: Readable;
  /** The URL that answered, after redirects. */
  readonly url: URL;
}

/** What every layer of the client is: auth, redirects and retries wrap one sender and are one themselves. */
export type Send = (request: HttpRequest) => Promise<HttpResponse>;

/** One header; values sent more than once are joined with commas. */
export function header(response: Pick<HttpResponse, 'headers'>, name: string): string | undefined {
  const value = response.headers[name];
  return value === undefined || typeof value === 'string' ? value : value.join(', ');
}

/** A media type without its parameters, in lower case. */
export function contentType(response: Pick<HttpResponse, 'headers'>): string {
  const [type = ''] = (header(response, 'content-type') ?? '').split(';');
  return type.trim().toLowerCase();
}

/** Throws an answer's body away: a small rest is read so that the connection can be used again. */
export function discard({ body }: Pick<HttpResponse, 'body'>): Promise<void> {
  let rest = 64 * 1024;
  return new Promise((resolve) => {
    if (body.readableEnded || body.destroyed) resolve();
    body
      .on('data', (chunk: Buffer) => {
        rest -= chunk.length;
        if (rest < 0) body.destroy();
      })
      // Nobody wants these bytes, nor what went wrong with them.
      .on('error', () => resolve())
      .on('end', resolve)
      .on('close', resolve);
  });
}

/** Ends an answer whose body is too long to throw away; costs its connection. */
export function abandon(response: HttpResponse): void {
  response.body.on('error', () => {}).destroy();
}

/** An answer's body; what breaks it off is named in the user's words. */
export async function* content(response: Pick<HttpResponse, 'body' | 'url'>): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response.body) yield chunk as Buffer;
  } catch (error) {
    throw isAbort(error) ? error : connectionError(error, response.url);
  }
}

/**
 * Reads an answer's body whole.
 * @throws OCISLIM_REGISTRY_FAILED when it has more than `limit` bytes; OCISLIM_REGISTRY_UNREACHABLE when it breaks off
 */
export async function readBody(response: HttpResponse, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content(response)) {
    size += chunk.length;
    if (size > limit) {
      throw new OcislimError(
        'OCISLIM_REGISTRY_FAILED',
        `${response.url.host}: answer to ${response.url.pathname} is larger than ${limit} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
