import type { Stats } from 'node:fs';
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { formatPlatform, hostPlatform, type Platform, platform, runsOn, samePlatform } from '#oci-spec-types';
import { platformOfElf, readElfHeader } from '../elf/header.ts';
import { type Linkage, readLinkage } from '../elf/linkage.ts';
import { recogniseProgram } from '../elf/recognise.ts';
import { parseShebang, type Shebang } from '../elf/shebang.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';

/** A program on disk, looked at but not yet read. */
export interface ProgramFile {
  readonly kind: 'program';
  readonly path: string;
  /** In bytes, when it was looked at. */
  readonly size: number;
  /** The loader it names (ELF PT_INTERP), when it is dynamically linked. */
  readonly interpreter?: string | undefined;
  readonly linkage?: Linkage | undefined;
  /** Of a script. */
  readonly shebang?: Shebang | undefined;
  open(): Promise<Readable>;
}

/** A `.zip` whose files go into the image together. */
export interface BundleFile {
  readonly kind: 'bundle';
  readonly path: string;
}

/** What to pack for one platform. */
export interface Input {
  readonly platform: Platform;
  readonly source: ProgramFile | BundleFile;
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
  if (/\{(os|arch|variant)\}/.test(path)) return findByPattern(path, wanted, cwd);
  const source = await lookAt(path, cwd);
  const name = basename(path).replace(/\.(zip|exe|bin)$/i, '');
  if (source.kind === 'bundle') {
    const platforms = wanted.length > 0 ? wanted : [hostPlatform()];
    return { name, inputs: platforms.map((each) => ({ platform: each, source })) };
  }
  const { own, ...file } = source;
  if (wanted.length === 0) return { name, inputs: [{ platform: own ?? hostPlatform(), source: file }] };
  const wrong = wanted.find((each) => own !== undefined && !fits(own, each));
  if (own !== undefined && wrong !== undefined) {
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `${path}: is a program for ${formatPlatform(own)}, not for ${formatPlatform(wrong)}`,
      {
        hint:
          wanted.length > 1
            ? `for several platforms give a pattern such as '${path}-{os}-{arch}'`
            : `leave out --platform, or build the program for ${formatPlatform(wrong)}`,
      },
    );
  }
  return { name, inputs: wanted.map((each) => ({ platform: each, source: file })) };
}

/** Whether a program can be for a platform, as far as its header tells: Arm's does not tell v5, v6 and v7 apart. */
function fits(own: Platform, wanted: Platform): boolean {
  if (own.architecture === 'arm') return own.os === wanted.os && wanted.architecture === 'arm';
  return runsOn(own, wanted);
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
  for (const { path, platform: claimed } of chosen) {
    const source = await lookAt(path, cwd);
    if (source.kind === 'bundle') {
      inputs.push({ platform: claimed, source });
      continue;
    }
    const { own, ...file } = source;
    if (own !== undefined && !fits(own, claimed)) {
      throw new OcislimError(
        'OCISLIM_INPUT_INVALID',
        `${path}: its name says ${formatPlatform(claimed)}, but it is a program for ${formatPlatform(own)}`,
      );
    }
    inputs.push({ platform: claimed, source: file });
  }
  return {
    name: basename(pattern)
      .replace(PLACEHOLDER, '')
      .replace(/\.zip$/i, ''),
    inputs,
  };
}

/** Files that fit the pattern, in the order of their names, with the platform each name stands for. */
async function matchPattern(pattern: string, cwd: string): Promise<{ path: string; platform: Platform }[]> {
  const folder = dirname(pattern);
  const parts = basename(pattern).split(/\{(os|arch|variant)\}/);
  const expression = parts
    .map((part, at) => (at % 2 === 0 ? escapeRegExp(part) : `(?<${part}>[a-z0-9]+)`))
    .join('');
  const form = new RegExp(`^${expression}$`);
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

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Says what a file is from its first bytes, or why it cannot be packed. */
async function lookAt(
  path: string,
  cwd: string,
): Promise<BundleFile | (ProgramFile & { readonly own: Platform | undefined })> {
  const full = resolve(cwd, path);
  const found = await stat(full).catch((error: unknown) => {
    throw notFound(path, error);
  });
  requireFile(path, found);
  if (extname(path).toLowerCase() === '.zip') return { kind: 'bundle', path: full };

  const file = await open(full, 'r').catch((error: unknown) => {
    throw notFound(path, error);
  });
  try {
    const read = async (offset: number, length: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    const beginning = await read(0, 4096);
    const kind = recogniseProgram(beginning);
    const base = {
      kind: 'program',
      path: full,
      size: found.size,
      open: () => openUnchanged(path, full, found),
    } as const;
    switch (kind) {
      case 'elf': {
        const header = await readElfHeader(read);
        const own = header && platformOfElf(header);
        if (header === undefined || own === undefined) {
          throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: a damaged or unknown ELF program`, {
            hint: 'build it again; `file` shows what it is',
          });
        }
        return { ...base, own, interpreter: header.interpreter, linkage: await readLinkage(read) };
      }
      case 'script':
        return { ...base, own: undefined, shebang: parseShebang(beginning) };
      case 'zip':
        return { kind: 'bundle', path: full };
      default:
        throw notAProgram(path, kind);
    }
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

function notAProgram(path: string, kind: string): OcislimError {
  const built: Record<string, [string, string]> = {
    'mach-o': ['a macOS program', 'build it for Linux; with Go: GOOS=linux go build'],
    pe: ['a Windows program', 'build it for Linux; with Go: GOOS=linux go build'],
    wasm: ['a WebAssembly module', 'a Linux image needs a Linux program'],
  };
  const [what, hint] = built[kind] ?? [
    'not a program that Linux starts',
    'give an ELF program, a script that begins with #!, or a .zip of files',
  ];
  return new OcislimError('OCISLIM_INPUT_INVALID', `${path}: ${what}`, { hint });
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

/** Opens the file that was looked at; one that was swapped or resized since then is an error, not a wrong image. */
export async function openUnchanged(shown: string, full: string, seen: Stats): Promise<Readable> {
  const file = await open(full, 'r').catch((error: unknown) => {
    throw systemCode(error) === 'ENOENT' ? changed(shown) : error;
  });
  const check = async () => {
    const now = await file.stat();
    const isSame =
      now.ino === seen.ino && now.dev === seen.dev && now.size === seen.size && now.mtimeMs === seen.mtimeMs;
    if (!isSame) throw changed(shown);
  };
  try {
    await check();
  } catch (error) {
    await file.close();
    throw error;
  }
  const read = async function* () {
    yield* createReadStream(full, { fd: file, highWaterMark: 256 * 1024, autoClose: false });
    // Half of an old program and half of a new one have the right length, too.
    await check();
  };
  const content = Readable.from(read(), { objectMode: false });
  content.once('close', () => void file.close().catch(() => {}));
  return content;
}

function changed(shown: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_CHANGED', `${shown}: changed while it was packed`, {
    hint: 'pack again once nothing writes to it',
  });
}
