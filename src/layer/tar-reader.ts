import { OcislimError } from '../lib/errors.ts';
import { textOfBytes } from './byte-text.ts';
import { cleanPath } from './clean-path.ts';
import { parsePax } from './pax.ts';
import { BLOCK, decodeHeader, type TarHeader, textAt } from './tar-header.ts';

/** One member of a tar from outside. Nothing in it can be trusted but its shape. */
export interface TarMember {
  /**
   * Cleaned: relative to the root, without `.` and `..` (which stop at the root); `''` is the root itself. What is not
   * UTF-8 in it is as `systemPath` takes it.
   */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'device' | 'fifo';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, perhaps with a fraction. */
  readonly mtime: number;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** Where the content begins in the tar, in bytes. */
  readonly offset: number;
  /** As written for a symlink; cleaned like a path for a hard link. */
  readonly linkname?: string | undefined;
  readonly device?: DeviceNumbers | undefined;
  /** Extended attributes by name, as bytes; only of those that have some. */
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined;
}

export interface DeviceNumbers {
  readonly kind: 'character' | 'block';
  readonly major: number;
  readonly minor: number;
}

export interface ReadTarOptions {
  readonly signal?: AbortSignal | undefined;
  /** How messages name the archive. */
  readonly what?: string | undefined;
}

/** More members than any real layer; bounds what a bomb of empty files can cost. */
export const MEMBER_LIMIT = 5_000_000;

/**
 * Reads a tar to its last byte, so that a digest computed beside it covers everything, and calls `visit` for each member
 * before the end-of-archive marker. `visit` need not read the content. A chunk of `source` need hold only until the next one
 * is asked for.
 * @returns whether the archive has its end marker; one that has not may be cut short between two members.
 * @throws OCISLIM_ARCHIVE_INVALID, and what `source` and `visit` throw.
 */
export async function readTar(
  source: AsyncIterable<Uint8Array>,
  visit: Visit,
  { signal, what = 'tar' }: ReadTarOptions = {},
): Promise<{ readonly ended: boolean }> {
  const bytes = new TarBytes(source, what, signal);
  try {
    const ended = await readMembers(bytes, visit, what);
    // Whatever follows the end marker, a bare header or noise, is no part of the archive.
    await bytes.skip(Number.POSITIVE_INFINITY);
    return { ended };
  } finally {
    await bytes.close();
  }
}

type Visit = (member: TarMember, content: AsyncIterable<Uint8Array>) => Promise<void> | void;

/** What headers say of the member that follows them. */
interface Extensions {
  readonly pax?: Readonly<Record<string, string>>;
  readonly longName?: string;
  readonly longLink?: string;
}

/** Bytes of a header that is longer than a block; more is no header. */
const EXTENSION_LIMIT = 4 * 1024 * 1024;

/** @returns whether the end marker was there: two blocks of zeros */
async function readMembers(bytes: TarBytes, visit: Visit, what: string): Promise<boolean> {
  let extensions: Extensions = {};
  let members = 0;
  for (let block = await bytes.take(BLOCK); block !== undefined; block = await bytes.take(BLOCK)) {
    if (isZero(block)) {
      const second = await bytes.take(BLOCK);
      if (second === undefined || isZero(second)) return second !== undefined;
      // Some readers stop there and some go on: whoever hides members behind it would be read differently by them.
      throw invalid(what, 'a lone block of zeros between members');
    }
    const header = decodeHeader(block);
    if (header === undefined) throw invalid(what, 'damaged, or not a tar');
    if (EXTENSIONS.has(header.flag)) {
      extensions = { ...extensions, ...(await extensionOf(header, bytes, what)) };
      continue;
    }
    if (++members > MEMBER_LIMIT) throw invalid(what, `more than ${MEMBER_LIMIT} members`);
    const member = memberOf(header, extensions, bytes.position, what);
    const end = bytes.position + wholeBlocks(member.size);
    await visit(member, contentOf(member, bytes));
    await bytes.skip(end - bytes.position);
    extensions = {};
  }
  return false;
}

/** What is left of a member's content, for as long as nothing behind it was read. */
async function* contentOf({ offset, size }: TarMember, bytes: TarBytes): AsyncGenerator<Uint8Array> {
  const end = offset + size;
  while (bytes.position < end) yield await bytes.some(end - bytes.position);
}

/** Of PAX, for one member and for all; of GNU, long names and link targets. */
const EXTENSIONS: ReadonlySet<string> = new Set(['x', 'g', 'L', 'N', 'K']);

async function extensionOf({ flag, size }: TarHeader, bytes: TarBytes, what: string): Promise<Extensions> {
  if (!(size >= 0 && size <= EXTENSION_LIMIT)) throw invalid(what, 'a header of more bytes than any has');
  const body = size === 0 ? Buffer.alloc(0) : await bytes.require(size);
  const extensions = parseExtension(flag, body, what);
  await bytes.skip(wholeBlocks(size) - size);
  return extensions;
}

function parseExtension(flag: string, body: Buffer, what: string): Extensions {
  // Go's archive/tar, and so every engine, applies global headers to no member.
  if (flag === 'g') return {};
  if (flag === 'x') return { pax: paxOf(body, what) };
  const text = textAt(body, 0, body.length);
  return flag === 'K' ? { longLink: text } : { longName: text };
}

function paxOf(body: Buffer, what: string): Readonly<Record<string, string>> {
  try {
    return parsePax(body);
  } catch (error) {
    throw invalid(what, error instanceof Error ? error.message : 'damaged PAX header', error);
  }
}

/** The bytes of a tar, in the portions that are asked for. */
class TarBytes {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;
  #chunk: Buffer = Buffer.alloc(0);
  /** How many bytes were given out or skipped. */
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>, what: string, signal: AbortSignal | undefined) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#what = what;
    this.#signal = signal;
  }

  /** Gets more where nothing is at hand; false where there is no more. */
  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      this.#signal?.throwIfAborted();
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    return true;
  }

  #shift(limit: number): Buffer {
    const bytes = this.#chunk.subarray(0, limit);
    this.#chunk = this.#chunk.subarray(bytes.length);
    this.position += bytes.length;
    return bytes;
  }

  /** As many bytes as are at hand, at least one and at most `limit`. @throws where there is none */
  async some(limit: number): Promise<Buffer> {
    if (this.#chunk.length === 0 && !(await this.#fill())) throw invalid(this.#what, 'cut short');
    return this.#shift(limit);
  }

  /** So many bytes, of which there must be at least one. @throws where there are fewer */
  async require(size: number): Promise<Buffer> {
    if (this.#chunk.length >= size) return this.#shift(size);
    const parts: Buffer[] = [];
    for (let left = size; left > 0; left -= parts.at(-1)?.length ?? 0)
      parts.push(Buffer.from(await this.some(left)));
    return Buffer.concat(parts);
  }

  /** So many bytes; undefined at the end. @throws where there are some, but fewer */
  async take(size: number): Promise<Buffer | undefined> {
    return this.#chunk.length > 0 || (await this.#fill()) ? this.require(size) : undefined;
  }

  /** @throws where there are fewer, except for all that are left */
  async skip(size: number): Promise<void> {
    for (let left = size; left > 0; ) {
      if (this.#chunk.length > 0 || (await this.#fill())) left -= this.#shift(left).length;
      else if (left === Number.POSITIVE_INFINITY) return;
      else throw invalid(this.#what, 'cut short');
    }
  }

  /** Lets go of the source, wherever it is. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

function wholeBlocks(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

const ZEROS = Buffer.alloc(BLOCK);

function isZero(block: Buffer): boolean {
  return block.equals(ZEROS);
}

const TYPES: Readonly<Record<string, TarMember['type']>> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'device',
  '4': 'device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
};

function memberOf(
  header: TarHeader,
  { pax = {}, longName, longLink }: Extensions,
  offset: number,
  what: string,
): TarMember {
  const name = textOfBytes(pax['path'] || longName || header.name);
  const target = textOfBytes(pax['linkpath'] || longLink || header.linkname);
  const wrong = (why: string) => invalid(what, `${JSON.stringify(name)} ${why}`);
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.')))
    throw wrong('is a sparse file, which layers cannot have');
  const type = TYPES[header.flag];
  if (type === undefined) throw wrong('is of an unknown type');
  const number = (key: 'mode' | 'uid' | 'gid' | 'mtime' | 'size') => {
    const isPax = key !== 'mode' && pax[key] !== undefined;
    const value = isPax ? Number(pax[key]) : header[key];
    if (Number.isFinite(value)) return value;
    throw wrong(`has a ${isPax ? 'PAX ' : ''}${key} of no number`);
  };
  const size = number('size');
  if (!Number.isSafeInteger(size) || size < 0) throw wrong('has a size that no file has');
  // A folder's size means nothing, a link's is no content to Go's reader and content to others, who would read another archive.
  if (type !== 'file' && type !== 'directory' && size > 0) throw wrong(`is a ${type} with content`);
  if (name.includes('\0') || target.includes('\0')) throw wrong('has a NUL in its name');
  const xattrs = xattrsOf(pax);
  return {
    path: cleanPath(name),
    type,
    mode: number('mode') & 0o7777,
    uid: number('uid'),
    gid: number('gid'),
    mtime: number('mtime'),
    size: type === 'file' ? size : 0,
    offset,
    linkname: linknameOf(type, target),
    ...(type === 'device' ? { device: deviceOf(header, wrong) } : {}),
    ...(xattrs.size > 0 ? { xattrs } : {}),
  };
}

function linknameOf(type: TarMember['type'], target: string): string | undefined {
  if (target === '') return undefined;
  return type === 'hardlink' ? cleanPath(target) : target;
}

function deviceOf({ flag, major, minor }: TarHeader, wrong: (why: string) => OcislimError): DeviceNumbers {
  if (!Number.isInteger(major) || !Number.isInteger(minor)) throw wrong('has a device number of no number');
  return { kind: flag === '4' ? 'block' : 'character', major, minor };
}

const XATTR = 'SCHILY.xattr.';

function xattrsOf(pax: Readonly<Record<string, string>>): ReadonlyMap<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of Object.entries(pax))
    if (key.startsWith(XATTR)) xattrs.set(textOfBytes(key.slice(XATTR.length)), Buffer.from(value, 'latin1'));
  return xattrs;
}

function invalid(what: string, why: string, cause?: unknown): OcislimError {
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${what}: ${why}`, { cause });
}
