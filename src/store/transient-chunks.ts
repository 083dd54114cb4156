import { closeSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { LocalFile } from '../image/model.ts';
import type { Check } from '../lib/verify.ts';

/** Bytes that are read at once. */
const CHUNK = 256 * 1024;
/** Chunks that have memory: the one that is used, what a stream holds ready, and what is read meanwhile; and one to spare. */
const CHUNKS = 4;
/** Chunks after which the event loop has its turn: nothing here waits, and who takes them may not either. */
const TURN = 16;

/**
 * All the bytes of a file, as they come; a chunk is good until the next is asked for, also through a stream that holds one
 * ready. Their memory is used again: what is allocated for each piles up faster than it is collected.
 * @param check gets them as well
 * @throws what keeps them from coming, and what is wrong with them
 */
export async function* transientChunks(
  file: LocalFile,
  check?: Check,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const handle = file.open();
  const memory = Buffer.allocUnsafeSlow(CHUNKS * CHUNK);
  try {
    for (let at = 0, number = 0, size = await file.ready(0); size > at; number++) {
      if (number % TURN === TURN - 1) await setImmediate();
      signal?.throwIfAborted();
      // What was written a moment ago is still in memory.
      const from = (number % CHUNKS) * CHUNK;
      const count = readSync(handle, memory, from, Math.min(CHUNK, size - at), at);
      if (count === 0) break;
      at += count;
      const chunk = memory.subarray(from, from + count);
      check?.take(chunk);
      yield chunk;
      if (at === size) size = await file.ready(at);
    }
    check?.end();
  } finally {
    closeSync(handle);
  }
}
