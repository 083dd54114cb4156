import type { Readable } from 'node:stream';
import {
  type Descriptor,
  type Digest,
  DOCUMENT_LIMIT,
  decodeConfig,
  decodeIndex,
  decodeManifest,
  isImageConfigType,
  isIndexType,
  isManifestType,
  type Platform,
  platform,
} from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';
import { readVerified } from '../lib/verify.ts';
import type { Artifact, Blob, BlobOrigin, Image, Index, Layer, Opaque, OpenOptions } from './model.ts';

/** Content-addressed storage seen as a source: a layout, an archive, the store, a repository. */
export interface BlobSource {
  /** Opens content by descriptor, verified when read to its end. @throws OCISLIM_BLOB_UNKNOWN | OCISLIM_NOT_FOUND */
  open(descriptor: Descriptor, options?: OpenOptions): Promise<Readable>;
  /** The content from `offset` on, not verified. */
  openAt?(descriptor: Descriptor, offset: number, options?: OpenOptions): Promise<Readable>;
  /** Puts the content at `path` without copying it; false where that cannot be done. */
  link?(descriptor: Descriptor, path: string): Promise<boolean>;
  /** Where a registry is known to hold this content. */
  origins?(digest: Digest): readonly BlobOrigin[];
  /** How messages name the source, e.g. `oci:dist`. */
  readonly name: string;
}

/** How deep indexes may nest before the document is refused. */
const INDEX_DEPTH_LIMIT = 4;

export interface LoadOptions extends OpenOptions {
  readonly depth?: number;
  /** Manifests are opaque whatever their configuration is: they are carried, and nobody asks what is in them. */
  readonly opaque?: boolean;
}

/**
 * Reads the artifact that `descriptor` points at: the document and, for an image, its config; layers stay unread.
 * @throws OCISLIM_DOCUMENT_INVALID, or what the source throws.
 */
export async function loadArtifact(
  source: BlobSource,
  descriptor: Descriptor,
  options: LoadOptions = {},
): Promise<Artifact> {
  const depth = options.depth ?? 0;
  const raw = await readDocument(source, descriptor, options);
  const what = `${source.name}: ${descriptor.digest}`;
  if (isIndexType(descriptor.mediaType)) {
    if (depth >= INDEX_DEPTH_LIMIT) {
      throw new OcislimError(
        'OCISLIM_DOCUMENT_INVALID',
        `${what}: indexes nested deeper than ${INDEX_DEPTH_LIMIT}`,
      );
    }
    return indexFrom(source, descriptor, raw, { depth: depth + 1, opaque: options.opaque ?? false });
  }
  if (!isManifestType(descriptor.mediaType)) {
    throw new OcislimError('OCISLIM_DOCUMENT_INVALID', `${what}: not a manifest but ${descriptor.mediaType}`);
  }
  const manifest = decodeManifest(raw, what);
  agree(manifest.mediaType, descriptor.mediaType, what);
  const layersAreTars = manifest.layers.every((layer) => !layer.mediaType.includes('in-toto'));
  if (options.opaque || !isImageConfigType(manifest.config.mediaType) || !layersAreTars) {
    const blobs = [manifest.config, ...manifest.layers].map((member) => blobOf(source, member));
    return { kind: 'opaque', descriptor, raw, manifest, blobs } satisfies Opaque;
  }
  const rawConfig = await readDocument(source, manifest.config, options);
  const config = decodeConfig(rawConfig, `${what}: config`);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new OcislimError(
      'OCISLIM_DOCUMENT_INVALID',
      `${what}: ${manifest.layers.length} layers but ${config.rootfs.diff_ids.length} diff_ids`,
    );
  }
  const layers = manifest.layers.map((layer, at): Layer => {
    return { ...blobOf(source, layer), diffId: config.rootfs.diff_ids[at] as Digest };
  });
  const withPlatform = { ...descriptor, platform: descriptor.platform ?? platformOfConfig(config) };
  return {
    kind: 'image',
    descriptor: withPlatform,
    raw,
    manifest,
    config,
    rawConfig,
    layers,
  } satisfies Image;
}

function indexFrom(
  source: BlobSource,
  descriptor: Descriptor,
  raw: Uint8Array,
  below: Pick<LoadOptions, 'depth' | 'opaque'>,
): Index {
  const what = `${source.name}: ${descriptor.digest}`;
  const index = decodeIndex(raw, what);
  agree(index.mediaType, descriptor.mediaType, what);
  return {
    kind: 'index',
    descriptor,
    raw,
    index,
    member: (member, options) => loadArtifact(source, member, { ...options, ...below }),
  };
}

/** A blob whose bytes are in `source`. */
function blobOf(source: BlobSource, descriptor: Descriptor): Blob {
  return {
    descriptor,
    open: (options) => source.open(descriptor, options),
    openAt: source.openAt?.bind(source, descriptor),
    link: source.link?.bind(source, descriptor),
    origins: source.origins?.(descriptor.digest),
  };
}

export function platformOfConfig(config: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}): Platform {
  return platform(config.os, config.architecture, config.variant);
}

async function readDocument(
  source: BlobSource,
  descriptor: Descriptor,
  options: OpenOptions,
): Promise<Buffer> {
  if (descriptor.size > DOCUMENT_LIMIT) {
    throw new OcislimError(
      'OCISLIM_DOCUMENT_INVALID',
      `${source.name}: ${descriptor.digest}: claims ${descriptor.size} bytes, more than a document may have`,
    );
  }
  return readVerified(await source.open(descriptor, options), descriptor);
}

function agree(claimed: string | undefined, expected: string, what: string): void {
  if (claimed !== undefined && claimed !== expected) {
    throw new OcislimError(
      'OCISLIM_DOCUMENT_INVALID',
      `${what}: says it is ${claimed}, was announced as ${expected}`,
    );
  }
}
