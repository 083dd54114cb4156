import type { Digest } from '#oci-spec-types';
import type { BlobOrigin } from '../image/model.ts';
import type { Notes } from './notes.ts';

/** Repositories that held a blob when it was fetched; a guess that saves an upload, never a promise. */
export class Origins {
  readonly #notes: Notes;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  async get(digest: Digest): Promise<readonly BlobOrigin[]> {
    const note = await this.#notes.get(digest);
    const known: unknown = note === undefined ? [] : JSON.parse(note.toString());
    return Array.isArray(known) ? known.filter(isOrigin) : [];
  }

  async set(digest: Digest, origins: readonly BlobOrigin[]): Promise<void> {
    await this.#notes.set(digest, Buffer.from(JSON.stringify(origins)));
  }
}

function isOrigin(value: unknown): value is BlobOrigin {
  return (
    typeof value === 'object' &&
    value !== null &&
    'origin' in value &&
    typeof value.origin === 'string' &&
    'repository' in value &&
    typeof value.repository === 'string'
  );
}
