import pMap from 'p-map';
import type { Image, Layer, LocalFile } from '../image/model.ts';
import { atOnce } from '../lib/at-once.ts';
import { signalled } from '../lib/signalled.ts';
import { isWrongContent } from '../lib/verify.ts';
import type { EnsureRootOptions, Root } from '../store/roots.ts';
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

/** The layers of an image, in the store: fetched where they are not there yet. */
export function layersInStore(
  { layers }: Pick<Image, 'layers'>,
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

/**
 * The layers of an image in the store, and the root that they make. Large layers are unpacked while they come, others as soon
 * as they are there.
 * @throws what the layers' source throws, and `Roots.ensure`
 */
export async function unpackedInStore(
  { layers }: Pick<Image, 'layers'>,
  context: Context,
  options: Omit<EnsureRootOptions, 'signal' | 'progress'> = {},
): Promise<{ readonly root: Root; readonly layers: readonly Layer[] }> {
  const { store, progress } = context;
  const [stored, root] = await atOnce(context.signal, (signal) => {
    const begun = layers.map(() => signalled());
    const there = layers.map(() => signalled());
    const growing: LocalFile[] = [];
    const all = layersInStore(
      { layers },
      { ...context, signal },
      {
        onGrowing: (at, file) => {
          growing[at] = file;
          begun[at]?.give();
        },
        onStored: (at) => {
          begun[at]?.give();
          there[at]?.give();
        },
      },
    );
    const coming = layers.map((layer, at): Layer => {
      const open: Layer['open'] = async (more) => {
        await Promise.race([there[at]?.given, all]);
        return store.open(layer.descriptor, more);
      };
      const file = async () => {
        await Promise.race([begun[at]?.given, all]);
        return growing[at] ?? store.file(layer.descriptor);
      };
      return { ...layer, open, file };
    });
    const unpack = (from: readonly Layer[]) => store.roots.ensure(from, { ...options, signal, progress });
    // What comes wrong is fetched again, and then unpacked again.
    const unpacked = unpack(coming).catch(async (error: unknown) => {
      if (isWrongContent(error)) return unpack(await all);
      throw error;
    });
    return [all, unpacked];
  });
  return { root, layers: stored };
}
