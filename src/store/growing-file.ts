import { closeSync, openSync, readSync } from 'node:fs';

/** Bytes that are read at once. */
const CHUNK = 256 * 1024;

/** A file that is being written, for whoever reads it meanwhile: reading may fall behind, and holds up nobody. */
export class GrowingFile {
  readonly #path: string;
  #size = 0;
  #end: { readonly error?: unknown } | undefined;
  #changed = () => {};

  constructor(path: string) {
    this.#path = path;
  }

  /** So many bytes more are there. */
  grow(count: number): void {
    this.#size += count;
    this.#changed();
  }

  /** Nothing more will come; with an error: because that went wrong. */
  end(end: { readonly error?: unknown } = {}): void {
    this.#end ??= end;
    this.#changed();
  }

  /** All its bytes, as they come; it may be moved once the first has been asked for. @throws what it ended with */
  async *chunks(): AsyncGenerator<Buffer> {
    const file = openSync(this.#path, 'r');
    try {
      for (let at = 0; ; ) {
        const ready = Math.min(CHUNK, this.#size - at);
        if (ready > 0) {
          const chunk = Buffer.allocUnsafe(ready);
          // What was written a moment ago is still in memory.
          const count = readSync(file, chunk, 0, ready, at);
          at += count;
          yield chunk.subarray(0, count);
        } else if (this.#end === undefined) {
          await new Promise<void>((resolve) => {
            this.#changed = resolve;
          });
        } else if ('error' in this.#end) throw this.#end.error;
        else return;
      }
    } finally {
      closeSync(file);
    }
  }
}
