import type { BigIntStats } from 'node:fs';
import { posix } from 'node:path';
import type { Entry as ZipEntry } from 'yauzl';
import type { Entry } from '../layer/entry.ts';
import type { OcislimError } from '../lib/errors.ts';
import { invalid, openMember, openZip, quoted, unreadable } from './zip.ts';
import { requirePlainName } from './zip-name.ts';

export interface BundleOptions {
  /** Folder in the image that the files go to, without a leading slash. */
  readonly prefix: string;
  /** Seconds since the epoch, for every file. */
  readonly mtime: number;
  readonly signal?: AbortSignal | undefined;
}

/** Beyond these a zip is an attack or a mistake. */
const FILE_LIMIT = 100_000;
const TOTAL_LIMIT = 16 * 1024 ** 3;
/** Deflate cannot do better than 1:1032, programs do 1:10; below this many bytes no ratio matters. */
const RATIO_LIMIT = 200;
const RATIO_FLOOR = 64 * 1024 ** 2;
/** Longest target of a link, Linux's PATH_MAX. */
const LINK_LIMIT = 4096;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/**
 * The files of a zip as entries of a layer: the prefix and every other folder 0755, files 0755 where the zip lets anyone
 * execute them and 0644 elsewhere, links that stay inside. Content is read, and its checksum checked, when an entry is
 * opened.
 * @throws OCISLIM_ARCHIVE_INVALID naming the zip and the member
 */
export async function readBundle(path: string, options: BundleOptions): Promise<Entry[]> {
  const { zip, found, nameOf } = await openZip(path);
  try {
    if (zip.entryCount > FILE_LIMIT) throw tooMany(path);
    const budget = new Budget(path, Number(found.size));
    const tree = new BundleTree(options);
    for await (const member of zip.eachEntry()) {
      options.signal?.throwIfAborted();
      const name = requirePlainName(path, nameOf(member));
      const wrong: Refusal = (why, hint) => invalid(path, `${quoted(name)} ${why}`, hint);
      requireReadable(member, wrong);
      budget.spend(member, wrong);
      tree.add(name, await kindOf({ path, found, member, name, wrong }), wrong);
      if (tree.size > FILE_LIMIT) throw tooMany(path);
    }
    const entries = tree.entries();
    if (!entries.some((entry) => entry.type === 'file')) throw invalid(path, 'holds no file');
    return entries;
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    zip.close();
  }
}

type Refusal = (why: string, hint?: string) => OcislimError;

function tooMany(path: string): OcislimError {
  return invalid(path, `has more than ${FILE_LIMIT} files and folders`);
}

function requireReadable(member: ZipEntry, wrong: Refusal): void {
  if (member.isEncrypted()) throw wrong('is encrypted', 'zip it without a password');
  if (!member.canDecodeFileData()) {
    throw wrong(
      `is compressed with method ${member.compressionMethod}, which ocislim does not read`,
      'zip it with deflate, the usual method',
    );
  }
}

/** How much a zip may unpack to. What it claims is what counts: yauzl stops a stream that exceeds its claim. */
class Budget {
  readonly #path: string;
  readonly #zipSize: number;
  #packed = 0;
  #unpacked = 0;

  constructor(path: string, zipSize: number) {
    this.#path = path;
    this.#zipSize = zipSize;
  }

  spend({ compressedSize, uncompressedSize }: ZipEntry, wrong: Refusal): void {
    this.#packed += compressedSize;
    this.#unpacked += uncompressedSize;
    // Members that share their bytes make a bomb without a remarkable ratio of any one of them (Fifield 2019).
    if (this.#packed > this.#zipSize) throw wrong('overlaps with other members');
    if (this.#unpacked > TOTAL_LIMIT) throw invalid(this.#path, `unpacks to more than ${TOTAL_LIMIT} bytes`);
    if (this.#unpacked > RATIO_FLOOR && this.#unpacked > this.#zipSize * RATIO_LIMIT)
      throw invalid(this.#path, `unpacks to more than ${RATIO_LIMIT} times its size`);
  }
}

type Kind =
  | { readonly type: 'directory' }
  | { readonly type: 'symlink'; readonly linkname: string }
  | {
      readonly type: 'file';
      readonly mode: number;
      readonly size: number;
      readonly open: NonNullable<Entry['open']>;
    };

/** The entries found so far, where a path is one thing only. */
class BundleTree {
  readonly #entries = new Map<string, Entry>();
  readonly #prefix: string;
  readonly #owner: { readonly uid: 0; readonly gid: 0; readonly mtime: number };

  constructor({ prefix, mtime }: BundleOptions) {
    this.#prefix = prefix;
    this.#owner = { uid: 0, gid: 0, mtime };
    if (prefix !== '') this.#addFolder(prefix);
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Adds a member, and the folders above it, which a zip need not list. */
  add(member: string, kind: Kind, wrong: Refusal): void {
    const name = member.replace(/\/$/, '');
    const path = this.#placed(name);
    this.#addParents(name, wrong);
    const there = this.#entries.get(path)?.type;
    // Tools do list a folder twice; everything else that is in a zip twice is there to be seen differently by two readers.
    if (there !== undefined && (there !== 'directory' || kind.type !== 'directory'))
      throw wrong('is in it twice');
    if (kind.type === 'directory') this.#addFolder(path);
    else this.#entries.set(path, { path, mode: 0o777, ...this.#owner, ...kind });
  }

  /** From the nearest up to the first that is known, so that many files in a deep folder cost no more than others. */
  #addParents(name: string, wrong: Refusal): void {
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      const parent = this.#placed(name.slice(0, end));
      const there = this.#entries.get(parent)?.type;
      if (there === 'directory') return;
      if (there !== undefined) throw wrong('is in a folder that is a file');
      this.#addFolder(parent);
    }
  }

  #placed(name: string): string {
    return this.#prefix === '' ? name : `${this.#prefix}/${name}`;
  }

  #addFolder(path: string): void {
    this.#entries.set(path, { path, type: 'directory', mode: 0o755, ...this.#owner });
  }
}

interface Found {
  readonly path: string;
  readonly found: BigIntStats;
  readonly member: ZipEntry;
  readonly name: string;
  readonly wrong: Refusal;
}

async function kindOf({ path, found, member, name, wrong }: Found): Promise<Kind> {
  const unixMode = member.externalFileAttributes >>> 16;
  const format = unixMode & S_IFMT;
  const open = () => openMember(path, found, member, name);
  if (format === S_IFLNK) {
    if (member.uncompressedSize > LINK_LIMIT) throw wrong('is a link that is too long');
    const chunks: Buffer[] = [];
    for await (const chunk of await open()) chunks.push(chunk as Buffer);
    const linkname = Buffer.concat(chunks).toString();
    if (!staysInside(name, linkname))
      throw wrong(`is a link that leads out of the zip, to ${quoted(linkname)}`);
    return { type: 'symlink', linkname };
  }
  if (name.endsWith('/') || format === S_IFDIR) {
    if (member.uncompressedSize > 0) throw wrong('is a folder with content');
    return { type: 'directory' };
  }
  if (format !== 0 && format !== S_IFREG) throw wrong('is neither a file nor a folder nor a link');
  const mode = (unixMode & 0o111) === 0 ? 0o644 : 0o755;
  return { type: 'file', mode, size: member.uncompressedSize, open };
}

/**
 * Whether a link leads to a place in the bundle, whatever other links are on the way: it may only climb at its start,
 * where the folders it climbs through are real ones, since nothing lies below a link.
 */
function staysInside(name: string, linkname: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (linkname === '' || linkname.startsWith('/') || /[\u0000-\u001f\u007f\\]/.test(linkname)) return false;
  const parts = linkname.split('/');
  const climbs = parts.findIndex((part) => part !== '..');
  if (climbs !== -1 && parts.slice(climbs).includes('..')) return false;
  return !posix.join(posix.dirname(name), linkname).split('/').includes('..');
}
