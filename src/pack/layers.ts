import pMap from 'p-map';
import type { Image, Layer } from '../image/model.ts';
import type { Context } from '../transports/context.ts';

/** Layers that are fetched at once. */
const CONCURRENCY = 4;

/** The layers of an image, in the store: fetched where they are not there yet. */
export function layersInStore(
  { layers }: Pick<Image, 'layers'>,
  { store, signal, progress }: Context,
): Promise<Layer[]> {
  return pMap(layers, (layer) => store.ensure(layer, { signal, progress }), {
    concurrency: CONCURRENCY,
    signal,
  });
}
