import { createHash, type Hash } from 'node:crypto';
import { chmodSync, createReadStream, renameSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { type Digest, digestAlgorithm } from '#oci-spec-types';
import type { Blob } from '../image/model.ts';
import { explainWriteError, removeOnInterrupt, syncFolder, writeAll } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { makeFolder } from '../lib/make-folder.ts';
import { type Expected, isMismatch, verifies } from '../lib/verify.ts';
import { GrowingFile } from './growing-file.ts';

export interface IngestOptions {
  /** A file that does not exist, on the file system of the final place. */
  readonly temporary: string;
  /** The final path of content with this digest; asked once the content is complete. */
  readonly place: (digest: Digest) => Promise<string>;
  readonly expected?: Expected | undefined;
  /** Bytes that there must be room for, for messages. */
  readonly size?: number | undefined;
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Gets the file while it is written. */
  readonly onGrowing?: ((file: GrowingFile) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a stream to a temporary file while hashing it, and moves it to its place once it is complete and on disk.
 * Content that is there already is replaced by the same content: a rename, never a half-written file.
 * @throws OCISLIM_DIGEST_MISMATCH | OCISLIM_SIZE_MISMATCH when it is not what was expected,
 *   OCISLIM_DISK_FULL | OCISLIM_NOT_WRITABLE
 */
export async function ingest(stream: Readable, options: IngestOptions): Promise<Expected> {
  const { expected, temporary, onGrowing } = options;
  const kept = removeOnInterrupt(temporary);
  const growing = onGrowing && new GrowingFile(temporary);
  try {
    makeFolder(dirname(temporary));
    const file = await open(temporary, 'wx', 0o600);
    const hash = hashFor(stream, expected);
    let size: number;
    try {
      if (growing !== undefined) onGrowing?.(growing);
      const onWritten = (count: number) => growing?.grow(count);
      size = await append(stream, file, hash, { ...options, onWritten, limit: expected?.size });
      growing?.end();
      await file.sync();
    } finally {
      await file.close();
    }
    return await settle(temporary, { size, hash, growing }, options);
  } catch (error) {
    growing?.end({ error });
    stream.destroy();
    await rm(temporary, { force: true }).catch(() => {});
    throw explainWriteError(error, dirname(temporary), options.size ?? expected?.size);
  } finally {
    kept.forget();
  }
}

export interface DownloadOptions extends Omit<IngestOptions, 'temporary' | 'expected'> {
  /** Keeps what has come so far, also for later runs. Nobody else may write to it meanwhile. */
  readonly partial: string;
}

/**
 * Like {@link ingest} for a blob that can be read from any byte on: goes on from what an earlier try has left in
 * `partial`, and leaves there what it got when it breaks off.
 */
export async function download(
  blob: Blob & { readonly openAt: NonNullable<Blob['openAt']> },
  options: DownloadOptions,
): Promise<void> {
  const { partial, signal, onBytes, onGrowing } = options;
  const expected = blob.descriptor;
  const growing = onGrowing && new GrowingFile(partial);
  try {
    makeFolder(dirname(partial));
    const file = await open(partial, 'a', 0o600);
    let hash: Hash | undefined = createHash(algorithmOf(expected));
    let size = 0;
    try {
      if ((await file.stat()).size > expected.size) await file.truncate(0);
      for await (const chunk of createReadStream(partial, { highWaterMark: 256 * 1024 })) {
        hash?.update(chunk as Buffer);
        size += (chunk as Buffer).length;
      }
      onBytes?.(size);
      growing?.grow(size);
      if (growing !== undefined) onGrowing?.(growing);
      if (size < expected.size) {
        const stream = size === 0 ? await blob.open({ signal }) : await blob.openAt(size, { signal });
        if (size === 0) hash = hashFor(stream, expected);
        const onWritten = (count: number) => growing?.grow(count);
        size += await append(stream, file, hash, { ...options, onWritten, limit: expected.size - size });
      }
      growing?.end();
      await file.sync();
    } finally {
      await file.close();
    }
    await settle(partial, { size, hash, growing }, { ...options, expected });
  } catch (error) {
    growing?.end({ error });
    // What is wrong, and what has no room, is of no use to a later try; the rest is.
    const explained = explainWriteError(error, dirname(partial), expected.size);
    if (isMismatch(error) || explained !== error) await rm(partial, { force: true }).catch(() => {});
    throw explained;
  }
}

/** For content that is not hashed by the stream it comes from. */
function hashFor(stream: Readable, expected: Expected | undefined): Hash | undefined {
  return expected !== undefined && verifies(stream, expected) ? undefined : createHash(algorithmOf(expected));
}

function algorithmOf(expected: Expected | undefined): string {
  return expected === undefined ? 'sha256' : digestAlgorithm(expected.digest);
}

interface AppendOptions extends Pick<IngestOptions, 'signal' | 'onBytes'> {
  readonly onWritten?: ((count: number) => void) | undefined;
  /** Bytes; more are an error. */
  readonly limit: number | undefined;
}

/** Appends a stream to a file and a hash; gives its size in bytes. */
async function append(
  stream: Readable,
  file: FileHandle,
  hash: Hash | undefined,
  { signal, onBytes, onWritten, limit }: AppendOptions,
): Promise<number> {
  let size = 0;
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (limit !== undefined && size > limit)
      throw new OcislimError('OCISLIM_SIZE_MISMATCH', 'more bytes than its descriptor says');
    hash?.update(bytes);
    onBytes?.(bytes.length);
    writeAll(file.fd, bytes);
    onWritten?.(bytes.length);
  }
  signal?.throwIfAborted();
  return size;
}

/** What a file came to; what was not hashed here is what was expected. */
interface Written {
  readonly size: number;
  readonly hash: Hash | undefined;
  readonly growing: GrowingFile | undefined;
}

/** Checks what a finished file holds, and moves it to its place. */
async function settle(
  path: string,
  { size, hash, growing }: Written,
  { expected, place }: Pick<IngestOptions, 'expected' | 'place'>,
): Promise<Expected> {
  const hashed = hash && (`${algorithmOf(expected)}:${hash.digest('hex')}` as Digest);
  const digest = hashed ?? expected?.digest;
  if (digest === undefined) throw new OcislimError('OCISLIM_INTERNAL', `${path}: nobody knows its digest`);
  if (expected !== undefined) requireExpected({ digest, size }, expected);
  const final = await place(digest);
  makeFolder(dirname(final));
  chmodSync(path, 0o444);
  renameSync(path, final);
  growing?.moved(final);
  await syncFolder(dirname(final));
  return { digest, size };
}

function requireExpected(actual: Expected, expected: Expected): void {
  if (actual.size !== expected.size) {
    throw new OcislimError(
      'OCISLIM_SIZE_MISMATCH',
      `${expected.digest}: ${actual.size} bytes, expected ${expected.size}`,
    );
  }
  if (actual.digest !== expected.digest) {
    throw new OcislimError(
      'OCISLIM_DIGEST_MISMATCH',
      `${expected.digest}: content has digest ${actual.digest}`,
    );
  }
}
