import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';

/** A regular file on disk that somebody has looked at. */
export interface DiskFile {
  readonly path: string | Buffer;
  /** Bytes, when it was looked at. */
  readonly size: number;
  /** Called with what was opened, before the first byte is read and after the last; throws if it is not what was looked at. */
  readonly check: (descriptor: number) => void;
  /** Whether a link in its place is followed. */
  readonly follow: boolean;
  /** What to throw instead of the system's error when the file cannot be opened. */
  readonly refusal: (error: unknown) => unknown;
}

/** Two ways to a file's content. */
export interface DiskContent {
  open(): Promise<Readable>;
  /** In memory that is used again: a chunk holds only until the next one is asked for. */
  chunks(): AsyncGenerator<Uint8Array>;
}

/** Bytes that are read at once. */
const CHUNK = 256 * 1024;
/** Up to here waiting for the disk takes less than going to another thread and back for each step. */
const SMALL = 64 * 1024;

/** A file's content, as it was when it was looked at: one that changes meanwhile is an error, not half of each. */
export function diskContent(file: DiskFile): DiskContent {
  const chunks = () => (file.size <= SMALL ? readAtOnce(file) : readInTurns(file));
  const kept = async function* () {
    for await (const chunk of chunks()) yield Buffer.from(chunk);
  };
  return { chunks, open: async () => Readable.from(kept(), { objectMode: false }) };
}

/** A file that was put in another's place may be a FIFO, on which nothing is to wait. */
function flagsOf({ follow }: DiskFile): number {
  return constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (follow ? 0 : (constants.O_NOFOLLOW ?? 0));
}

async function* readAtOnce(file: DiskFile): AsyncGenerator<Uint8Array> {
  const { path, size, check, refusal } = file;
  let descriptor: number;
  try {
    descriptor = openSync(path, flagsOf(file));
  } catch (error) {
    throw refusal(error);
  }
  // One byte more tells whether there is more than there was.
  const bytes = Buffer.allocUnsafe(size + 1);
  let filled = 0;
  try {
    check(descriptor);
    for (let count = -1; count !== 0 && filled < bytes.length; filled += count)
      count = readSync(descriptor, bytes, filled, bytes.length - filled, null);
    check(descriptor);
  } finally {
    closeSync(descriptor);
  }
  if (filled > 0) yield bytes.subarray(0, filled);
}

async function* readInTurns(file: DiskFile): AsyncGenerator<Uint8Array> {
  const { path, check, refusal } = file;
  const handle = await open(path, flagsOf(file)).catch((error: unknown) => {
    throw refusal(error);
  });
  try {
    check(handle.fd);
    yield* alternating(handle);
    check(handle.fd);
  } finally {
    await handle.close();
  }
}

/** One half of the memory is read into while the other is looked at. */
async function* alternating(file: FileHandle): AsyncGenerator<Uint8Array> {
  let [ready, next] = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)];
  const read = async (into: Buffer) => (await file.read(into, 0, CHUNK, null)).bytesRead;
  let size = await read(ready);
  while (size > 0) {
    const ahead = read(next);
    // It is waited for in its turn; until then its failure is nobody's surprise.
    ahead.catch(() => {});
    try {
      yield ready.subarray(0, size);
    } finally {
      await ahead.catch(() => {});
    }
    size = await ahead;
    [ready, next] = [next, ready];
  }
}
