import { type Digest, decodeDescriptor, layerMediaType, sha256 } from '#oci-spec-types';
import type { Layer } from '../image/model.ts';
import { COMPRESSORS, type CompressionChoice, compress, compressionOf } from '../layer/compression.ts';
import { layersAtHand } from '../pack/layers.ts';
import type { Context } from '../transports/context.ts';

/** A layer of the store, compressed; one that was so compressed before is not again. */
export async function compressLayer(
  layer: Layer,
  compression: CompressionChoice,
  label: string,
  context: Context,
): Promise<Layer> {
  const { store, signal, progress } = context;
  const { kind, level } = compression;
  if (compressionOf(layer.descriptor.mediaType) !== 'none') return layer;
  if (kind === 'none') return store.ensure(layer, { signal });
  const about = sha256(JSON.stringify([COMPRESSORS, layer.diffId, kind, level ?? null]));
  const known = await knownCompressed(about, layer, store);
  if (known !== undefined) return known;
  const { size } = layer.descriptor;
  const task = progress.task(label, size);
  try {
    const [atHand = layer] = await layersAtHand([layer], context);
    const stream = await atHand.open({ signal });
    stream.on('data', (chunk: Buffer) => task.advance(chunk.length)).pause();
    const stored = await store.put(compress(stream, compression), { signal, size });
    const descriptor = { mediaType: layerMediaType(kind), ...stored };
    await store.compressed.set(about, Buffer.from(JSON.stringify(descriptor)));
    task.done('packed');
    return await store.ensure({ descriptor, diffId: layer.diffId, open: (o) => store.open(descriptor, o) });
  } catch (error) {
    task.fail();
    throw error;
  }
}

async function knownCompressed(
  about: Digest,
  { diffId }: Layer,
  store: Context['store'],
): Promise<Layer | undefined> {
  const note = await store.compressed.get(about);
  if (note === undefined) return undefined;
  const descriptor = decodeDescriptor(JSON.parse(note.toString()));
  await store.pins.pin(descriptor.digest);
  if (!store.has(descriptor.digest)) return undefined;
  return store.ensure({ descriptor, diffId, open: (options) => store.open(descriptor, options) });
}
