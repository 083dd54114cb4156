import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { type Descriptor, type Digest, digestAlgorithm, digestHex, shortDigest } from '#oci-spec-types';
import type { BlobSource } from '../image/load.ts';
import type { Blob, BlobOrigin, Layer, OpenOptions } from '../image/model.ts';
import { decodeToc, encodeToc, readToc, type Toc } from '../layer/toc.ts';
import { explainWriteError, writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { type Progress, silent } from '../lib/progress.ts';
import { type Expected, Verifier } from '../lib/verify.ts';
import { ingest } from './ingest.ts';
import { Names } from './names.ts';

/** The layout of the folder that this version reads and writes. */
const FORMAT_VERSION = 1;

export interface EnsureOptions extends OpenOptions {
  readonly progress?: Progress | undefined;
}

export interface PutOptions extends OpenOptions {
  readonly expected?: Expected | undefined;
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * The local content-addressed store, shared by all runs and processes of a user.
 *
 *     version            the format, a number
 *     blobs/sha256/HEX   content, as in an OCI image layout; complete and read-only, or absent
 *     names/             images the user knows by name; one file a name
 *     resolved/          what references of registries meant when last asked, for --offline
 *     tocs/HEX           a layer's table of contents, by diffID
 *     origins/HEX        repositories known to hold a blob, so that it can be mounted
 *     tmp/               unfinished writes
 */
export class Store implements BlobSource {
  readonly name = 'store';
  readonly root: string;
  readonly names: Names;
  readonly resolved: Names;
  readonly #running = new Map<Digest, Promise<void>>();

  private constructor(root: string) {
    this.root = root;
    this.names = new Names(join(root, 'names'));
    this.resolved = new Names(join(root, 'resolved'));
  }

  /**
   * Opens the store at `root`, making it where it is missing.
   * @throws OCISLIM_NOT_WRITABLE, or OCISLIM_CONFIG_INVALID where a newer ocislim wrote it.
   */
  static async open(root: string): Promise<Store> {
    const version = join(root, 'version');
    const written = await readFile(version, 'utf8').catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw explainWriteError(error, root);
    });
    if (written === undefined) await writeBytesAtomically(version, `${FORMAT_VERSION}\n`);
    else if (Number.parseInt(written, 10) > FORMAT_VERSION) {
      throw new OcislimError(
        'OCISLIM_CONFIG_INVALID',
        `store ${root}: written by a newer ocislim (format ${written.trim()}, this one knows ${FORMAT_VERSION})`,
        { hint: 'update ocislim, or use another store with --store' },
      );
    }
    return new Store(root);
  }

  #blobPath(digest: Digest): string {
    return join(this.root, 'blobs', digestAlgorithm(digest), digestHex(digest));
  }

  file(digest: Digest): string | undefined {
    const path = this.#blobPath(digest);
    return existsSync(path) ? path : undefined;
  }

  has(digest: Digest): boolean {
    return this.file(digest) !== undefined;
  }

  async open(descriptor: Descriptor, options: OpenOptions = {}): Promise<Readable> {
    const path = this.#blobPath(descriptor.digest);
    const found = await stat(path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined) {
      throw new OcislimError('OCISLIM_NOT_FOUND', `store: ${descriptor.digest} is not there`, {
        hint: 'pull or pack the image again',
      });
    }
    const verifier = new Verifier(descriptor, path);
    const stream = createReadStream(path, { highWaterMark: 256 * 1024, signal: options.signal });
    pipeline(stream, verifier, () => {
      // The verifier carries the error to whoever reads it.
    });
    return verifier;
  }

  /** Takes in a stream; nothing is visible until all of it is there and, where `expected` is given, is right. */
  async put(stream: Readable, options: PutOptions = {}): Promise<Expected> {
    return ingest(stream, {
      temporaryFolder: join(this.root, 'tmp'),
      place: (digest) => this.#blobPath(digest),
      ...options,
    });
  }

  /** Takes in a small document. */
  async putBytes(bytes: Uint8Array, digest: Digest): Promise<void> {
    if (!this.has(digest)) await writeBytesAtomically(this.#blobPath(digest), bytes, { mode: 0o444 });
  }

  /** A blob's local copy, fetched first where the store has none. One download per digest in this process. */
  async ensure<B extends Blob>(blob: B, options: EnsureOptions = {}): Promise<B> {
    const { digest } = blob.descriptor;
    if (blob.bytes !== undefined) await this.putBytes(blob.bytes, digest);
    if (!this.has(digest)) {
      let running = this.#running.get(digest);
      if (running === undefined) {
        running = this.#fetch(blob, options).finally(() => this.#running.delete(digest));
        this.#running.set(digest, running);
      }
      await running;
    }
    return {
      ...blob,
      file: this.#blobPath(digest),
      origins: blob.origins ?? this.origins(digest),
      open: (open?: OpenOptions) => this.open(blob.descriptor, open),
    };
  }

  async #fetch(blob: Blob, { signal, progress = silent }: EnsureOptions): Promise<void> {
    const { digest, size } = blob.descriptor;
    const task = progress.task(shortDigest(digest), size);
    try {
      const stream = await blob.open({ signal });
      await this.put(stream, { expected: blob.descriptor, signal, onBytes: (count) => task.advance(count) });
      if (blob.origins?.length) await this.#recordOrigins(digest, blob.origins);
      task.done('pulled');
    } catch (error) {
      task.fail();
      throw error;
    }
  }

  async #recordOrigins(digest: Digest, origins: readonly BlobOrigin[]): Promise<void> {
    await writeBytesAtomically(this.#originsPath(digest), JSON.stringify(origins));
  }

  #originsPath(digest: Digest): string {
    return join(this.root, 'origins', digestHex(digest));
  }

  /** Repositories that held the blob when it was fetched; a guess that saves an upload, never a promise. */
  origins(digest: Digest): readonly BlobOrigin[] {
    try {
      const known: unknown = JSON.parse(readFileSync(this.#originsPath(digest), 'utf8'));
      return Array.isArray(known) ? known.filter(isOrigin) : [];
    } catch {
      return [];
    }
  }

  /** What a layer contains, where that is known without reading it. */
  async knownToc(layer: Layer): Promise<Toc | undefined> {
    const known = await readFile(this.#tocPath(layer)).catch(() => undefined);
    return known && decodeToc(known);
  }

  #tocPath({ diffId }: Layer): string {
    return join(this.root, 'tocs', digestHex(diffId));
  }

  /**
   * What a layer contains: read once, from wherever the layer is, and remembered by its diffID.
   * @throws OCISLIM_DIGEST_MISMATCH when the content is not what the image's config says.
   */
  async toc(layer: Layer, options: OpenOptions = {}): Promise<Toc> {
    const known = await this.knownToc(layer);
    if (known !== undefined) return known;
    const { diffId, toc } = await readToc(await layer.open(options), layer.descriptor.mediaType, options);
    if (diffId !== layer.diffId) {
      throw new OcislimError(
        'OCISLIM_DIGEST_MISMATCH',
        `layer ${layer.descriptor.digest}: unpacks to ${diffId}, its image says ${layer.diffId}`,
      );
    }
    await writeBytesAtomically(this.#tocPath(layer), encodeToc(toc));
    return toc;
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
