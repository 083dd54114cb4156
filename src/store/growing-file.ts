import { closeSync, openSync, readSync } from 'node:fs';
import type { LocalFile } from '../image/model.ts';
import { signalled } from '../lib/signalled.ts';

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

  /** Nothing more will come; with an error: because that went wrong. */
  end(end: { readonly error?: unknown } = {}): void {
    this.#end ??= end;
    this.#tell();
  }

  #tell(): void {
    this.#changed.give();
    this.#changed = signalled();
  }

  open(): number {
    return openSync(this.#path, 'r');
  }

  async ready(seen: number): Promise<number> {
    while (this.#size <= seen && this.#end === undefined) await this.#changed.given;
    if (this.#size <= seen && this.#end !== undefined && 'error' in this.#end) throw this.#end.error;
    return this.#size;
  }

  /** All its bytes, as they come. @throws what it ended with */
  async *chunks(): AsyncGenerator<Buffer> {
    const file = this.open();
    try {
      for (let at = 0, size = await this.ready(0); size > at; ) {
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
        // What was written a moment ago is still in memory.
        const count = readSync(file, chunk, 0, chunk.length, at);
        at += count;
        yield chunk.subarray(0, count);
        if (at === size) size = await this.ready(at);
      }
    } finally {
      closeSync(file);
    }
  }
}
