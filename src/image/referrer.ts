import {
  type Annotations,
  type Descriptor,
  type Digest,
  encodeManifest,
  type Manifest,
  MediaType,
  sha256,
} from '#oci-spec-types';
import { memoryBlob } from './blob.ts';
import type { Artifact, Opaque } from './model.ts';

/** A document about an image: an SBOM, a provenance, a signature. */
export interface ReferrerParts {
  /** The image or index that it is about. */
  readonly subject: Descriptor;
  /** What the document is, e.g. `application/spdx+json`; it is also the media type of the bytes unless `mediaType` is given. */
  readonly artifactType: string;
  readonly payload: Uint8Array;
  readonly mediaType?: string | undefined;
  readonly annotations?: Annotations | undefined;
}

/** The content of an empty config (image-spec manifest.md § Guidance for an Empty Descriptor). */
const EMPTY = Buffer.from('{}');

/**
 * A manifest that carries a document and names the image it is about (image-spec manifest.md § Guidelines for Artifact
 * Usage). The same parts give the same digest.
 */
export function referrerOf(parts: ReferrerParts): Opaque {
  const { subject, artifactType, payload, annotations = {} } = parts;
  const config = memoryBlob(EMPTY, MediaType.Empty);
  const blob = memoryBlob(payload, parts.mediaType ?? artifactType);
  const { mediaType, digest, size } = subject;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    artifactType,
    config: config.descriptor,
    layers: [blob.descriptor],
    subject: { mediaType, digest, size },
    annotations: Object.keys(annotations).length > 0 ? annotations : undefined,
  };
  const raw = encodeManifest(manifest);
  const descriptor: Descriptor = {
    mediaType: MediaType.Manifest,
    digest: sha256(raw),
    size: raw.length,
    artifactType,
  };
  return { kind: 'opaque', descriptor, raw, manifest, blobs: [config, blob] };
}

/** A document that has a tag made of a digest, as cosign calls those about the manifest of that digest. */
export interface TaggedDocument {
  readonly tag: string;
  readonly subject: Digest;
  readonly artifact: Artifact;
}

/** What is kept beside an image, and goes where it goes. */
export interface Companions {
  /** What names the image, a part of it, or another of these as its subject; subjects first. */
  readonly referrers: readonly Artifact[];
  readonly tagged: readonly TaggedDocument[];
}

export const NO_COMPANIONS: Companions = { referrers: [], tagged: [] };

/** What a document says it is about; undefined for most images. */
export function subjectOf(artifact: Artifact): Digest | undefined {
  return (artifact.kind === 'index' ? artifact.index : artifact.manifest).subject?.digest;
}

/**
 * How a document is listed with its subject (distribution-spec § Listing Referrers): a manifest that has no artifact
 * type goes by the media type of its config.
 */
export function listedAs({ descriptor, ...artifact }: Artifact): Descriptor {
  const { mediaType, digest, size } = descriptor;
  const document = artifact.kind === 'index' ? artifact.index : artifact.manifest;
  const type =
    document.artifactType ?? (artifact.kind === 'index' ? undefined : artifact.manifest.config.mediaType);
  return { mediaType, digest, size, artifactType: type, annotations: document.annotations };
}
