import {
  type Annotations,
  type Descriptor,
  encodeManifest,
  type Manifest,
  MediaType,
  sha256,
} from '#oci-spec-types';
import { memoryBlob } from './blob.ts';
import type { Opaque } from './model.ts';

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
