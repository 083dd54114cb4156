import type { Layer } from '../image/model.ts';
import { parentOf } from '../layer/clean-path.ts';
import { compressionOf } from '../layer/compression.ts';
import type { TarMember } from '../layer/tar-reader.ts';
import type { Toc } from '../layer/toc.ts';
import type { Unkept } from '../rootfs/attributes.ts';
import { mergeTocs, type Tree, WHITEOUT } from '../rootfs/tree.ts';
import { OVER_LIMIT } from '../sandbox/overlay.ts';
import { type Ownership, overName, rootName } from '../store/roots.ts';
import type { Context } from '../transports/context.ts';

/** A root, and folders in the form of overlayfs that lie over it. */
export interface Stack {
  readonly root: string;
  /** The lowest first. */
  readonly over: readonly string[];
  /** What in all of it is not as the layers say. */
  readonly unkept: readonly Unkept[];
}

/**
 * The root of layers as a stack: what was unpacked or kept before is used, further layers that only add are unpacked for
 * themselves, and only where that will not do the layers are unpacked into one root.
 * @param tocs of the layers
 * @throws what the store's roots throw
 */
export async function ensureStack(
  layers: readonly Layer[],
  tocs: readonly Toc[],
  ownership: Ownership,
  { store, signal, progress }: Context,
): Promise<Stack> {
  for (const { diffId } of layers) await store.pins.pin(diffId);
  const lower = lowerTrees(tocs);
  const height = await rootHeight(layers, tocs, lower, ownership, store.roots);
  const options = { signal, progress, ownership };
  const base = await store.roots.ensure(layers.slice(0, height), options);
  const over: string[] = [];
  let unkept = base.owners;
  for (let at = height; at < layers.length; at++) {
    const [layer, toc] = [layers[at], tocs[at]];
    if (layer === undefined || toc === undefined) break;
    const below = layers.slice(0, at + 1);
    const found = await store.roots.obtain(
      overName(below, ownership),
      below,
      layer.descriptor.size,
      async (folder, more) => {
        const { unpackAlone } = await import('../rootfs/unpack.ts');
        return unpackAlone(layer, folder, impliedIn(toc, tocs.slice(0, at), lower(at)), more);
      },
      options,
    );
    over.push(found.path);
    const listed = new Set(toc.members.map(({ path }) => path));
    unkept = [...unkept.filter(({ path }) => !listed.has(path)), ...found.owners];
  }
  return { root: base.path, over, unkept };
}

/** What the lowest so many layers have; merging a large base takes long, and mostly the same are asked for again. */
type LowerTrees = (count: number) => Tree;

function lowerTrees(tocs: readonly Toc[]): LowerTrees {
  const trees = new Map<number, Tree>();
  return (count) => {
    const tree = trees.get(count) ?? mergeTocs(tocs.slice(0, count));
    trees.set(count, tree);
    return tree;
  };
}

/** How many of the layers go into one root. */
async function rootHeight(
  layers: readonly Layer[],
  tocs: readonly Toc[],
  lower: LowerTrees,
  ownership: Ownership,
  roots: Context['store']['roots'],
): Promise<number> {
  const lowest = heightOfBase(layers);
  for (let at = layers.length; at > lowest; at--) {
    if (layers.length - at === OVER_LIMIT) return layers.length;
    const below = layers.slice(0, at);
    if ((await roots.known(rootName(below, ownership))) !== undefined) return at;
    if ((await roots.known(overName(below, ownership))) !== undefined) continue;
    const toc = tocs[at - 1];
    if (toc === undefined || !onlyAdds(toc, lower(at - 1))) return at;
  }
  return lowest;
}

/** How many of the layers came with a base, which are compressed; builds make others. */
export function heightOfBase(layers: readonly Layer[]): number {
  const isBuilt = ({ descriptor }: Layer) => compressionOf(descriptor.mediaType) === 'none';
  return layers.findLastIndex((layer) => !isBuilt(layer)) + 1;
}

/**
 * Whether a layer unpacked by itself is in the form of overlayfs: it hides nothing, no path in it leads through a link, and
 * nothing in it looks like a whiteout, which there is a device.
 */
export function onlyAdds({ members }: Pick<Toc, 'members'>, lower: Tree): boolean {
  const own = new Map(members.map((member) => [member.path, member]));
  const folders = new Set(['']);
  const isFolder = (path: string): boolean => {
    if (folders.has(path)) return true;
    if (!isFolder(parentOf(path))) return false;
    const type = own.get(path)?.type ?? lower.lookup(path, { followLast: false })?.type ?? 'directory';
    if (type === 'directory') folders.add(path);
    return type === 'directory';
  };
  return members.every(({ path, type, linkname = '' }) => {
    if (path.slice(path.lastIndexOf('/') + 1).startsWith(WHITEOUT) || type === 'device') return false;
    return isFolder(parentOf(path)) && (type !== 'hardlink' || own.has(linkname));
  });
}

/** Folders that a layer has something in but does not list, as the layers below have them. */
export function impliedIn(
  { members }: Pick<Toc, 'members'>,
  lower: readonly Toc[],
  tree: Tree = mergeTocs(lower),
): readonly TarMember[] {
  const listed = new Set(members.map(({ path }) => path));
  const missing = new Set<string>(['']);
  for (const { path } of members)
    for (let at = parentOf(path); at !== '' && !missing.has(at); at = parentOf(at)) missing.add(at);
  const times = new Map<string, number>();
  for (const toc of lower)
    for (const { path, type, mtime } of toc.members)
      if (type === 'directory' && missing.has(path)) times.set(path, mtime);
  const implied: TarMember[] = [];
  for (const path of [...missing].sort()) {
    const node = tree.lookup(path, { followLast: false });
    if (listed.has(path) || node?.type !== 'directory') continue;
    const { uid, gid, mode } = node;
    implied.push({
      path,
      type: 'directory',
      mode,
      uid,
      gid,
      mtime: times.get(path) ?? 0,
      size: 0,
      offset: 0,
    });
  }
  return implied;
}
