/** Media types of OCI image-spec 1.1 (media-types.md) and of Docker's image manifest v2, schema 2. */
export const MediaType = {
  Index: 'application/vnd.oci.image.index.v1+json',
  Manifest: 'application/vnd.oci.image.manifest.v1+json',
  Config: 'application/vnd.oci.image.config.v1+json',
  Empty: 'application/vnd.oci.empty.v1+json',
  Layer: 'application/vnd.oci.image.layer.v1.tar',
  LayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  LayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  LayerNondistributable: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  LayerNondistributableGzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  LayerNondistributableZstd: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  DockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  DockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  DockerManifestSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  DockerManifestSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  DockerConfig: 'application/vnd.docker.container.image.v1+json',
  DockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  DockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  DockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  DockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  DockerForeignLayerGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
} as const;

/** How a layer's tar is compressed. */
export type Compression = 'gzip' | 'zstd' | 'none';

/** Docker's layer and config media types, and what OCI calls the same bytes. */
const OCI_OF_DOCKER: Readonly<Record<string, string>> = {
  [MediaType.DockerConfig]: MediaType.Config,
  [MediaType.DockerLayer]: MediaType.Layer,
  [MediaType.DockerLayerGzip]: MediaType.LayerGzip,
  [MediaType.DockerLayerZstd]: MediaType.LayerZstd,
  [MediaType.DockerForeignLayer]: MediaType.LayerNondistributable,
  [MediaType.DockerForeignLayerGzip]: MediaType.LayerNondistributableGzip,
};

const NONDISTRIBUTABLE = new Set<string>([
  MediaType.LayerNondistributable,
  MediaType.LayerNondistributableGzip,
  MediaType.LayerNondistributableZstd,
  MediaType.DockerForeignLayer,
  MediaType.DockerForeignLayerGzip,
]);

/** The OCI name of a Docker media type; any other type unchanged. The bytes, and so the digest, are the same. */
export function toOciMediaType(mediaType: string): string {
  return OCI_OF_DOCKER[mediaType] ?? mediaType;
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === MediaType.Index || mediaType === MediaType.DockerManifestList;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === MediaType.Manifest || mediaType === MediaType.DockerManifest;
}

export function isImageConfigType(mediaType: string): boolean {
  return mediaType === MediaType.Config || mediaType === MediaType.DockerConfig;
}

/** Layers that may be pulled but must not be pushed (image-spec layer.md § Non-Distributable Layers). */
export function isNondistributable(mediaType: string): boolean {
  return NONDISTRIBUTABLE.has(mediaType);
}

export function layerMediaType(compression: Compression): string {
  return { gzip: MediaType.LayerGzip, zstd: MediaType.LayerZstd, none: MediaType.Layer }[compression];
}
