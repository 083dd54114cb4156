import { type Digest, formatPlatform, layerMediaType } from '#oci-spec-types';
import type { Image, Layer } from '../image/model.ts';
import { buildImage } from '../image/mutate.ts';
import { layerStream } from '../layer/build.ts';
import type { CompressionChoice } from '../layer/compression.ts';
import type { Entry } from '../layer/entry.ts';
import { isoTime } from '../lib/time.ts';
import type { GrowingFile } from '../store/growing-file.ts';
import { transientChunks } from '../store/transient-chunks.ts';
import type { Context } from '../transports/context.ts';
import type { SendAhead } from '../transports/registry.ts';
import type { Base } from './base.ts';
import { baseAnnotations } from './base-annotations.ts';
import { packedBefore } from './packed.ts';
import type { Prepared } from './prepare.ts';
import type { PackRequest } from './request.ts';

/** Base plus the layers of the payload, of which there is one but for some jars. */
export async function assemble(
  { input, image, layers, place, config }: Prepared,
  base: Base,
  request: PackRequest,
  context: Context,
  sendAhead?: SendAhead,
): Promise<Image> {
  const stored: Layer[] = [];
  for (const [at, entries] of layers.entries()) {
    const number = layers.length === 1 ? '' : ` ${at + 1} of ${layers.length}`;
    const label = `layer${number} ${formatPlatform(input.platform)}`;
    stored.push(await storeLayer(entries, request.compression, context, { label, sendAhead }));
  }
  return buildImage({
    base: image,
    layers: stored,
    platform: input.platform,
    created: isoTime(request.created),
    createdBy: `ocislim pack ${place}`,
    config,
    annotations: { ...request.annotations, ...baseAnnotations(base, image) },
  });
}

export interface StoreLayerOptions {
  /** What progress calls it; nothing is shown without one. */
  readonly label?: string | undefined;
  readonly sendAhead?: SendAhead | undefined;
}

/** Bytes of files from which on a layer is sent while it is made: less is sent as soon as it is made. */
const LARGE = 4 * 1024 * 1024;

/** Writes entries as a layer into the store, and describes it. What was packed before is not compressed again. */
export async function storeLayer(
  entries: readonly Entry[],
  compression: CompressionChoice,
  { store, progress, signal }: Context,
  { label, sendAhead }: StoreLayerOptions = {},
): Promise<Layer> {
  const size = entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
  const task = label === undefined ? undefined : progress.task(label, size);
  const onBytes = (count: number) => task?.advance(count);
  try {
    const packed = packedBefore(entries, compression, store);
    const known = await packed.find({ signal, onBytes });
    if (known !== undefined) {
      task?.done('unchanged');
      return known;
    }
    const { stream, result } = layerStream(entries, { compression, signal, onBytes });
    let tell: ((digest: Digest) => void) | undefined;
    const onGrowing = (file: GrowingFile) => {
      tell = sendAhead?.(transientChunks(file));
    };
    const isSent = sendAhead !== undefined && size >= LARGE;
    const stored = await store.put(stream, { signal, size, ...(isSent && { onGrowing }) });
    tell?.(stored.digest);
    task?.done('packed');
    const descriptor = { mediaType: layerMediaType(compression.kind), ...stored };
    const { diffId, head } = result();
    await packed.remember({ diffId, head, descriptor });
    const open: Layer['open'] = (options) => store.open(descriptor, options);
    return await store.ensure({ descriptor, diffId, isNew: sendAhead !== undefined, open });
  } catch (error) {
    task?.fail();
    throw error;
  }
}
