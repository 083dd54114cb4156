import { openSync } from 'node:fs';
import type { LocalFile } from '../image/model.ts';
import { signalled } from '../lib/signalled.ts';

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
