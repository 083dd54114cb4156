import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import pMap from 'p-map';
import { pathsBelow } from '../compile/fingerprint.ts';
import type { Leaving } from '../compile/recipe.ts';
import { hashFile } from '../lib/file-memo.ts';
import type { Material } from './statement.ts';

const PARALLEL = 8;

export interface DigestOptions {
  /** Just these files of a folder. */
  readonly files?: readonly string[] | undefined;
  /** What is left out of a folder, beside all `.git`. */
  readonly leavings?: readonly Leaving[] | undefined;
}

/**
 * A file by its sha256, or a folder by the dirHash of the regular files in it.
 * @param path absolute; of it the last part alone is told
 * @throws OCISLIM_INPUT_CHANGED | OCISLIM_INPUT_NOT_FOUND
 */
export async function pathMaterial(path: string, options: DigestOptions = {}): Promise<Material> {
  const name = basename(path);
  const found = await stat(path);
  if (!found.isDirectory()) {
    const { content } = await hashFile(path, name, { follow: true });
    return { name, digest: { sha256: content } };
  }
  const paths = options.files ?? (await pathsBelow(path, options.leavings ?? []));
  const hashes = await pMap(paths, (each) => fileHash(path, each), { concurrency: PARALLEL });
  return { name, digest: { dirHash: dirHash(hashes.filter((each) => each !== undefined)) } };
}

async function fileHash(
  folder: string,
  path: string,
): Promise<readonly [path: string, sha256: string] | undefined> {
  const found = await stat(join(folder, path)).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  return [path, (await hashFile(join(folder, path), path, { follow: true })).content];
}

/** Go's Hash1 in hex (golang.org/x/mod/sumdb/dirhash; in-toto's digest_set.md, `dirHash`). */
export function dirHash(files: readonly (readonly [path: string, sha256: string])[]): string {
  const sorted = files.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const hash = createHash('sha256');
  for (const [path, sha256] of sorted) hash.update(`${sha256}  ${path}\n`);
  return hash.digest('hex');
}
