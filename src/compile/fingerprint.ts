import { createHash } from 'node:crypto';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import pMap from 'p-map';
import { OcislimError, systemCode } from '../lib/errors.ts';
import {
  changedInput,
  type FileLook,
  type FileMemo,
  hashFile,
  lookOf,
  readFileMemo,
  stampOf,
  writeFileMemo,
} from '../lib/file-memo.ts';
import { isLeftOut } from './copy.ts';
import type { Leaving } from './recipe.ts';

/** Files and folders of one source. */
const LIMIT = 500_000;
const PARALLEL = 8;

export interface FingerprintOptions {
  /** Just these files of the folder. */
  readonly files?: readonly string[] | undefined;
  /** What is left out, beside all `.git`. */
  readonly leavings?: readonly Leaving[] | undefined;
  /** A file that remembers what was read, so that what has not changed since is not read again. */
  readonly memo?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The sha256, in hex, of all that a compiler can see of a source: paths, which files are executable, contents, and where
 * links lead.
 * @throws OCISLIM_INPUT_INVALID for what is no file, folder or link | OCISLIM_INPUT_CHANGED
 */
export async function fingerprint(folder: string, options: FingerprintOptions = {}): Promise<string> {
  const started = BigInt(Date.now()) * 1_000_000n;
  const old = await readFileMemo(options.memo);
  const paths = options.files ?? (await pathsBelow(folder, options.leavings ?? []));
  const look = async (path: string) => {
    options.signal?.throwIfAborted();
    return lookAt(folder, path, old);
  };
  const looks = await pMap(paths, look, { concurrency: PARALLEL });
  const hash = createHash('sha256');
  for (const { item } of looks) hash.update(`${JSON.stringify(item)}\n`);
  const read = looks.flatMap(({ file }) => file ?? []);
  await writeFileMemo(options.memo, old, read, started);
  return hash.digest('hex');
}

/** All paths, sorted, with `/` between their parts. */
export async function pathsBelow(folder: string, leavings: readonly Leaving[]): Promise<readonly string[]> {
  const paths: string[] = [];
  const folders = [''];
  for (let at = 0; at < folders.length; at++) {
    const below = folders[at] ?? '';
    const entries = await readdir(join(folder, below), { withFileTypes: true });
    const names = new Set(entries.map((entry) => entry.name));
    for (const entry of entries) {
      if (isLeftOut(entry.name, leavings, (file) => names.has(file))) continue;
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.name.includes('\ufffd')) throw invalid(path, 'its name is not UTF-8');
      paths.push(path);
      if (entry.isDirectory()) folders.push(path);
      if (paths.length > LIMIT) throw invalid(folder, `more than ${LIMIT} files and folders`);
    }
  }
  return paths.sort((a, b) => (a < b ? -1 : 1));
}

type Item =
  | readonly [path: string, kind: 'file' | 'executable', content: string]
  | readonly [path: string, kind: 'folder']
  | readonly [path: string, kind: 'link', target: string, content: string | undefined];

interface Look {
  readonly item: Item;
  readonly file?: FileLook;
}

async function lookAt(folder: string, path: string, old: FileMemo): Promise<Look> {
  const full = join(folder, path);
  const seen = await lstat(full, { bigint: true }).catch((error: unknown) => {
    throw systemCode(error) === 'ENOENT' ? changedInput(path) : error;
  });
  if (seen.isDirectory()) return { item: [path, 'folder'] };
  if (seen.isSymbolicLink())
    return { item: [path, 'link', await readlink(full), await behindLink(full, path)] };
  if (!seen.isFile()) throw invalid(path, 'neither file, folder nor link');
  const kind = (seen.mode & 0o111n) === 0n ? 'file' : 'executable';
  const known = old.get(path);
  if (known?.[0] === stampOf(seen)) {
    return { item: [path, kind, known[1]], file: lookOf(path, known[1], seen) };
  }
  const { content, stat: after } = await hashFile(full, path);
  return { item: [path, kind, content], file: lookOf(path, content, after) };
}

/** A link may lead to a file out of the source, which says as much about the result. */
async function behindLink(full: string, path: string): Promise<string | undefined> {
  const isFile = await stat(full).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? (await hashFile(full, path, { follow: true })).content : undefined;
}

function invalid(path: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_INVALID', `${path}: ${why}`);
}
