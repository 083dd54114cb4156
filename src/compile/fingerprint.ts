import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import pMap from 'p-map';
import { writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { isLeftOut } from './copy.ts';
import type { Leaving } from './recipe.ts';

/** Files and folders of one source. */
const LIMIT = 500_000;
const PARALLEL = 8;
/** Nanoseconds by which a file must be older than the look at it, so that a later change shows: FAT counts in two seconds. */
const SETTLED = 2_000_000_000n;

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
  const old = await readMemo(options.memo);
  const paths = options.files ?? (await pathsBelow(folder, options.leavings ?? []));
  const look = async (path: string) => {
    options.signal?.throwIfAborted();
    return lookAt(folder, path, old);
  };
  const looks = await pMap(paths, look, { concurrency: PARALLEL });
  const hash = createHash('sha256');
  for (const { item } of looks) hash.update(`${JSON.stringify(item)}\n`);
  await writeMemo(options.memo, old, looks, started);
  return hash.digest('hex');
}

/** All paths, sorted, with `/` between their parts. */
async function pathsBelow(folder: string, leavings: readonly Leaving[]): Promise<readonly string[]> {
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
  /** Of a file: by what one sees that it has not changed, and when that was last. */
  readonly stamp?: string;
  readonly changed?: bigint;
}

async function lookAt(folder: string, path: string, old: Memo): Promise<Look> {
  const full = join(folder, path);
  const seen = await lstat(full, { bigint: true }).catch((error: unknown) => {
    throw systemCode(error) === 'ENOENT' ? changed(path) : error;
  });
  if (seen.isDirectory()) return { item: [path, 'folder'] };
  if (seen.isSymbolicLink())
    return { item: [path, 'link', await readlink(full), await behindLink(full, path)] };
  if (!seen.isFile()) throw invalid(path, 'neither file, folder nor link');
  const kind = (seen.mode & 0o111n) === 0n ? 'file' : 'executable';
  const known = old.get(path);
  if (known?.[0] === stampOf(seen)) {
    return { item: [path, kind, known[1]], stamp: known[0], changed: lastChange(seen) };
  }
  const { content, stat: after } = await hashFile(full, path, constants.O_NOFOLLOW ?? 0);
  return { item: [path, kind, content], stamp: stampOf(after), changed: lastChange(after) };
}

/** A link may lead to a file out of the source, which says as much about the result. */
async function behindLink(full: string, path: string): Promise<string | undefined> {
  const isFile = await stat(full).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? (await hashFile(full, path, 0)).content : undefined;
}

async function hashFile(full: string, path: string, flags: number): Promise<{ content: string; stat: Stat }> {
  const file = await open(full, constants.O_RDONLY | flags | (constants.O_NONBLOCK ?? 0)).catch(
    (error: unknown) => {
      throw ['ENOENT', 'ELOOP'].includes(systemCode(error) ?? '') ? changed(path) : unreadable(path, error);
    },
  );
  try {
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) throw changed(path);
    const content = await hashOf(file);
    const after = await file.stat({ bigint: true });
    if (stampOf(before) !== stampOf(after)) throw changed(path);
    return { content, stat: after };
  } finally {
    await file.close();
  }
}

async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(256 * 1024);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
  }
}

interface Stat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: Stat): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function lastChange({ mtimeNs, ctimeNs }: Stat): bigint {
  return mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
}

/** Files by path: their stamp, and the hash of their content. */
type Memo = ReadonlyMap<string, readonly [stamp: string, content: string]>;

async function readMemo(path: string | undefined): Promise<Memo> {
  if (path === undefined) return new Map();
  try {
    const entries: unknown = JSON.parse(await readFile(path, 'utf8'));
    return new Map(Array.isArray(entries) ? entries.filter(isEntry) : []);
  } catch {
    return new Map();
  }
}

function isEntry(value: unknown): value is [string, [string, string]] {
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'string') return false;
  const [stamp, content] = Array.isArray(value[1]) ? value[1] : [];
  return typeof stamp === 'string' && typeof content === 'string' && /^[0-9a-f]{64}$/.test(content);
}

/**
 * Remembers what was read of files that had been left alone for a while: one that is written twice within a tick of the
 * clock has the same times both times (git's racy-git.txt).
 */
async function writeMemo(
  path: string | undefined,
  old: Memo,
  looks: readonly Look[],
  started: bigint,
): Promise<void> {
  if (path === undefined) return;
  const entries = looks.flatMap(({ item: [name, , content], stamp, changed: at }) =>
    stamp === undefined || at === undefined || at > started - SETTLED
      ? []
      : [[name, [stamp, content]] as const],
  );
  const isSame =
    entries.length === old.size && entries.every(([name, [stamp]]) => old.get(name)?.[0] === stamp);
  if (isSame) return;
  await writeBytesAtomically(path, JSON.stringify(entries)).catch((error: unknown) => {
    if (error instanceof OcislimError && error.code === 'OCISLIM_NOT_WRITABLE') return;
    throw error;
  });
}

function invalid(path: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_INVALID', `${path}: ${why}`);
}

function changed(path: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_CHANGED', `${path}: changed while it was read`, {
    hint: 'pack again once nothing writes to it',
  });
}

function unreadable(path: string, error: unknown): unknown {
  if (systemCode(error) !== 'EACCES') return error;
  return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${path}: this user may not read it`, { cause: error });
}
