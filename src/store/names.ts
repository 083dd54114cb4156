import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Descriptor, decodeDescriptor, digestHex, parseJson, sha256 } from '#oci-spec-types';
import { explainWriteError } from '../lib/atomic-file.ts';
import { systemCode } from '../lib/errors.ts';
import type { WriteSmall } from './notes.ts';

export interface NamedDescriptor {
  readonly name: string;
  readonly descriptor: Descriptor;
}

/**
 * Names for descriptors, one file each: two processes that set different names never lose one another's, and a
 * name changes in one rename. Names are opaque here; callers use fully qualified references.
 */
export class Names {
  readonly #folder: string;
  readonly #write: WriteSmall;

  constructor(folder: string, write: WriteSmall) {
    this.#folder = folder;
    this.#write = write;
  }

  async get(name: string): Promise<Descriptor | undefined> {
    return readName(this.#path(name))?.descriptor;
  }

  async set(name: string, descriptor: Descriptor): Promise<void> {
    const { mediaType, digest, size } = descriptor;
    const path = this.#path(name);
    const text = `${JSON.stringify({ name, descriptor: { mediaType, digest, size } })}\n`;
    // To wait for the disk takes longer than to look.
    if (!holds(path, text)) await this.#write(path, text);
  }

  /** Returns whether the name was there. */
  async remove(name: string): Promise<boolean> {
    const path = this.#path(name);
    const present = (await this.get(name)) !== undefined;
    await rm(path, { force: true }).catch((error: unknown) => {
      throw explainWriteError(error, path);
    });
    return present;
  }

  /** All names in alphabetical order; a file that is no name is passed over. */
  async list(): Promise<NamedDescriptor[]> {
    const files = await readdir(this.#folder).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return [];
      throw error;
    });
    return files
      .filter((file) => file.endsWith('.json'))
      .map((file) => readName(join(this.#folder, file)))
      .filter((entry) => entry !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  #path(name: string): string {
    return join(this.#folder, `${digestHex(sha256(name))}.json`);
  }
}

function holds(path: string, text: string): boolean {
  try {
    return readFileSync(path, 'utf8') === text;
  } catch {
    return false;
  }
}

/** Names are small: reading one takes less than the way to another thread and back. */
function readName(path: string): NamedDescriptor | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const value = parseJson(bytes, path);
  if (typeof value !== 'object' || value === null || !('name' in value) || !('descriptor' in value))
    return undefined;
  return { name: String(value.name), descriptor: decodeDescriptor(value.descriptor, path) };
}
