import type { Readable } from 'node:stream';
import type { Descriptor, Digest, ImageConfig, IndexManifest, Manifest } from '#oci-spec-types';

/**
 * What everything composes on. A base, a packed image, a layout, an archive and a repository of a registry are all
 * made of these, so that every source goes to every sink.
 */

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whoever reads has no use for a chunk once it asks for the next, so that memory may be used again. */
  readonly transient?: boolean | undefined;
}

/** Where in a registry a blob is known to be, so that another repository of that registry can mount it. */
export interface BlobOrigin {
  /** Scheme, host and port, e.g. `https://registry-1.docker.io`. */
  readonly origin: string;
  /** The repository's path in that registry, e.g. `library/alpine`. */
  readonly repository: string;
}

/** Immutable content named by a descriptor. */
export interface Blob {
  readonly descriptor: Descriptor;
  /** The bytes as stored. Whoever reads them to the end has them verified: a wrong digest or size is an error. */
  open(options?: OpenOptions): Promise<Readable>;
  /** The content itself where it is at hand: a config, and other small documents. */
  readonly bytes?: Uint8Array | undefined;
  /**
   * The bytes from `offset` on, not verified; only of what can be read so without reading what comes before. For
   * transfers that go on where they broke off.
   */
  openAt?: ((offset: number, options?: OpenOptions) => Promise<Readable>) | undefined;
  /**
   * Puts exactly these bytes at `path` without copying them, where there is a local file that can be shared.
   * @returns false where that cannot be done; then nothing is at `path`
   */
  link?: ((path: string) => Promise<boolean>) | undefined;
  /** A local file with these bytes, where there is one. */
  file?: (() => Promise<LocalFile>) | undefined;
  readonly origins?: readonly BlobOrigin[] | undefined;
  /** It was made just now, and whoever it is for most likely lacks it: what is new need not be asked for. */
  readonly isNew?: boolean | undefined;
}

/** A local file with the bytes of a blob, not verified; it may be read while it is written. */
export interface LocalFile {
  /** A descriptor for reading, which the caller closes. */
  open(): number;
  /**
   * How many bytes are there, once they are more than those that were seen, or all.
   * @throws what keeps the rest from coming
   */
  ready(seen: number): Promise<number>;
}

/** A blob that is a tar of file system changes (image-spec layer.md). */
export interface Layer extends Blob {
  /** Digest of the tar without compression. */
  readonly diffId: Digest;
}

/** What every artifact has. */
export interface Document {
  /** Of the document's own bytes; `platform` is set where the index it came from, or its config, tells it. */
  readonly descriptor: Descriptor;
  /** The document's bytes, exactly as they were or will be stored: the digest is theirs. */
  readonly raw: Uint8Array;
}

/** A single-platform image: manifest, config and layers. */
export interface Image extends Document {
  readonly kind: 'image';
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly rawConfig: Uint8Array;
  /** From the base up, in the order of `manifest.layers`. */
  readonly layers: readonly Layer[];
}

/** Images for several platforms under one name. */
export interface Index extends Document {
  readonly kind: 'index';
  readonly index: IndexManifest;
  /** One member by its descriptor; members are read only when asked for. */
  member(descriptor: Descriptor, options?: OpenOptions): Promise<Artifact>;
}

/** A manifest that is no image (attestation, chart, signature): copied whole and never interpreted. */
export interface Opaque extends Document {
  readonly kind: 'opaque';
  readonly manifest: Manifest;
  /** Config and layers. */
  readonly blobs: readonly Blob[];
}

export type Artifact = Image | Index | Opaque;
