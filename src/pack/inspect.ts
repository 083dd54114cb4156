import { Annotation, type ContainerConfig, formatPlatform, parsePlatform } from '#oci-spec-types';
import { imagesOf } from '../image/images-of.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Artifact, Image, Layer } from '../image/model.ts';
import { imageFor } from '../image/select.ts';
import type { Toc } from '../layer/toc.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { familiarReference, parseReference } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';

export interface InspectedLayer {
  readonly digest: string;
  readonly diffId: string;
  readonly mediaType: string;
  /** Bytes as stored and moved. */
  readonly size: number;
  /** Bytes of the files in it; unknown for a layer of a registry, which is not fetched for it. */
  readonly unpackedSize?: number | undefined;
  /** Whether the layer came with the base; `unknown` where the image does not record its base. */
  readonly origin: 'base' | 'app' | 'unknown';
  readonly createdBy?: string | undefined;
}

export interface InspectedImage {
  readonly platform: string;
  readonly digest: string;
  readonly imageId: string;
  readonly created?: string | undefined;
  /** The recorded base, `name@digest`. */
  readonly base?: string | undefined;
  readonly config: ContainerConfig;
  readonly size: number;
  readonly unpackedSize?: number | undefined;
  readonly layers: readonly InspectedLayer[];
}

export interface Inspection {
  readonly name: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly platforms: readonly InspectedImage[];
}

/** `created_by` of the layers that ocislim put there itself, from which the base's are told apart. */
const OWN_STEP = /^ocislim (?:pack|build)\b/;

/**
 * Looks at an image: one of the store where the name is there, else of the registry, or of any other source.
 * Layers that are on this machine are read once for their unpacked size, and remembered.
 */
export async function inspect(
  name: string,
  platform: string | undefined,
  context: Context,
): Promise<{ readonly inspection: Inspection; readonly artifact: Artifact }> {
  return within(name, async () => {
    const { artifact: found, reference } = await openSource(parseLocation(name, { default: 'any' }), context);
    const artifact =
      platform === undefined
        ? found
        : await imageFor(found, parsePlatform(platform), { signal: context.signal });
    const platforms: InspectedImage[] = [];
    for (const image of await imagesOf(artifact, { signal: context.signal }))
      platforms.push(await describe(image, context));
    const { digest, mediaType } = artifact.descriptor;
    return {
      inspection: {
        name: reference === undefined ? name : familiarReference(parseReference(reference)),
        digest,
        mediaType,
        platforms,
      },
      artifact,
    };
  });
}

/** What a layer contains, unless it would have to be fetched from a registry for that. */
async function contentsOf(layer: Layer, { store, signal }: Context): Promise<Toc | undefined> {
  const isRemote = layer.origins !== undefined && layer.link === undefined;
  if (!isRemote) return store.tocs.get(layer, { signal });
  if (!store.has(layer.descriptor.digest)) return store.tocs.known(layer);
  return store.tocs.get(await store.ensure(layer), { signal });
}

/** Where each layer came from, as the history tells it. */
export function layerOrigins(image: Image): readonly Pick<InspectedLayer, 'origin' | 'createdBy'>[] {
  const steps = (image.config.history ?? []).filter((entry) => !entry.empty_layer);
  const matched = steps.length === image.layers.length;
  const packed = matched && steps.some((step) => OWN_STEP.test(step.created_by ?? ''));
  return image.layers.map((_, at) => {
    const createdBy = matched ? steps[at]?.created_by : undefined;
    return { origin: !packed ? 'unknown' : OWN_STEP.test(createdBy ?? '') ? 'app' : 'base', createdBy };
  });
}

async function describe(image: Image, context: Context): Promise<InspectedImage> {
  const origins = layerOrigins(image);
  const layers: InspectedLayer[] = [];
  for (const [at, layer] of image.layers.entries()) {
    const toc = await contentsOf(layer, context);
    layers.push({
      digest: layer.descriptor.digest,
      diffId: layer.diffId,
      mediaType: layer.descriptor.mediaType,
      size: layer.descriptor.size,
      unpackedSize: toc?.contentSize,
      ...(origins[at] ?? { origin: 'unknown' }),
    });
  }
  const annotations = image.manifest.annotations ?? {};
  const baseName = annotations[Annotation.BaseName];
  const baseDigest = annotations[Annotation.BaseDigest];
  return {
    platform: formatPlatform(platformOfConfig(image.config)),
    digest: image.descriptor.digest,
    imageId: image.manifest.config.digest,
    created: image.config.created,
    base:
      baseName === undefined ? baseDigest : baseDigest === undefined ? baseName : `${baseName}@${baseDigest}`,
    config: image.config.config ?? {},
    size: layers.reduce((sum, layer) => sum + layer.size, image.manifest.config.size + image.raw.length),
    unpackedSize: layers.reduce<number | undefined>(
      (sum, { unpackedSize }) =>
        sum === undefined || unpackedSize === undefined ? undefined : sum + unpackedSize,
      0,
    ),
    layers,
  };
}

/** The config as stored. @throws OCISLIM_USAGE for an index, which has none */
export function rawConfigOf(artifact: Artifact): Uint8Array {
  if (artifact.kind === 'image') return artifact.rawConfig;
  throw new OcislimError('OCISLIM_USAGE', 'an index has no configuration of its own', {
    hint: 'choose an image with --platform',
  });
}
