import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layer } from '../image/model.ts';
import type { Unkept } from '../rootfs/attributes.ts';
import { copyTree } from '../sandbox/view.ts';
import { rootName } from '../store/roots.ts';
import type { Context } from '../transports/context.ts';
import { heightOfBase } from './stack.ts';

/**
 * The root of layers as a copy that may be written to: that of the longest part of the layers which is unpacked already,
 * or else the base's, with the further layers laid over it.
 * @param place a folder to make it in, not there yet
 */
export async function openCopy(
  layers: readonly Layer[],
  place: string,
  { store, signal, progress }: Context,
): Promise<{ readonly root: string; readonly unkept: readonly Unkept[] }> {
  for (const { diffId } of layers) await store.pins.pin(diffId);
  let height = layers.length;
  const isKnown = async () => (await store.roots.known(rootName(layers.slice(0, height)))) !== undefined;
  while (height > heightOfBase(layers) && !(await isKnown())) height--;
  const known = await store.roots.ensure(layers.slice(0, height), { signal, progress });
  await mkdir(place, { mode: 0o700 });
  const root = join(place, 'root');
  await copyTree(known.path, root);
  if (height === layers.length) return { root, unkept: known.owners };
  const { unpackOver } = await import('../rootfs/unpack.ts');
  return { root, ...(await unpackOver(layers.slice(height), root, known.owners, { signal })) };
}
