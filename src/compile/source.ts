import { constants, existsSync } from 'node:fs';
import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, extname, join, parse, relative, resolve, sep } from 'node:path';
import { OcislimError, systemCode } from '../lib/errors.ts';

/** What is to be compiled. */
export interface Source {
  /** Absolute. */
  readonly folder: string;
  /** The one file in it that is meant, e.g. `hello.go`. */
  readonly file?: string | undefined;
  /** The part of the folder that is meant, e.g. `cmd/hello`; default all. */
  readonly part?: string | undefined;
}

/** Bytes of a project's description that are read; real ones have a few kilobytes. */
const TEXT_LIMIT = 1024 * 1024;
/** Bytes that the beginning of a source file is looked for in. */
const BEGINNING_LIMIT = 64 * 1024;
/** Files and folders of one folder that are looked at. */
const LIST_LIMIT = 10_000;

/** Ends of source files that can be compiled by themselves. */
const SOURCE_FILES: ReadonlySet<string> = new Set(['.go', '.rs', '.c', '.cc', '.cpp', '.cxx', '.java']);

/** What `path` means as source: a folder, or a file whose name says that it is source. */
export async function findSource(path: string, cwd: string): Promise<Source | undefined> {
  const full = resolve(cwd, path);
  const found = await stat(full).catch(() => undefined);
  if (found?.isDirectory()) return { folder: full };
  if (found?.isFile() && SOURCE_FILES.has(extname(full)))
    return { folder: dirname(full), file: basename(full) };
  return undefined;
}

/**
 * The nearest folder from the source's upwards that has one of the files, as far as its repository goes, with the source
 * as a part of it; undefined where there is none.
 */
export async function enclosing(
  source: Source,
  root: { readonly file: string; readonly text?: RegExp },
): Promise<Source | undefined> {
  const outermost = [homedir(), tmpdir(), parse(source.folder).root];
  for (let folder = source.folder; !outermost.includes(folder); folder = dirname(folder)) {
    const part = relative(folder, source.folder);
    const text = await new SourceFolder({ folder }).read(root.file);
    if (text !== undefined && (root.text?.test(text) ?? true)) {
      return part === '' ? { folder } : { folder, part: part.split(sep).join('/') };
    }
    if (existsSync(join(folder, '.git'))) return undefined;
  }
  return undefined;
}

export interface Listed {
  readonly name: string;
  readonly isFolder: boolean;
}

/**
 * What recipes look at a source through. Reads only regular files that are in the folder, and only so much of them:
 * what is found there is not to be trusted.
 */
export class SourceFolder {
  readonly folder: string;
  /** The one file that is meant; the folder then says nothing. */
  readonly file: string | undefined;
  readonly #part: string | undefined;
  readonly #real: Promise<string>;

  constructor(source: Source) {
    this.folder = source.folder;
    this.file = source.file;
    this.#part = source.part;
    this.#real = realpath(source.folder);
    this.#real.catch(() => {});
  }

  /** The folder's own name. */
  get name(): string {
    return basename(this.folder);
  }

  /** Whether a path is in the part that is meant. */
  isMeant(path: string): boolean {
    const part = this.#part;
    return part === undefined || path === part || path.startsWith(`${part}/`);
  }

  /**
   * A file's text; undefined where there is no such file.
   * @throws OCISLIM_INPUT_INVALID when it is longer than any such file is
   */
  async read(path: string): Promise<string | undefined> {
    const text = await this.#text(path, TEXT_LIMIT + 1);
    if (text === undefined || text.length <= TEXT_LIMIT) return text;
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: longer than ${TEXT_LIMIT} bytes`);
  }

  /** The beginning of a source file. */
  beginning(path: string): Promise<string | undefined> {
    return this.#text(path, BEGINNING_LIMIT);
  }

  async has(path: string): Promise<boolean> {
    const inside = await this.#inside(path);
    return inside !== undefined && (await stat(inside).catch(() => undefined))?.isFile() === true;
  }

  /** Files and folders in a folder, by name; links are left out. Empty where there is none. */
  async list(path = '.'): Promise<readonly Listed[]> {
    const inside = await this.#inside(path);
    if (inside === undefined) return [];
    const found = await readdir(inside, { withFileTypes: true }).catch(() => []);
    return found
      .slice(0, LIST_LIMIT)
      .filter((each) => each.isFile() || each.isDirectory())
      .map((each) => ({ name: each.name, isFolder: each.isDirectory() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #text(path: string, limit: number): Promise<string | undefined> {
    const inside = await this.#inside(path);
    if (inside === undefined) return undefined;
    // A FIFO would be waited for.
    const file = await open(inside, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      return (await file.stat()).isFile() ? await readUpTo(file, limit) : undefined;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return undefined;
    } finally {
      await file.close();
    }
  }

  /** Where a path really is; undefined when it is nowhere, or out of the folder by a link. */
  async #inside(path: string): Promise<string | undefined> {
    const [root, real] = await Promise.all([
      this.#real.catch(() => undefined),
      realpath(join(this.folder, path)).catch(() => undefined),
    ]);
    if (root === undefined || real === undefined) return undefined;
    return real === root || real.startsWith(root.endsWith(sep) ? root : root + sep) ? real : undefined;
  }
}

async function readUpTo(file: FileHandle, limit: number): Promise<string> {
  const buffer = Buffer.alloc(limit);
  let size = 0;
  while (size < limit) {
    const { bytesRead } = await file.read(buffer, size, limit - size, size);
    if (bytesRead === 0) break;
    size += bytesRead;
  }
  return buffer.toString('utf8', 0, size);
}
