import { type Annotations, encodeIndex, formatPlatform, MediaType, sha256 } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';
import { platformOfConfig } from './load.ts';
import type { Image, Index } from './model.ts';

/**
 * Joins images, each for a platform of its own, in the order given (image-spec image-index.md).
 * @throws OCISLIM_USAGE when two are for one platform, of which only the first would ever be chosen
 */
export function indexOf(
  images: readonly Image[],
  { annotations }: { readonly annotations: Annotations },
): Index {
  const seen = new Set<string>();
  const manifests = images.map(({ descriptor, config }) => {
    const name = formatPlatform(platformOfConfig(config));
    if (seen.has(name)) throw new OcislimError('OCISLIM_USAGE', `two images are for ${name}`);
    seen.add(name);
    const { mediaType, digest, size } = descriptor;
    const platform = {
      ...platformOfConfig(config),
      'os.version': config['os.version'],
      'os.features': config['os.features'],
    };
    return { mediaType, digest, size, platform };
  });
  const index = {
    schemaVersion: 2,
    mediaType: MediaType.Index,
    manifests,
    annotations: Object.keys(annotations).length > 0 ? annotations : undefined,
  } as const;
  const raw = encodeIndex(index);
  return {
    kind: 'index',
    descriptor: { mediaType: MediaType.Index, digest: sha256(raw), size: raw.length },
    raw,
    index,
    member: async ({ digest }) => {
      const image = images.find(({ descriptor }) => descriptor.digest === digest);
      if (image === undefined) throw new OcislimError('OCISLIM_INTERNAL', `index: ${digest} is no member`);
      return image;
    },
  };
}
