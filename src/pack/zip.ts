import { type BigIntStats, close as closeCallback, constants, fstat, open as openCallback } from 'node:fs';
import { Transform, type TransformCallback } from 'node:stream';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { fromFdPromise, getFileNameLowLevel, type Entry as ZipEntry, type ZipFile } from 'yauzl';
import { OcislimError, systemCode } from '../lib/errors.ts';

const open = promisify(openCallback);
const close = promisify(closeCallback);
const stat = promisify<number, { bigint: true }, BigIntStats>(fstat);

/** An open zip, and the file as it was when it was opened. */
export interface OpenZip {
  readonly zip: ZipFile;
  readonly found: BigIntStats;
  /** A member's name as its flags say it is written: UTF-8, or else CP437 (APPNOTE appendix D). */
  nameOf(member: ZipEntry): string;
}

/**
 * Opens a zip; its names stay bytes. The caller closes it. FORMATS: yauzl checks sizes and bounds, and nothing else.
 * @param seen what the file was when it was looked at first
 * @throws OCISLIM_ARCHIVE_INVALID | OCISLIM_INPUT_CHANGED when the file is no longer the one that was seen
 */
export async function openZip(path: string, seen?: BigIntStats): Promise<OpenZip> {
  // Without O_NONBLOCK, a FIFO that took the file's place would hold the process until somebody writes to it.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  const fd = await open(path, flags).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    const found = await stat(fd, { bigint: true });
    if (!found.isFile()) throw invalid(path, 'not a file');
    if (seen !== undefined && !sameFile(found, seen)) {
      throw new OcislimError('OCISLIM_INPUT_CHANGED', `${path}: changed while it was packed`, {
        hint: 'pack again once nothing writes to it',
      });
    }
    const zip = await fromFdPromise(fd, { autoClose: false, decodeStrings: false });
    // Closing is all that can still fail, and nobody waits for it.
    zip.on('error', () => {});
    const nameOf = ({ generalPurposeBitFlag, fileNameRaw, extraFields }: ZipEntry) =>
      getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, true);
    return { zip, found, nameOf };
  } catch (error) {
    await close(fd);
    throw unreadable(path, error);
  }
}

function sameFile(a: BigIntStats, b: BigIntStats): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs;
}

/**
 * Opens the zip again for one member, so that it can be read at any time and more than once. The stream fails with
 * OCISLIM_ARCHIVE_INVALID, naming the member, when it is cut or damaged, or not what its size and checksum say.
 */
export async function openMember(
  path: string,
  seen: BigIntStats,
  member: ZipEntry,
  name: string,
): Promise<Transform> {
  const { zip } = await openZip(path, seen);
  try {
    const content = await zip.openReadStreamPromise(member);
    const checked = new Crc32Check(member.crc32, `${path}: ${quoted(name)}`);
    content.on('error', (error) => checked.destroy(damaged(path, name, error)));
    checked.on('close', () => content.destroy());
    return content.pipe(checked);
  } catch (error) {
    throw damaged(path, name, error);
  } finally {
    // The file stays open until the stream is done with it.
    zip.close();
  }
}

class Crc32Check extends Transform {
  readonly #expected: number;
  readonly #what: string;
  #actual = 0;

  constructor(expected: number, what: string) {
    super();
    this.#expected = expected;
    this.#what = what;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#actual = crc32(chunk, this.#actual);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    if (this.#actual === this.#expected) done();
    else done(new OcislimError('OCISLIM_ARCHIVE_INVALID', `${this.#what} has a wrong checksum`));
  }
}

/** A zip that cannot be used. */
export function invalid(path: string, why: string, hint?: string): OcislimError {
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${path}: ${why}`, { hint });
}

/** What the system or yauzl has against the zip as a whole; errors of ours pass. */
export function unreadable(path: string, error: unknown): unknown {
  if (error instanceof OcislimError || !(error instanceof Error) || error.name === 'AbortError') return error;
  const what =
    systemCode(error) === undefined ? `not a zip that can be read (${error.message})` : error.message;
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${path}: ${what}`, { cause: error });
}

function damaged(path: string, name: string, error: unknown): OcislimError {
  const why = error instanceof Error ? error.message : String(error);
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${path}: ${quoted(name)} is damaged (${why})`, {
    cause: error,
  });
}

/** A name from a zip, as a message may show it. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
