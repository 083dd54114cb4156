import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { writeBytesAtomically } from './atomic-file.ts';
import { OcislimError, systemCode } from './errors.ts';

/** Nanoseconds by which a file must be older than the look at it, so that a later change shows: FAT counts in two seconds. */
const SETTLED = 2_000_000_000n;

/** By what one sees that a file has not changed. */
export interface FileStat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: FileStat): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Files by a name: their stamp, and the sha256 of their content in hex. */
export type FileMemo = ReadonlyMap<string, readonly [stamp: string, content: string]>;

/** A file that was looked at. */
export interface FileLook {
  readonly name: string;
  readonly stamp: string;
  readonly content: string;
  /** When it last changed, in nanoseconds since the epoch. */
  readonly changed: bigint;
}

export function lookOf(name: string, content: string, stat: FileStat): FileLook {
  return { name, stamp: stampOf(stat), content, changed: lastChange(stat) };
}

function lastChange({ mtimeNs, ctimeNs }: FileStat): bigint {
  return mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
}

/** Whether a file that looks as it did at `now`, in nanoseconds since the epoch, has not changed since then either. */
export function isSettled(stat: FileStat, now: bigint): boolean {
  return isOlder(lastChange(stat), now);
}

function isOlder(changed: bigint, now: bigint): boolean {
  return changed <= now - SETTLED;
}

/** Empty where there is none, or something else. */
export async function readFileMemo(path: string | undefined): Promise<FileMemo> {
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
 * @param started when the first of them was looked at, in nanoseconds since the epoch
 */
export async function writeFileMemo(
  path: string | undefined,
  old: FileMemo,
  looks: readonly FileLook[],
  started: bigint,
): Promise<void> {
  if (path === undefined) return;
  const entries = looks.flatMap(({ name, stamp, content, changed }) =>
    isOlder(changed, started) ? [[name, [stamp, content]] as const] : [],
  );
  const isSame =
    entries.length === old.size && entries.every(([name, [stamp]]) => old.get(name)?.[0] === stamp);
  if (isSame) return;
  await writeBytesAtomically(path, JSON.stringify(entries)).catch((error: unknown) => {
    if (error instanceof OcislimError && error.code === 'OCISLIM_NOT_WRITABLE') return;
    throw error;
  });
}

/**
 * The sha256 of a regular file, in hex, and what it looked like: before and after the same.
 * @param path where it is; `name` is how messages call it
 * @throws OCISLIM_INPUT_CHANGED | OCISLIM_INPUT_NOT_FOUND for one that may not be read
 */
export async function hashFile(
  path: string | Buffer,
  name: string,
  { follow = false } = {},
): Promise<{ readonly content: string; readonly stat: FileStat }> {
  const { file, stat: before } = await openRegular(path, name, { follow });
  try {
    const content = await hashOf(file, Number(before.size));
    const after = await file.stat({ bigint: true });
    if (stampOf(before) !== stampOf(after)) throw changedInput(name);
    return { content, stat: after };
  } finally {
    await file.close();
  }
}

/** Opens a file that was seen to be a regular one, and waits for nothing if it has become a FIFO. @throws as {@link hashFile} */
async function openRegular(
  path: string | Buffer,
  name: string,
  { follow = false } = {},
): Promise<{ readonly file: FileHandle; readonly stat: FileStat }> {
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (follow ? 0 : (constants.O_NOFOLLOW ?? 0));
  const file = await open(path, flags).catch((error: unknown) => {
    throw refusalOf(name, error);
  });
  const stat = await file.stat({ bigint: true });
  if (stat.isFile()) return { file, stat };
  await file.close();
  throw changedInput(name);
}

/** Why a file that was there a moment ago cannot be opened. */
export function refusalOf(name: string, error: unknown): unknown {
  return ['ENOENT', 'ELOOP', 'ENXIO', 'ENOTDIR'].includes(systemCode(error) ?? '')
    ? changedInput(name)
    : unreadableInput(name, error);
}

/** Bytes that are read at once. */
const CHUNK = 256 * 1024;

async function hashOf(file: FileHandle, size: number): Promise<string> {
  const hash = createHash('sha256');
  // One byte more, so that the end of a small file is seen at once.
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size + 1));
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    hash.update(buffer.subarray(0, bytesRead));
    if (bytesRead === 0 || (bytesRead < buffer.length && bytesRead === size)) return hash.digest('hex');
  }
}

export function changedInput(name: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_CHANGED', `${name}: changed while it was read`, {
    hint: 'start again once nothing writes to it',
  });
}

/** An error of the system in the user's words, where it is that they may not read something. */
export function unreadableInput(name: string, error: unknown): unknown {
  if (systemCode(error) !== 'EACCES') return error;
  return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${name}: this user may not read it`, { cause: error });
}
