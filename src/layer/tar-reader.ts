import type { Readable } from 'node:stream';
import { type Extract, extract, type Header } from 'tar-stream';
import { OcislimError } from '../lib/errors.ts';

/** One member of a tar from outside. Nothing in it can be trusted but its shape. */
export interface TarMember {
  /** Cleaned: relative to the root, without `.` and `..` (which stop at the root); `''` is the root itself. */
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
}

export interface ReadTarOptions {
  readonly signal?: AbortSignal | undefined;
  /** How messages name the archive. */
  readonly what?: string | undefined;
}

/** More members than any real layer; bounds what a bomb of empty files can cost. */
const MEMBER_LIMIT = 5_000_000;

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
  const extraction = extract();
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

/** tar-stream leaves PAX's owner and time to its user. */
function memberOf(header: Header, what: string): TarMember {
  const pax = header.pax as Readonly<Record<string, string>> | null | undefined;
  if (pax !== null && pax !== undefined && Object.keys(pax).some((key) => key.startsWith('GNU.sparse.')))
    throw invalid(what, `${JSON.stringify(header.name)} is a sparse file, which layers cannot have`);
  const type = TYPES[header.type ?? ''];
  if (type === undefined) throw invalid(what, `${JSON.stringify(header.name)} is of an unknown type`);
  // Go's reader takes a link's size for nothing, tar-stream for content: the two would read different archives.
  if (type !== 'file' && header.size)
    throw invalid(what, `${JSON.stringify(header.name)} is a ${type} with content`);
  const number = (key: 'uid' | 'gid' | 'mtime', otherwise: number) => {
    const value = pax?.[key];
    if (value === undefined) return otherwise;
    const parsed = Number(value);
    if (!Number.isFinite(parsed))
      throw invalid(what, `${JSON.stringify(header.name)} has a PAX ${key} of no number`);
    return parsed;
  };
  const linkname = header.linkname ?? undefined;
  return {
    path: cleanPath(header.name),
    type,
    mode: header.mode & 0o7777,
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    mtime: number('mtime', header.mtime.getTime() / 1000),
    size: type === 'file' ? header.size : 0,
    offset: (header as unknown as { byteOffset: number }).byteOffset,
    linkname: type === 'hardlink' && linkname !== undefined ? cleanPath(linkname) : linkname,
  };
}

/** A path as the kernel would walk it from the root, where `..` goes no higher. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function describe(error: TarError): string {
  if (/unexpected end/i.test(error.message)) return 'cut short';
  if (/invalid tar header/i.test(error.message)) return 'damaged, or not a tar';
  return error.message;
}

function invalid(what: string, why: string, cause?: unknown): OcislimError {
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${what}: ${why}`, { cause });
}
