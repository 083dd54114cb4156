import type { Image } from '../image/model.ts';
import type { Base } from './base.ts';

/** What an image says of the image that it is built on, where a registry names that. */
export function baseAnnotations(
  base: Pick<Base, 'reference'>,
  image: Image | undefined,
): Record<string, string> {
  if (base.reference === undefined || image === undefined) return {};
  return {
    'org.opencontainers.image.base.name': base.reference,
    'org.opencontainers.image.base.digest': image.descriptor.digest,
  };
}
