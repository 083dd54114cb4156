/** Annotation keys ocislim reads or writes (image-spec annotations.md, and what engines agree on). */
export const Annotation = {
  /** The tag or name of an image in `index.json`; nowhere else (image-spec annotations.md). */
  RefName: 'org.opencontainers.image.ref.name',
  Created: 'org.opencontainers.image.created',
  BaseName: 'org.opencontainers.image.base.name',
  BaseDigest: 'org.opencontainers.image.base.digest',
  /** The fully qualified name containerd gives an image that it imports. */
  ContainerdName: 'io.containerd.image.name',
} as const;
