import { Readable } from 'node:stream';
import { type Descriptor, sha256 } from '#oci-spec-types';
import type { Artifact, Blob } from './model.ts';

/** A blob held in memory: configs, manifests and other small documents. */
export function memoryBlob(bytes: Uint8Array, mediaType: string): Blob {
  const descriptor: Descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
  return { descriptor, bytes, open: async () => Readable.from([Buffer.from(bytes)], { objectMode: false }) };
}

/** The blobs an artifact's own manifest names: config first, then layers. An index names none. */
export function blobsOf(artifact: Artifact): readonly Blob[] {
  switch (artifact.kind) {
    case 'index':
      return [];
    case 'opaque':
      return artifact.blobs;
    case 'image':
      return [memoryBlob(artifact.rawConfig, artifact.manifest.config.mediaType), ...artifact.layers];
  }
}
