import type { Linkage } from '../../src/elf/linkage.ts';
import type { TocMember } from '../../src/layer/toc.ts';
import { Tree } from '../../src/rootfs/tree.ts';

const NOTHING: Linkage = { needed: [], rpath: [], runpath: [], versionsNeeded: {}, versionsDefined: [] };

export function linked(linkage: Partial<Linkage>): Linkage {
  return { ...NOTHING, ...linkage };
}

/** Files by path: a library by its linkage, a text, or (as `-> target`) a link. */
export type Files = Readonly<Record<string, Partial<Linkage> | string>>;

/** The tree of an image with those files. */
export function treeOf(files: Files): Tree {
  const common = { mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 1 };
  const members = Object.entries(files).map(([path, content]): TocMember => {
    if (typeof content !== 'string')
      return { path, type: 'file', ...common, facts: { elf: { linkage: linked(content) } } };
    const [, linkname] = /^-> (.*)$/.exec(content) ?? [];
    if (linkname !== undefined) return { path, type: 'symlink', ...common, linkname };
    return { path, type: 'file', ...common, facts: { text: content } };
  });
  const tree = new Tree();
  tree.apply({ members });
  return tree;
}
