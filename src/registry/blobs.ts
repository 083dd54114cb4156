import { pipeline, type Readable } from 'node:stream';
import type { Descriptor, Digest } from '#oci-spec-types';
import type { OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { Verifier } from '../lib/verify.ts';
import { leadsInward } from './address.ts';
import { content, discard, type HttpResponse } from './http.ts';
import type { Repository } from './repository.ts';

/**
 * Opens a blob for reading, verified at its end (distribution-spec § Pulling blobs).
 * @throws OCISLIM_BLOB_UNKNOWN | OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_FAILED | …; the stream OCISLIM_DIGEST_MISMATCH
 *   | OCISLIM_SIZE_MISMATCH | OCISLIM_REGISTRY_UNREACHABLE
 */
export async function openBlob(
  repository: Repository,
  descriptor: Descriptor,
  options: OpenOptions = {},
): Promise<Readable> {
  const { digest } = descriptor;
  const response = await repository.request({
    method: 'GET',
    to: `blobs/${digest}`,
    access: 'pull',
    signal: options.signal,
  });
  if (response.status === 404) {
    await discard(response);
    throw new OcislimError('OCISLIM_BLOB_UNKNOWN', `${repository.name}: has no blob ${digest}`);
  }
  if (response.status !== 200)
    throw await repository.failure(response, { access: 'pull' }, `read blob ${digest}`);
  return verified(response, descriptor, `${repository.name}: ${digest}`);
}

/** The body with its size and digest checked; whoever reads it gets what goes wrong as the stream's error. */
function verified(response: HttpResponse, descriptor: Descriptor, what: string): Readable {
  const verifier = new Verifier(descriptor, what);
  pipeline(content(response), verifier, () => {
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
    if (response.status === 200) return verified(response, descriptor, `${url.host}: ${descriptor.digest}`);
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
