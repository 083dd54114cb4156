import pMap from 'p-map';
import type { Image, Layer } from '../image/model.ts';
import { atOnce } from '../lib/at-once.ts';
import type { EnsureRootOptions, Root } from '../store/roots.ts';
import type { Context } from '../transports/context.ts';

/** Layers that are fetched at once. */
const CONCURRENCY = 4;

/** The layers of an image, in the store: fetched where they are not there yet. */
export function layersInStore(
  { layers }: Pick<Image, 'layers'>,
  context: Context,
  /** Called with the place of each that is there. */
  onStored: (at: number) => void = () => {},
): Promise<Layer[]> {
  const { store, signal, progress } = context;
  const fetch = async (layer: Layer, at: number) => {
    const stored = await store.ensure(layer, { signal, progress });
    onStored(at);
    return stored;
  };
  return pMap(layers, fetch, { concurrency: CONCURRENCY, signal });
}

/**
 * The layers of an image in the store, and the root that they make. A layer is unpacked as soon as it is there, while those
 * above it are on their way.
 * @throws what the layers' source throws, and `Roots.ensure`
 */
export async function unpackedInStore(
  { layers }: Pick<Image, 'layers'>,
  context: Context,
  options: Omit<EnsureRootOptions, 'signal' | 'progress'> = {},
): Promise<{ readonly root: Root; readonly layers: readonly Layer[] }> {
  const { store, progress } = context;
  const [stored, root] = await atOnce(context.signal, (signal) => {
    const arrivals = layers.map(() => signalled());
    const all = layersInStore({ layers }, { ...context, signal }, (at) => arrivals[at]?.give());
    const coming = layers.map((layer, at): Layer => {
      const open: Layer['open'] = async (more) => {
        await Promise.race([arrivals[at]?.given, all]);
        return store.open(layer.descriptor, more);
      };
      return { ...layer, open };
    });
    return [all, store.roots.ensure(coming, { ...options, signal, progress })];
  });
  return { root, layers: stored };
}

function signalled(): { readonly given: Promise<void>; give(): void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}
