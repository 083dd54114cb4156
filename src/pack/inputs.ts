import { fstatSync, type Stats } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { formatPlatform, hostPlatform, type Platform, platform, samePlatform } from '#oci-spec-types';
import type { FileFacts } from '../layer/facts.ts';
import { type DiskContent, diskContent } from '../lib/disk-content.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { factsOfFile } from './file-facts.ts';

/** A program on disk, looked at but not yet read. */
export interface ProgramFile extends DiskContent {
  readonly kind: 'program';
  readonly path: string;
  /** In bytes, when it was looked at. */
  readonly size: number;
  /** What its first bytes and headers say. */
  readonly facts: FileFacts;
}

/** A `.zip` whose files go into the image together. */
export interface BundleFile {
  readonly kind: 'bundle';
  readonly path: string;
}

/** A Java program. */
export interface JarFile extends DiskContent {
  readonly kind: 'jar';
  readonly path: string;
  readonly size: number;
}

/** A folder with a program and all it needs to run. */
export interface ProgramFolder {
  readonly kind: 'folder';
  readonly path: string;
  /** The command that starts it; files are relative to the folder. */
  readonly start: readonly string[];
}

export type InputFile = ProgramFile | BundleFile | JarFile | ProgramFolder;

/** What to pack for one platform. */
export interface Input {
  readonly platform: Platform;
  readonly source: InputFile;
}

export interface Inputs {
  /** The name without folder, extension or placeholders, e.g. `hello` for `dist/hello-{os}-{arch}`. */
  readonly name: string;
  readonly inputs: readonly Input[];
}

const PLACEHOLDER = /[-_.]?\{(os|arch|variant)\}/g;

/**
 * Finds what `path` means: one program, one bundle, or with placeholders a program for each platform.
 * @param wanted the platforms asked for; empty means those of the programs found
 * @throws OCISLIM_INPUT_NOT_FOUND | OCISLIM_INPUT_INVALID naming the file and what is wrong with it
 */
export async function findInputs(path: string, wanted: readonly Platform[], cwd: string): Promise<Inputs> {
  if (isPattern(path)) return findByPattern(path, wanted, cwd);
  const source = await lookAt(path, cwd);
  const name = basename(path).replace(/\.(zip|jar|war|exe|bin)$/i, '');
  const platforms = wanted.length > 0 ? wanted : [ownPlatform(source)];
  return { name, inputs: platforms.map((each) => ({ platform: each, source })) };
}

/** Whether a path has placeholders for a platform. */
export function isPattern(path: string): boolean {
  return /\{(os|arch|variant)\}/.test(path);
}

/** The platform a file is for, where it tells; else this machine's. Of 32-bit Arm, v7 is what images mean. */
function ownPlatform(source: InputFile): Platform {
  const own = source.kind === 'program' ? source.facts.elf?.platform : undefined;
  if (own === undefined) return hostPlatform();
  return platform(own.os, own.architecture, own.architecture === 'arm' ? (own.variant ?? 'v7') : own.variant);
}

async function findByPattern(pattern: string, wanted: readonly Platform[], cwd: string): Promise<Inputs> {
  const folder = dirname(pattern);
  if (/[{}]/.test(folder)) {
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `${pattern}: placeholders are for the file's name, not its folder`,
    );
  }
  const found = await matchPattern(pattern, cwd);
  const chosen =
    wanted.length === 0
      ? found
      : wanted.map((each) => {
          const match = found.find((candidate) => samePlatform(candidate.platform, each));
          if (match) return match;
          throw new OcislimError(
            'OCISLIM_INPUT_NOT_FOUND',
            `${pattern}: no file for ${formatPlatform(each)}`,
            {
              hint: found.length
                ? `there are files for ${found.map((one) => formatPlatform(one.platform)).join(', ')}`
                : undefined,
            },
          );
        });
  if (chosen.length === 0) {
    throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${pattern}: no file matches`, {
      hint: 'a file for Linux on Arm would be called for example hello-linux-arm64',
    });
  }
  const inputs: Input[] = [];
  for (const { path, platform: claimed } of chosen)
    inputs.push({ platform: claimed, source: await lookAt(path, cwd) });
  return {
    name: basename(pattern)
      .replace(PLACEHOLDER, '')
      .replace(/\.(zip|jar|war)$/i, ''),
    inputs,
  };
}

/** Files that fit the pattern, in the order of their names, with the platform each name stands for. */
async function matchPattern(pattern: string, cwd: string): Promise<{ path: string; platform: Platform }[]> {
  const folder = dirname(pattern);
  const form = patternForm(pattern);
  const names = await readdir(resolve(cwd, folder)).catch((error: unknown) => {
    throw notFound(folder, error);
  });
  return names.sort().flatMap((name) => {
    const groups = form.exec(name)?.groups;
    if (!groups) return [];
    const claimed = platform(
      groups['os'] ?? 'linux',
      groups['arch'] ?? hostPlatform().architecture,
      groups['variant'],
    );
    return [{ path: join(folder, name), platform: claimed }];
  });
}

/** Names of files that fit a pattern, with a group for each placeholder. */
export function patternForm(pattern: string): RegExp {
  const parts = basename(pattern).split(/\{(os|arch|variant)\}/);
  const expression = parts
    .map((part, at) => (at % 2 === 0 ? escapeRegExp(part) : `(?<${part}>[a-z0-9]+)`))
    .join('');
  return new RegExp(`^${expression}$`);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Says what a file is from its name and first bytes. */
export async function lookAt(path: string, cwd: string): Promise<InputFile> {
  const full = resolve(cwd, path);
  const found = await stat(full).catch((error: unknown) => {
    throw notFound(path, error);
  });
  requireFile(path, found);
  const opened = { path: full, size: found.size, ...unchangedContent(path, full, found) };
  const extension = extname(path).toLowerCase();
  if (extension === '.zip') return { kind: 'bundle', path: full };
  if (extension === '.jar' || extension === '.war') return { kind: 'jar', ...opened };

  const file = await open(full, 'r').catch((error: unknown) => {
    throw notFound(path, error);
  });
  try {
    const facts = await factsOfFile(file);
    return facts.format === 'zip' ? { kind: 'bundle', path: full } : { kind: 'program', ...opened, facts };
  } finally {
    await file.close();
  }
}

function requireFile(path: string, found: Stats): void {
  if (found.isDirectory()) {
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `${path}: a folder with nothing in it that ocislim knows to build`,
      {
        hint: 'compile the program first, and pack the file: ocislim pack ./hello',
      },
    );
  }
  if (!found.isFile()) {
    const what = found.isFIFO() ? 'a FIFO' : found.isSocket() ? 'a socket' : 'a device';
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: ${what}, not a file`, {
      hint: 'write the program to a file first',
    });
  }
  if (found.size === 0) {
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: the file is empty`, { hint: 'build it again' });
  }
}

function notFound(path: string, error: unknown): unknown {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${path}: no such file`, { cause: error });
    case 'EACCES':
      return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${path}: this user may not read it`, {
        cause: error,
      });
    case 'ELOOP':
      return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${path}: a link that leads to itself`, {
        cause: error,
      });
    default:
      return error;
  }
}

/** The content of the file that was looked at; one that was swapped or resized since then is an error, not a wrong image. */
export function unchangedContent(shown: string, full: string, seen: Stats): DiskContent {
  return diskContent({
    path: full,
    size: seen.size,
    follow: true,
    // Half of an old program and half of a new one have the right length, too.
    check: (descriptor) => {
      const now = fstatSync(descriptor);
      const isSame =
        now.ino === seen.ino &&
        now.dev === seen.dev &&
        now.size === seen.size &&
        now.mtimeMs === seen.mtimeMs;
      if (!isSame) throw changed(shown);
    },
    refusal: (error) => (systemCode(error) === 'ENOENT' ? changed(shown) : error),
  });
}

function changed(shown: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_CHANGED', `${shown}: changed while it was packed`, {
    hint: 'pack again once nothing writes to it',
  });
}
