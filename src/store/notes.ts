import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex, sha256 } from '#oci-spec-types';

/** Writes a small file in one step. */
export type WriteSmall = (path: string, bytes: string | Uint8Array) => Promise<void>;

/**
 * What was found out about content and need not be found out again, a file for each digest. Its first line is the
 * digest of the rest: a note that is damaged is no note.
 */
export class Notes {
  readonly #folder: string;
  readonly #write: WriteSmall;

  constructor(folder: string, write: WriteSmall) {
    this.#folder = folder;
    this.#write = write;
  }

  async get(about: Digest): Promise<Buffer | undefined> {
    return this.#read(digestHex(about));
  }

  /** All that there are. */
  async all(): Promise<readonly Buffer[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return names.map((name) => this.#read(name)).filter((note) => note !== undefined);
  }

  #read(name: string): Buffer | undefined {
    const bytes = readIfThere(join(this.#folder, name));
    const end = bytes?.indexOf('\n') ?? -1;
    if (bytes === undefined || end < 0) return undefined;
    const note = bytes.subarray(end + 1);
    return bytes.subarray(0, end).toString() === sha256(note) ? note : undefined;
  }

  async set(about: Digest, note: Uint8Array): Promise<void> {
    const bytes = Buffer.concat([Buffer.from(`${sha256(note)}\n`), note]);
    await this.#write(join(this.#folder, digestHex(about)), bytes);
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
