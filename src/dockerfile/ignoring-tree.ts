import { cleanPath } from '../layer/clean-path.ts';
import type { FileTree } from './file-tree.ts';
import type { Ignore } from './ignore.ts';

/** A tree without what is ignored. A folder that is ignored is there where something in it is not. */
export function ignoringTree(tree: FileTree, ignore: Ignore): FileTree {
  const kept = new Map<string, Promise<boolean>>();

  const isVisible = async (path: string, isFolder: boolean): Promise<boolean> => {
    if (path === '' || !ignore.ignores(path)) return true;
    return isFolder && ignore.mayHaveKept(path) && hasKept(path);
  };
  const hasKept = (folder: string): Promise<boolean> => {
    const known = kept.get(folder) ?? list(folder).then((names) => names.length > 0);
    kept.set(folder, known);
    return known;
  };
  const lookup: FileTree['lookup'] = async (path, options) => {
    const node = await tree.lookup(path, options);
    if (node === undefined) return undefined;
    const isFolder = node.type === 'directory';
    // The links on the way must be there as well.
    for (const each of new Set([cleanPath(path), node.path]))
      if (!(await isVisible(each, isFolder))) return undefined;
    return node;
  };
  const list: FileTree['list'] = async (path) => {
    const folder = await tree.lookup(path);
    if (folder?.type !== 'directory') return [];
    const visible = [];
    for (const name of await tree.list(folder.path)) {
      const full = folder.path === '' ? name : `${folder.path}/${name}`;
      if (ignore.ignores(full)) {
        if (!ignore.mayHaveKept(full)) continue;
        const node = await tree.lookup(full, { followLast: false });
        if (node === undefined || !(await isVisible(full, node.type === 'directory'))) continue;
      }
      visible.push(name);
    }
    return visible;
  };
  return {
    ...tree,
    lookup,
    list,
    isLeftOut: async (path) =>
      (await tree.lookup(path, { followLast: false })) !== undefined &&
      (await lookup(path, { followLast: false })) === undefined,
  };
}
