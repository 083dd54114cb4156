import { createHash } from 'node:crypto';
import { type BigIntStats, statSync } from 'node:fs';
import { type Digest, digestAlgorithm } from '#oci-spec-types';
import { diskContent } from '../lib/disk-content.ts';
import { isSettled, stampOf } from '../lib/file-memo.ts';
import type { Expected } from '../lib/verify.ts';
import type { Notes } from './notes.ts';
import { ignoreReadOnly } from './tocs.ts';

/** Bytes from which on content is not hashed again while its file has not changed: less is hashed as soon as looked up. */
const LARGE = 1024 * 1024;

/**
 * Whether a file holds exactly the expected content. What was found right once is taken for right until the file changes
 * in any way that the system tells of; whoever reads it checks every byte anyway.
 */
export async function checkBlob(
  path: string,
  expected: Expected,
  found: Notes,
): Promise<'absent' | 'intact' | 'damaged'> {
  const begun = BigInt(Date.now()) * 1_000_000n;
  const now = look(path);
  if (now === undefined) return 'absent';
  if (Number(now.size) !== expected.size) return 'damaged';
  const stamp = stampOf(now);
  const isLarge = expected.size >= LARGE;
  if (isLarge && (await found.get(expected.digest))?.toString() === stamp) return 'intact';
  if ((await hashOf(path, expected)) !== expected.digest) return 'damaged';
  if (isLarge && isSettled(now, begun))
    await found.set(expected.digest, Buffer.from(stamp)).catch(ignoreReadOnly);
  return 'intact';
}

/** @returns undefined for what cannot be looked at */
function look(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

/** @returns undefined for what cannot be read */
async function hashOf(path: string, { digest, size }: Expected): Promise<Digest | undefined> {
  const algorithm = digestAlgorithm(digest);
  const hash = createHash(algorithm);
  const content = diskContent({ path, size, follow: true, check: () => {}, refusal: (error) => error });
  try {
    for await (const chunk of content.chunks()) hash.update(chunk);
  } catch {
    return undefined;
  }
  return `${algorithm}:${hash.digest('hex')}` as Digest;
}
