import { closeSync, openSync, readSync } from 'node:fs';
import type { LocalFile } from '../image/model.ts';
import { chunkRing } from '../lib/chunk-ring.ts';
import { signalled } from '../lib/signalled.ts';
import type { Check } from '../lib/verify.ts';

/** Bytes that are read at once. */
const CHUNK = 256 * 1024;

/** A file that is being written, for those who read it meanwhile: reading may fall behind, and holds up nobody. */
export class GrowingFile implements LocalFile {
  #path: string;
  #size = 0;
  #end: { readonly error?: unknown } | undefined;
  #changed = signalled();

  constructor(path: string) {
    this.#path = path;
  }

  /** It has another path now. */
  moved(path: string): void {
    this.#path = path;
  }

  /** So many bytes more are there. */
  grow(count: number): void {
    this.#size += count;
    this.#tell();
  }

  /** Nothing more will come; with an error: because that went wrong, or all that came is not what it should be. */
  end(end: { readonly error?: unknown } = {}): void {
    if (this.#failed === undefined) this.#end = end;
    this.#tell();
  }

  get #failed(): { readonly error?: unknown } | undefined {
    return this.#end !== undefined && 'error' in this.#end ? this.#end : undefined;
  }

  #tell(): void {
    this.#changed.give();
    this.#changed = signalled();
  }

  open(): number {
    try {
      return openSync(this.#path, 'r');
    } catch (error) {
      // What went wrong is why it is gone.
      throw this.#failed === undefined ? error : this.#failed.error;
    }
  }

  async ready(seen: number): Promise<number> {
    while (this.#size <= seen && this.#end === undefined) await this.#changed.given;
    if (this.#size <= seen && this.#failed !== undefined) throw this.#failed.error;
    return this.#size;
  }
}

/**
 * All the bytes of a file, as they come; a chunk is good until the next is asked for.
 * @param check gets them as well
 * @throws what keeps them from coming, and what is wrong with them
 */
export async function* transientChunks(
  file: LocalFile,
  check?: Check,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const handle = file.open();
  const memory = chunkRing(CHUNK);
  try {
    for (let at = 0, size = await file.ready(0); size > at; ) {
      signal?.throwIfAborted();
      // What was written a moment ago is still in memory.
      const chunk = memory();
      const count = readSync(handle, chunk, 0, Math.min(CHUNK, size - at), at);
      if (count === 0) break;
      at += count;
      check?.take(chunk.subarray(0, count));
      yield chunk.subarray(0, count);
      if (at === size) size = await file.ready(at);
    }
    check?.end();
  } finally {
    closeSync(handle);
  }
}
