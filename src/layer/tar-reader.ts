import type { Readable } from 'node:stream';
import { type Extract, extract, type Header } from 'tar-stream';
import { OcislimError } from '../lib/errors.ts';
import { textOfBytes } from './byte-text.ts';
import { cleanPath } from './clean-path.ts';
import { parsePax } from './pax.ts';

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
 * before the end-of-archive marker. `visit` need not read the content.
 * @returns whether the archive has its end marker; one that has not may be cut short between two members.
 * @throws OCISLIM_ARCHIVE_INVALID, and what `source` and `visit` throw.
 */
export async function readTar(
  source: Readable,
  visit: (member: TarMember, content: AsyncIterable<Uint8Array>) => Promise<void> | void,
  { signal, what = 'tar' }: ReadTarOptions = {},
): Promise<{ readonly ended: boolean }> {
  const extraction = bytewise(extract(BYTES));
  const marker = new EndMarker(what);
  let failure: unknown;
  let members = 0;
  extraction.on('entry', (header, content, next) => {
    const handle = async () => {
      if (++members > MEMBER_LIMIT) throw invalid(what, `more than ${MEMBER_LIMIT} members`);
      const member = memberOf(header, what);
      if (!marker.isBeyond(member.offset, member.size))
        await visit(member, content as AsyncIterable<Uint8Array>);
      content.resume();
      await drained;
    };
    // A folder's size means nothing (as in Go's reader), but tar-stream's stream would wait for that much content.
    if (header.type === 'directory') header.size = 0;
    content.on('error', () => {});
    const drained = new Promise<void>((resolve) => content.once('end', () => resolve()));
    handle()
      .then(() => next())
      .catch((error: unknown) => {
        failure ??= error;
        extraction.destroy(error as Error);
      });
  });
  // Whatever follows the end marker, a bare header or noise, is no part of the archive.
  const isOver = () => marker.seen && failure === undefined;
  try {
    await feed(source, extraction, marker, isOver, signal);
  } catch (error) {
    const cause = failure ?? error;
    source.destroy();
    throw cause instanceof TarError ? invalid(what, describe(cause), cause) : cause;
  }
  return { ended: marker.seen };
}

/** Names one character a byte: tar-stream's own decoding would lose what is not UTF-8. */
const BYTES = { filenameEncoding: 'latin1' } as object;

interface Internals {
  readonly _header: { readonly type: string };
  _pax: Readonly<Record<string, string>>;
  _decodeLongHeader(bytes: Uint8Array): void;
}

/**
 * Lets PAX values be bytes, too, and global headers be nobody's: Go's archive/tar, and so every engine, applies them to
 * no member.
 */
function bytewise(extraction: Extract): Extract {
  const internals = extraction as unknown as Internals;
  const decode = internals._decodeLongHeader.bind(extraction);
  internals._decodeLongHeader = (bytes) => {
    const { type } = internals._header;
    if (type === 'pax-header') internals._pax = parsePax(bytes);
    else if (type !== 'pax-global-header') decode(bytes);
  };
  return extraction;
}

/** What tar-stream complains about, told apart from what the source of the bytes does. */
class TarError extends Error {}

async function feed(
  source: Readable,
  extraction: Extract,
  marker: EndMarker,
  isOver: () => boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const finished = new Promise<void>((resolve, reject) => {
    extraction.once('finish', resolve);
    extraction.once('error', (error: Error) => reject(new TarError(error.message, { cause: error })));
    extraction.once('close', () => reject(new TarError('stopped')));
  });
  finished.catch(() => {});
  let reading = true;
  const step = async (work: () => Promise<void> | undefined) => {
    try {
      if (reading) await work();
    } catch (error) {
      if (!isOver()) throw error;
      reading = false;
    }
  };
  const write = (chunk: Buffer) => {
    if (extraction.write(chunk)) return undefined;
    const drained = new Promise<void>((resolve) => extraction.once('drain', () => resolve()));
    return Promise.race([drained, finished]);
  };
  try {
    for await (const chunk of source) {
      signal?.throwIfAborted();
      marker.take(chunk as Buffer);
      await step(() => write(chunk as Buffer));
    }
    await step(() => {
      extraction.end(undefined);
      return finished;
    });
  } finally {
    extraction.destroy(null);
  }
}

/** Bytes behind the parser that are still looked at: more than tar-stream's queue holds. */
const KEPT = 64 * 1024;

/**
 * Watches for the two zero blocks that end a tar. tar-stream skips zero blocks and goes on, other readers stop there:
 * whoever hides members behind the marker would be read differently by them.
 */
class EndMarker {
  readonly #what: string;
  /** Where the next header begins if there is one. */
  #boundary = 0;
  /** The bytes from there that were seen, at most two blocks. */
  #head = Buffer.alloc(0);
  #chunks: { readonly start: number; readonly bytes: Buffer }[] = [];
  #position = 0;
  #seen = false;

  constructor(what: string) {
    this.#what = what;
  }

  /** Notes bytes before they are parsed; tar-stream lags behind by less than what is kept. */
  take(bytes: Buffer): void {
    const oldest = this.#position - KEPT;
    this.#chunks = this.#chunks.filter(({ start, bytes: kept }) => start + kept.length > oldest);
    this.#chunks.push({ start: this.#position, bytes });
    this.#position += bytes.length;
    this.#collect();
  }

  /** Called for each member, with where its content begins and how long it is: whether it is behind the marker. */
  isBeyond(contentStart: number, size: number): boolean {
    this.#collect();
    if (this.#isEnd()) this.#seen = true;
    else if (this.#head.length >= 512 && isZero(this.#head.subarray(0, 512)))
      throw invalid(this.#what, 'a lone block of zeros between members');
    this.#boundary = contentStart + Math.ceil(size / 512) * 512;
    this.#head = Buffer.alloc(0);
    return this.#seen;
  }

  get seen(): boolean {
    this.#collect();
    return this.#seen || this.#isEnd();
  }

  #isEnd(): boolean {
    return this.#head.length >= 1024 && isZero(this.#head);
  }

  #collect(): void {
    for (const { start, bytes } of this.#chunks) {
      const next = this.#boundary + this.#head.length;
      const missing = 1024 - this.#head.length;
      if (missing <= 0) break;
      if (next < start || next >= start + bytes.length) continue;
      this.#head = Buffer.concat([this.#head, bytes.subarray(next - start, next - start + missing)]);
    }
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

const TYPES: Readonly<Record<string, TarMember['type']>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'hardlink',
  'character-device': 'device',
  'block-device': 'device',
  fifo: 'fifo',
};

/** tar-stream leaves PAX's owner, time and attributes to its user. */
function memberOf(header: Header, what: string): TarMember {
  const pax = (header.pax ?? {}) as Readonly<Record<string, string>>;
  const name = textOfBytes(header.name);
  const wrong = (why: string) => invalid(what, `${JSON.stringify(name)} ${why}`);
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.')))
    throw wrong('is a sparse file, which layers cannot have');
  const type = TYPES[header.type ?? ''];
  if (type === undefined) throw wrong('is of an unknown type');
  // Go's reader takes a link's size for nothing, tar-stream for content: the two would read different archives.
  if (type !== 'file' && header.size) throw wrong(`is a ${type} with content`);
  const number = (key: 'uid' | 'gid' | 'mtime', otherwise: number) => {
    const value = pax[key] === undefined ? otherwise : Number(pax[key]);
    if (Number.isFinite(value)) return value;
    throw wrong(pax[key] === undefined ? `has a ${key} of no number` : `has a PAX ${key} of no number`);
  };
  const linkname = header.linkname ? textOfBytes(header.linkname) : undefined;
  if (name.includes('\0') || linkname?.includes('\0')) throw wrong('has a NUL in its name');
  const xattrs = xattrsOf(pax);
  return {
    path: cleanPath(name),
    type,
    mode: header.mode & 0o7777,
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    mtime: number('mtime', header.mtime.getTime() / 1000),
    size: type === 'file' ? header.size : 0,
    offset: (header as unknown as { byteOffset: number }).byteOffset,
    linkname: type === 'hardlink' && linkname !== undefined ? cleanPath(linkname) : linkname,
    ...(type === 'device' ? { device: deviceOf(header) } : {}),
    ...(xattrs.size > 0 ? { xattrs } : {}),
  };
}

function deviceOf({ type, devmajor, devminor }: Header): DeviceNumbers {
  const kind = type === 'block-device' ? 'block' : 'character';
  return { kind, major: devmajor, minor: devminor };
}

const XATTR = 'SCHILY.xattr.';

function xattrsOf(pax: Readonly<Record<string, string>>): ReadonlyMap<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of Object.entries(pax))
    if (key.startsWith(XATTR)) xattrs.set(textOfBytes(key.slice(XATTR.length)), Buffer.from(value, 'latin1'));
  return xattrs;
}

function describe(error: TarError): string {
  if (/unexpected end/i.test(error.message)) return 'cut short';
  if (/invalid tar header/i.test(error.message)) return 'damaged, or not a tar';
  return error.message;
}

function invalid(what: string, why: string, cause?: unknown): OcislimError {
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${what}: ${why}`, { cause });
}
