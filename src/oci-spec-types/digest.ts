import { createHash } from 'node:crypto';
import { OcislimError } from '../lib/errors.ts';

/** A content digest, `algorithm:hex` (image-spec descriptor.md § Digests). Only a checked string has this type. */
export type Digest = `sha256:${string}` | `sha512:${string}`;

const FORM = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && text.length <= 135 && FORM.test(text);
}

/**
 * Checks a digest from outside before it is used for anything: it becomes a path and part of a URL.
 * @throws OCISLIM_DIGEST_INVALID for upper case, wrong length, unknown algorithm and anything else.
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new OcislimError('OCISLIM_DIGEST_INVALID', `not a digest: ${JSON.stringify(text.slice(0, 100))}`, {
    hint: 'a digest is sha256: and 64 lower-case hexadecimal digits',
  });
}

export function digestAlgorithm(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The first twelve digits, as engines show image IDs. */
export function shortDigest(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
