import type { Entry } from '../layer/entry.ts';
import { storeLayer } from '../pack/assemble.ts';
import { layersAtHand } from '../pack/layers.ts';
import { tocsOf } from '../pack/prepare.ts';
import { mergeTocs, type Node, type Tree, WHITEOUT } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import { COMMENT } from './configure.ts';
import { openNode } from './stage-tree.ts';
import type { StageState } from './state.ts';

/** All that a stage adds to its base as one layer; what came and went between is in none. */
export async function squash(
  state: StageState,
  tree: Tree,
  created: number,
  context: Context,
): Promise<StageState> {
  const { base, layers, history } = state;
  const count = base?.layers.length ?? 0;
  if (layers.length <= count + 1) return state;
  const below =
    base === undefined
      ? []
      : await tocsOf({ ...base, layers: await layersAtHand(base.layers, context) }, context);
  const open = (node: Node) => () => openNode(node, state, context);
  const entries = [
    ...entriesAbove(tree, count, created, open),
    ...whiteouts(mergeTocs(below), tree, created),
  ];
  const layer = await storeLayer(entries, { kind: 'none' }, context, { label: 'one layer of all' });
  const merged = history.map((entry, at) =>
    at < (base?.config.history ?? []).length ? entry : { ...entry, empty_layer: true },
  );
  return {
    ...state,
    layers: [...layers.slice(0, count), layer],
    history: [...merged, { created_by: 'ocislim build --squash', comment: COMMENT }],
  };
}

/** What layers from `count` on have brought; names of one file stay hard links of each other. */
function entriesAbove(
  tree: Tree,
  count: number,
  created: number,
  open: (node: Node) => Entry['open'],
): readonly Entry[] {
  const first = new Map<string, string>();
  return [...tree.all()]
    .filter(({ layer = -1 }) => layer >= count)
    .map((node): Entry => {
      const { path, type, mode, uid, gid, size, linkname, facts, xattrs, layer, offset } = node;
      const common = { path, mode, uid, gid, mtime: created, xattrs };
      if (type !== 'file') return { ...common, type: type as 'directory', linkname };
      const place = `${layer} ${offset}`;
      const same = size > 0 ? first.get(place) : undefined;
      if (same !== undefined) return { ...common, type: 'hardlink', linkname: same };
      first.set(place, path);
      return { ...common, type, size, facts, open: open(node) };
    });
}

/** What the base has and the tree has not, as the layer says it: the topmost of each. */
function whiteouts(base: Tree, tree: Tree, created: number): readonly Entry[] {
  const entries: Entry[] = [];
  for (const { path } of base.all()) {
    if (tree.lookup(path, { followLast: false }) !== undefined && isReal(tree, path)) continue;
    const at = path.lastIndexOf('/') + 1;
    const folder = path.slice(0, Math.max(at - 1, 0));
    if (tree.lookup(folder, { followLast: false })?.type !== 'directory' || !isReal(tree, folder)) continue;
    const name = `${path.slice(0, at)}${WHITEOUT}${path.slice(at)}`;
    entries.push({ path: name, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: created, size: 0 });
  }
  return entries;
}

/** Whether a path leads through no link. */
function isReal(tree: Tree, path: string): boolean {
  return tree.lookup(path, { followLast: false })?.path === path;
}
