import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { type Digest, digestAlgorithm } from '#oci-spec-types';
import { explainWriteError, removeOnInterrupt } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Expected } from '../lib/verify.ts';

export interface IngestOptions {
  readonly temporaryFolder: string;
  /** The final path of content with this digest. */
  readonly place: (digest: Digest) => string;
  readonly expected?: Expected | undefined;
  readonly onBytes?: ((count: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a stream to a temporary file while hashing it, and moves it to its place once it is complete and on disk.
 * Content that is there already is replaced by the same content: a rename, never a half-written file.
 * @throws OCISLIM_DIGEST_MISMATCH | OCISLIM_SIZE_MISMATCH when it is not what was expected,
 *   OCISLIM_DISK_FULL | OCISLIM_NOT_WRITABLE
 */
export async function ingest(stream: Readable, options: IngestOptions): Promise<Expected> {
  const { expected, signal } = options;
  const temporary = join(options.temporaryFolder, randomBytes(12).toString('hex'));
  const kept = removeOnInterrupt(temporary);
  try {
    await mkdir(options.temporaryFolder, { recursive: true });
    const file = await open(temporary, 'wx', 0o600);
    const algorithm = expected === undefined ? 'sha256' : digestAlgorithm(expected.digest);
    const hash = createHash(algorithm);
    let size = 0;
    try {
      for await (const chunk of stream) {
        signal?.throwIfAborted();
        const bytes = chunk as Buffer;
        size += bytes.length;
        hash.update(bytes);
        options.onBytes?.(bytes.length);
        for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    const digest = `${algorithm}:${hash.digest('hex')}` as Digest;
    if (expected !== undefined) requireExpected({ digest, size }, expected);
    const path = options.place(digest);
    await mkdir(dirname(path), { recursive: true });
    await chmod(temporary, 0o444);
    await rename(temporary, path);
    return { digest, size };
  } catch (error) {
    stream.destroy();
    await rm(temporary, { force: true }).catch(() => {});
    throw explainWriteError(error, options.temporaryFolder);
  } finally {
    kept.forget();
  }
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
