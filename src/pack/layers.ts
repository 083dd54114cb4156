import pMap from 'p-map';
import type { Layer, LocalFile } from '../image/model.ts';
import { atOnce } from '../lib/at-once.ts';
import { signalled } from '../lib/signalled.ts';
import { isWrongContent } from '../lib/verify.ts';
import type { EnsureRootOptions, Root } from '../store/roots.ts';
import type { Store } from '../store/store.ts';
import type { Context } from '../transports/context.ts';

/** Layers that are fetched at once. */
const CONCURRENCY = 4;

/** Called with the place of a layer among the others. */
interface Arrivals {
  /** While it is fetched. */
  readonly onGrowing?: (at: number, file: LocalFile) => void;
  /** Once it is there. */
  readonly onStored?: (at: number) => void;
}

/** Layers in the store, found right: fetched where they are not there yet, or damaged. */
export function layersInStore(
  layers: readonly Layer[],
  context: Context,
  { onGrowing = () => {}, onStored = () => {} }: Arrivals = {},
): Promise<Layer[]> {
  const { store, signal, progress } = context;
  const fetch = async (layer: Layer, at: number) => {
    const options = { signal, progress, onGrowing: (file: LocalFile) => onGrowing(at, file) };
    const stored = await store.ensure(layer, options);
    onStored(at);
    return stored;
  };
  return pMap(layers, fetch, { concurrency: CONCURRENCY, signal });
}

/** The same, but what is there is checked only as it is read, since often few of them are. */
export function layersAtHand(
  layers: readonly Layer[],
  { store, signal, progress }: Context,
): Promise<Layer[]> {
  const atHand = async (layer: Layer): Promise<Layer> => {
    const { descriptor } = layer;
    await store.pins.pin(descriptor.digest);
    if (!store.has(descriptor.digest)) return store.ensure(layer, { signal, progress });
    return { ...layer, open: (options) => store.open(descriptor, options) };
  };
  return pMap(layers, atHand, { concurrency: CONCURRENCY, signal });
}

/**
 * Layers in the store, and the root that they make. Large ones are unpacked while they come, others as soon as they are there.
 * @throws what the layers' source throws, and `Roots.ensure`
 */
export async function unpackedInStore(
  layers: readonly Layer[],
  context: Context,
  options: Omit<EnsureRootOptions, 'signal' | 'progress'> = {},
): Promise<{ readonly root: Root; readonly layers: readonly Layer[] }> {
  const { store, progress } = context;
  const [stored, root] = await atOnce(context.signal, (signal) => {
    const coming = layers.map((layer) => comingTo(store, layer));
    const all = layersInStore(
      layers,
      { ...context, signal },
      {
        onGrowing: (at, file) => coming[at]?.grows(file),
        onStored: (at) => coming[at]?.isStored(),
      },
    );
    const unpack = (from: readonly Layer[]) => store.roots.ensure(from, { ...options, signal, progress });
    // What comes wrong is fetched again, and then unpacked again.
    const unpacked = unpack(coming.map(({ readable }) => readable(all))).catch(async (error: unknown) => {
      if (isWrongContent(error)) return unpack(await all);
      throw error;
    });
    return [all, unpacked];
  });
  return { root, layers: stored };
}

/** A layer that can be read before it is in the store. */
interface Coming {
  grows(file: LocalFile): void;
  isStored(): void;
  /** @param all settles when nothing more comes; fails as the layer does */
  readable(all: Promise<unknown>): Layer;
}

function comingTo(store: Store, layer: Layer): Coming {
  const begun = signalled();
  const there = signalled();
  let growing: LocalFile | undefined;
  return {
    grows: (file) => {
      growing = file;
      begun.give();
    },
    isStored: () => {
      begun.give();
      there.give();
    },
    readable: (all) => ({
      ...layer,
      open: async (options) => {
        await Promise.race([there.given, all]);
        return store.open(layer.descriptor, options);
      },
      file: async () => {
        await Promise.race([begun.given, all]);
        return growing ?? store.file(layer.descriptor);
      },
    }),
  };
}
