import { pipeline, type Readable } from 'node:stream';
import type { Descriptor, Digest } from '#oci-spec-types';
import type { OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { Verifier, type VerifierOptions } from '../lib/verify.ts';
import { leadsInward } from './address.ts';
import { abandon, content, discard, type HttpResponse, header } from './http.ts';
import type { Repository } from './repository.ts';

/** The bytes of a blob from somewhere on, for as long as the connection holds. */
export type Stretch = AsyncIterable<Buffer>;

/**
 * Asks for a blob's bytes from `offset` on (distribution-spec § Pulling blobs, RFC 9110 § 14). A registry that does not
 * give ranges, or not the one that was asked for, gives the whole blob, of which the beginning is thrown away.
 * @throws OCISLIM_BLOB_UNKNOWN | OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_FAILED | …; the stretch
 *   OCISLIM_REGISTRY_UNREACHABLE where it breaks off
 */
export async function openStretch(
  repository: Repository,
  { digest }: Descriptor,
  offset: number,
  { signal }: OpenOptions,
): Promise<Stretch> {
  const ask = (headers?: Readonly<Record<string, string>>) =>
    repository.request({ method: 'GET', to: `blobs/${digest}`, access: 'pull', headers, signal });
  let response = await ask(offset > 0 ? { range: `bytes=${offset}-` } : undefined);
  if (offset > 0) {
    if (response.status === 206 && startsAt(response, offset)) return content(response);
    if (response.status === 206 || response.status === 416) {
      abandon(response);
      response = await ask();
    }
  }
  if (response.status === 200) return skip(content(response), offset);
  if (response.status === 404) {
    await discard(response);
    throw new OcislimError('OCISLIM_BLOB_UNKNOWN', `${repository.name}: has no blob ${digest}`);
  }
  throw await repository.failure(response, { access: 'pull' }, `read blob ${digest}`);
}

/** `Content-Range: bytes FIRST-LAST/SIZE` */
function startsAt(response: HttpResponse, offset: number): boolean {
  const [, first] = /^bytes (\d+)-\d+\//i.exec(header(response, 'content-range') ?? '') ?? [];
  return Number(first) === offset;
}

async function* skip(stretch: Stretch, count: number): Stretch {
  let left = count;
  for await (const chunk of stretch) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

/** The body with its size and digest checked; whoever reads it gets what goes wrong as the stream's error. */
export function verified(
  stretch: Stretch,
  descriptor: Descriptor,
  what: string,
  options?: VerifierOptions,
): Verifier {
  const verifier = new Verifier(descriptor, what, { code: 'OCISLIM_REGISTRY_MISMATCH', ...options });
  pipeline(stretch, verifier, () => {
    // The verifier carries the error to whoever reads it.
  });
  return verifier;
}

/**
 * Opens a blob where its descriptor's `urls` say (image-spec descriptor.md), never with credentials. Undefined where
 * no URL has it.
 */
export async function openForeign(
  repository: Repository,
  descriptor: Descriptor,
  options: OpenOptions = {},
): Promise<Readable | undefined> {
  for (const text of descriptor.urls?.slice(0, 10) ?? []) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol !== 'https:' || leadsInward(url, repository.server.base)) continue;
    const response = await repository.request({
      method: 'GET',
      to: url,
      access: 'pull',
      anonymous: true,
      signal: options.signal,
    });
    if (response.status === 200)
      return verified(content(response), descriptor, `${url.host}: ${descriptor.digest}`);
    await discard(response);
  }
  return undefined;
}

/**
 * Whether the repository has a blob, as asked before a push; an answer that is neither yes nor a failure is a no.
 * @throws OCISLIM_UNAUTHORIZED | OCISLIM_RATE_LIMITED | OCISLIM_REGISTRY_FAILED
 */
export async function hasBlob(
  repository: Repository,
  digest: Digest,
  options: OpenOptions = {},
): Promise<boolean> {
  const request = { method: 'HEAD', access: 'push', signal: options.signal } as const;
  const response = await repository.request({ ...request, to: `blobs/${digest}` });
  const isAnswer = response.status < 500 && ![401, 429].includes(response.status);
  if (!isAnswer) throw await repository.failure(response, request, `ask for blob ${digest}`);
  await discard(response);
  return response.status === 200;
}
