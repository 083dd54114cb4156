import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { OcislimError, systemCode } from './errors.ts';
import { makeFolder } from './make-folder.ts';

const syncFile = promisify(fsync);

/** Temporary files that exist now, so that an interrupted process can take them away before it goes. */
const pending = new Set<string>();

/** Removes what unfinished writes left behind; for the moment before the process ends. */
export function removePendingFiles(): void {
  for (const path of pending) {
    try {
      rmSync(path, { force: true, recursive: true });
    } catch {
      // What this user may not remove, a clean-up of the store may.
    }
  }
  pending.clear();
}

/** Keeps `path` (a file or folder) on the list of what an interrupt removes, until `forget` is called. */
export function removeOnInterrupt(path: string): { forget(): void } {
  pending.add(path);
  return { forget: () => void pending.delete(path) };
}

export interface WriteOptions {
  /** Permission bits of the finished file; the umask has no say. Default 0644. */
  readonly mode?: number;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that there must be room for, where that is known; for the message when there is none. */
  readonly size?: number | undefined;
  /** Where the temporary file is made; default beside the finished one. On the same file system. */
  readonly temporary?: string | undefined;
  /** False for what may be lost, or damaged, when the power fails. */
  readonly durable?: boolean | undefined;
}

/**
 * Writes a file that is either absent (or its old self) or complete: temporary file beside it, fsync, rename, fsync
 * of the folder. Only the waits for the disk leave this thread: each other step takes less than the way to another and back.
 * @param produce writes the content to a descriptor
 * @throws OCISLIM_DISK_FULL | OCISLIM_NOT_WRITABLE with the path, or what `produce` throws.
 */
async function writeFileAtomically(
  path: string,
  produce: (file: number) => void | Promise<void>,
  { mode = 0o644, signal, size, temporary, durable = true }: WriteOptions,
): Promise<void> {
  const folder = dirname(path);
  const beside = () => join(folder, `.${basename(path).slice(0, 80)}.${randomBytes(6).toString('hex')}.tmp`);
  const unfinished = temporary ?? beside();
  const kept = removeOnInterrupt(unfinished);
  try {
    makeFolder(folder);
    makeFolder(dirname(unfinished));
    const file = openSync(unfinished, 'wx', 0o600);
    try {
      await produce(file);
      fchmodSync(file, mode);
      if (durable) await syncFile(file);
    } finally {
      closeSync(file);
    }
    signal?.throwIfAborted();
    renameSync(unfinished, path);
    if (durable) await syncFolder(folder);
  } catch (error) {
    removeIfThere(unfinished);
    throw explainWriteError(error, path, size);
  } finally {
    kept.forget();
  }
}

/** Whatever hinders a clean-up, it is the failure before it that counts. */
function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // As it is.
  }
}

/** {@link writeFileAtomically} for content that is at hand. */
export async function writeBytesAtomically(
  path: string,
  bytes: Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  const size = Buffer.byteLength(bytes);
  await writeFileAtomically(path, (file) => writeFileSync(file, bytes), { size, ...options });
}

/** {@link writeFileAtomically} for a stream. */
export async function writeStreamAtomically(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  options: WriteOptions = {},
): Promise<void> {
  await writeFileAtomically(path, (file) => drainInto(file, stream, options.signal), options);
}

/** Writes a whole stream to an open file, in the order it comes. */
async function drainInto(
  file: number,
  stream: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    writeAll(file, chunk);
  }
}

/**
 * Writes at the file's position until nothing is left; one call may take only a part. It does not leave the thread: to wake
 * another one takes longer than to copy a chunk to the kernel's memory.
 */
export function writeAll(file: number, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
}

/** Makes what was created or renamed in a folder outlast a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    await syncFile(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Turns the system's refusal to write into a message with the path and the remedy; other errors pass unchanged.
 * @param needed bytes that there must be room for
 */
export function explainWriteError(error: unknown, path: string, needed?: number): unknown {
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new OcislimError('OCISLIM_DISK_FULL', `${path}: no space left to write ${amount(needed)}`, {
        hint: 'free some space there, or choose another place with --store or -o',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new OcislimError('OCISLIM_NOT_WRITABLE', `${path}: cannot be written (${systemCode(error)})`, {
        hint: 'choose a place this user may write to with --store (or OCISLIM_HOME) or -o',
        cause: error,
      });
    case 'ENOTDIR':
    case 'EISDIR':
    case 'EEXIST':
    case 'ENOTEMPTY':
      return new OcislimError(
        'OCISLIM_NOT_WRITABLE',
        `${path}: a file and a folder are in each other's way`,
        {
          cause: error,
        },
      );
    case 'ENAMETOOLONG':
      return new OcislimError('OCISLIM_NOT_WRITABLE', `${path}: the name is too long`, { cause: error });
    default:
      return error;
  }
}

function amount(bytes: number | undefined): string {
  return bytes === undefined ? 'it' : `${bytes} bytes`;
}
