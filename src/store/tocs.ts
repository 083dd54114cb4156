import type { Layer, OpenOptions } from '../image/model.ts';
import { decodeToc, encodeToc, type Toc } from '../layer/toc.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Notes } from './notes.ts';

/** Tables of contents of layers, kept by diffID. */
export class Tocs {
  readonly #notes: Notes;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /** What a layer contains, where that is known without reading it. */
  async known({ diffId }: Layer): Promise<Toc | undefined> {
    const note = await this.#notes.get(diffId);
    return note && decodeToc(note);
  }

  async has(layer: Layer): Promise<boolean> {
    return (await this.known(layer)) !== undefined;
  }

  /** Remembers what a layer contains. */
  async keep({ diffId }: Layer, toc: Toc): Promise<void> {
    await this.#notes.set(diffId, encodeToc(toc)).catch(ignoreReadOnly);
  }

  /**
   * What a layer contains: read once, from wherever the layer is, and remembered.
   * @throws OCISLIM_DIGEST_MISMATCH when the content is not what the image's config says.
   */
  async get(layer: Layer, options: OpenOptions = {}): Promise<Toc> {
    const known = await this.known(layer);
    if (known !== undefined) return known;
    const { readToc } = await import('../layer/read-toc.ts');
    const { diffId, toc } = await readToc(await layer.open(options), layer.descriptor.mediaType, options);
    if (diffId !== layer.diffId) {
      throw new OcislimError(
        'OCISLIM_DIGEST_MISMATCH',
        `layer ${layer.descriptor.digest}: unpacks to ${diffId}, its image says ${layer.diffId}`,
      );
    }
    await this.keep(layer, toc);
    return toc;
  }
}

/** What is only remembered to save work need not be, in a store that may not be written. */
export function ignoreReadOnly(error: unknown): void {
  if (error instanceof OcislimError && error.code === 'OCISLIM_NOT_WRITABLE') return;
  throw error;
}
