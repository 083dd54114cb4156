import type { Artifact, Image, OpenOptions } from './model.ts';

/** The images of an artifact; attestations and other members that are no images are left out. */
export async function imagesOf(artifact: Artifact, options: OpenOptions = {}): Promise<Image[]> {
  switch (artifact.kind) {
    case 'image':
      return artifact.config.os === 'unknown' ? [] : [artifact];
    case 'opaque':
      return [];
    case 'index': {
      const images: Image[] = [];
      for (const member of artifact.index.manifests) {
        if (member.platform?.os === 'unknown') continue;
        images.push(...(await imagesOf(await artifact.member(member, options), options)));
      }
      return images;
    }
  }
}
