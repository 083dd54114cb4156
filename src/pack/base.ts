import type { Digest, Platform } from '#oci-spec-types';
import type { Artifact, Image } from '../image/model.ts';
import { buildImage } from '../image/mutate.ts';
import { imageFor } from '../image/select.ts';
import { within } from '../lib/errors.ts';
import { isoTime } from '../lib/time.ts';
import type { Context } from '../transports/context.ts';
import { parseLocation } from '../transports/location.ts';
import { openPinned } from '../transports/pinned.ts';
import { staticBaseEntries } from '../transports/static/files.ts';
import { storeLayer } from './assemble.ts';
import { layersInStore } from './layers.ts';

/** A base as the user named it, ready to give an image for each platform. */
export interface Base {
  /** As given: `alpine`, `static`, `oci:dir`. */
  readonly name: string;
  /** Fully qualified, for `org.opencontainers.image.base.name`; only for images that a registry names. */
  readonly reference?: string | undefined;
  /** What the name meant in this run; every platform comes from this one digest. */
  readonly digest?: Digest | undefined;
  /** The image for a platform; undefined for `scratch`. */
  image(platform: Platform): Promise<Image | undefined>;
}

/**
 * Resolves a base once, so that a tag which moves meanwhile cannot give two platforms of one image different bases.
 * @throws what the source throws, prefixed with the base's name; OCISLIM_PLATFORM_UNAVAILABLE from `image`
 */
export async function openBase(name: string, context: Context, created: number): Promise<Base> {
  if (name === 'scratch') return { name, image: async () => undefined };
  if (name === 'static') return { name, image: (platform) => staticBase(platform, context, created) };
  return within(`base ${name}`, async () => {
    const { artifact, reference } = await openPinned(name, {}, context);
    return {
      name,
      reference: parseLocation(name).transport === 'docker' ? reference : undefined,
      digest: artifact.descriptor.digest,
      image: (platform) => within(`base ${name}`, () => baseImage(artifact, platform, context)),
    };
  });
}

/** Whether a base is an image that is somewhere, not one that ocislim has itself. */
export function isImage(base: string): boolean {
  return base !== 'static' && base !== 'scratch';
}

async function baseImage(artifact: Artifact, platform: Platform, context: Context): Promise<Image> {
  const image = await imageFor(artifact, platform, { signal: context.signal });
  const { store } = context;
  // With its documents in the store, --offline finds the whole base there.
  await store.putBytes(image.raw, image.descriptor.digest);
  await store.putBytes(image.rawConfig, image.manifest.config.digest);
  return { ...image, layers: await layersInStore(image.layers, context) };
}

/** The embedded base: the same layer for every platform, from files that ship with ocislim. */
async function staticBase(platform: Platform, context: Context, created: number): Promise<Image> {
  const layer = await storeLayer(staticBaseEntries(created), { kind: 'gzip' }, context);
  return buildImage({
    layers: [layer],
    platform,
    created: isoTime(created),
    createdBy: 'ocislim static base',
    config: {
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
      },
      workdir: '/',
    },
    annotations: {},
  });
}
