import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Layer } from '../image/model.ts';
import { systemPath } from '../layer/byte-text.ts';
import { compressionOf } from '../layer/compression.ts';
import type { Toc } from '../layer/toc.ts';
import { OcislimError } from '../lib/errors.ts';
import { layersAtHand } from '../pack/layers.ts';
import { type Node, Tree } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import type { StageState } from './state.ts';

/** The merged contents of a stage's layers, which only ever become more. */
export class StageTree {
  readonly #context: Context;
  readonly #tree = new Tree();
  #count = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * @param layers those of the last call, and perhaps more on top
   * @param learn is called first where it is not known what is in one of them, and may make it known
   */
  of(layers: readonly Layer[], learn?: () => Promise<void>): Promise<Tree> {
    const grown = this.#running.then(() => this.#grow(layers, learn));
    this.#running = grown.catch(() => {});
    return grown;
  }

  async #grow(layers: readonly Layer[], learn: (() => Promise<void>) | undefined): Promise<Tree> {
    const { store } = this.#context;
    let more = learn;
    for (const layer of layers.slice(this.#count)) {
      let known = await store.tocs.known(layer);
      if (known === undefined && more !== undefined) {
        await more();
        more = undefined;
        known = await store.tocs.known(layer);
      }
      this.#tree.apply(known ?? (await this.#read(layer)));
      this.#count++;
    }
    return this.#tree;
  }

  async #read(layer: Layer): Promise<Toc> {
    const { store, signal } = this.#context;
    const [atHand] = await layersAtHand([layer], this.#context);
    return store.tocs.get(atHand ?? layer, { signal });
  }
}

/**
 * Opens a file that the merged tree of a stage's layers has: from its layer where that can be read anywhere, else from
 * where the base is unpacked.
 */
export async function openNode(
  node: Node,
  { layers, base }: Pick<StageState, 'layers' | 'base'>,
  context: Context,
): Promise<Readable> {
  const { store, signal, progress } = context;
  const layer = layers[node.layer ?? -1];
  if (layer === undefined || node.offset === undefined)
    throw new OcislimError('OCISLIM_INTERNAL', `/${node.path}: no layer has its content`);
  if (node.size === 0) return Readable.from([]);
  if (compressionOf(layer.descriptor.mediaType) === 'none' && store.has(layer.descriptor.digest))
    return store.openRange(layer.descriptor, node.offset, node.size);
  const unpacked = await layersAtHand(layers.slice(0, base?.layers.length ?? 0), context);
  const { path: root } = await store.roots.ensure(unpacked, { signal, progress });
  const path = systemPath(join(root, node.path));
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  return file.createReadStream({ signal });
}
