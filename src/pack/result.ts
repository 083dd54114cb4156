import { formatPlatform } from '#oci-spec-types';
import type { Finding } from '../check/finding.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Artifact, Image, Opaque } from '../image/model.ts';
import { familiarReference, type Reference } from '../registry/reference.ts';
import type { Base } from './base.ts';
import type { Delivery } from './deliver.ts';
import type { AttachedDocument, PackedPlatform, PackResult } from './request.ts';

/** What was made, as `--json` and `--metadata-file` show it. */
export function describeResult(made: {
  readonly artifact: Artifact;
  readonly images: readonly Image[];
  /** Layers of each image that are not the base's. */
  readonly appLayers: number;
  readonly references: readonly Reference[];
  readonly base: Omit<Base, 'image'>;
  readonly delivered: readonly Delivery[];
  readonly documents?: readonly Opaque[] | undefined;
  readonly check: readonly Finding[];
}): PackResult {
  const { artifact, images, appLayers, references, base, delivered, documents = [], check } = made;
  const platforms = images.map((image) => describePlatform(image, appLayers));
  const distinct = new Map<string, number>([[artifact.descriptor.digest, artifact.raw.length]]);
  for (const image of images) {
    distinct.set(image.descriptor.digest, image.raw.length);
    for (const member of [image.manifest.config, ...image.manifest.layers])
      distinct.set(member.digest, member.size);
  }
  const names = references.map(familiarReference);
  return {
    name: names[0] ?? '',
    names,
    digest: artifact.descriptor.digest,
    mediaType: artifact.descriptor.mediaType,
    size: [...distinct.values()].reduce((sum, size) => sum + size, 0),
    platforms,
    base: { name: base.reference ?? base.name, digest: base.digest },
    outputs: delivered,
    ...(documents.length === 0 ? {} : { attached: documents.map(describeDocument) }),
    check,
  };
}

function describeDocument({ descriptor, manifest }: Opaque): AttachedDocument {
  return {
    artifactType: manifest.artifactType ?? '',
    digest: descriptor.digest,
    subject: manifest.subject?.digest ?? '',
  };
}

/** One platform's image; `appLayers` of its layers, counted from the top, are not the base's. */
function describePlatform(image: Image, appLayers: number): PackedPlatform {
  const baseLayers = image.layers.length - appLayers;
  return {
    platform: formatPlatform(platformOfConfig(image.config)),
    digest: image.descriptor.digest,
    imageId: image.manifest.config.digest,
    size:
      image.raw.length +
      image.manifest.config.size +
      image.layers.reduce((sum, layer) => sum + layer.descriptor.size, 0),
    layers: image.layers.map(({ descriptor, diffId }, at) => ({
      digest: descriptor.digest,
      diffId,
      mediaType: descriptor.mediaType,
      size: descriptor.size,
      origin: at < baseLayers ? ('base' as const) : ('app' as const),
    })),
  };
}

/** The keys that `docker buildx --metadata-file` writes, for scripts that read those. */
export function buildxMetadata(result: PackResult): Record<string, unknown> {
  const [only, ...others] = result.platforms;
  return {
    'containerimage.digest': result.digest,
    ...(only !== undefined && others.length === 0 ? { 'containerimage.config.digest': only.imageId } : {}),
    'image.name': result.names.join(','),
  };
}
