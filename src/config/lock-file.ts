import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Digest, isDigest } from '#oci-spec-types';
import { writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { formatReference, parseReference } from '../registry/reference.ts';
import { invalid, isTable, parseToml } from './toml.ts';

export const LOCK_FILE = 'ocislim.lock';

/** What this version reads and writes. */
const FORMAT_VERSION = 1;

const HEAD =
  '# What the names of images mean to this project. Written by `ocislim lock`, read by `ocislim pack` and `check`.';

/** Digests by fully qualified name, without digest. */
export type Lock = ReadonlyMap<string, Digest>;

/** Where a project's lock is: beside its `ocislim.toml`, else in the working folder. */
export function lockFileOf(projectFile: string | undefined, cwd: string): string {
  return join(projectFile === undefined ? cwd : dirname(projectFile), LOCK_FILE);
}

/** Reads a lock; one that is not there pins nothing. @throws OCISLIM_CONFIG_INVALID naming line or entry */
export async function readLock(file: string): Promise<Lock> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw invalid(basename(file), `cannot be read (${systemCode(error)})`, undefined, error);
  });
  return text === undefined ? new Map() : parseLock(text, basename(file));
}

/** @param shown what messages call the file */
export function parseLock(text: string, shown: string = LOCK_FILE): Lock {
  const { version, images = {}, ...rest } = parseToml(text, shown);
  const [unknown] = Object.keys(rest);
  requireVersion(version, shown);
  if (unknown !== undefined) throw invalid(shown, `unknown key ${unknown}`);
  if (!isTable(images)) throw invalid(shown, 'images must be a table', 'write [images]');
  return new Map(
    Object.entries(images).map(([name, digest]) => {
      const entry = `${shown}: images: ${JSON.stringify(name)}`;
      requireName(name, entry);
      if (isDigest(digest)) return [name, digest];
      throw invalid(
        entry,
        'is not set to a digest',
        'a digest is "sha256:" and 64 lower-case hexadecimal digits',
      );
    }),
  );
}

function requireVersion(version: unknown, shown: string): void {
  if (version === FORMAT_VERSION) return;
  if (version === undefined) throw invalid(shown, 'has no version', `write version = ${FORMAT_VERSION}`);
  throw invalid(
    shown,
    `version = ${String(version)}: this ocislim knows ${FORMAT_VERSION}`,
    'update ocislim',
  );
}

function requireName(name: string, entry: string): void {
  const full = fullName(name, entry);
  if (full !== name)
    throw invalid(entry, 'is not a full name without digest', `write ${JSON.stringify(full)}`);
}

function fullName(name: string, entry: string): string {
  try {
    const { registry, repository, tag = 'latest' } = parseReference(name);
    return formatReference({ registry, repository, tag });
  } catch (error) {
    throw error instanceof OcislimError ? invalid(entry, error.message, error.hint, error) : error;
  }
}

/** The whole file: the same pins give the same bytes. */
export function formatLock(lock: Lock): string {
  const lines = [...lock]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, digest]) => `${JSON.stringify(name)} = ${JSON.stringify(digest)}`);
  return `${[HEAD, `version = ${FORMAT_VERSION}`, '', '[images]', ...lines].join('\n')}\n`;
}

/** @throws OCISLIM_NOT_WRITABLE | OCISLIM_DISK_FULL */
export async function writeLock(file: string, lock: Lock): Promise<void> {
  await writeBytesAtomically(file, formatLock(lock));
}
