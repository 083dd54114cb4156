import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Toc } from '../layer/toc.ts';
import type { Tree } from '../rootfs/tree.ts';
import { WHITEOUT } from '../rootfs/tree.ts';
import type { FileNode, FileTree } from './file-tree.ts';

export interface LayerTreeOptions {
  /** How messages name it. */
  readonly name: string;
  /** What the whole is known by, such as its layers. */
  readonly identity?: string | undefined;
  /** The layers merged. */
  readonly tree: Tree;
  /** The layers' tables of contents, from the base up, so that hard links stay ones; without them each is a file. */
  readonly tocs?: readonly Pick<Toc, 'members'>[] | undefined;
  /** Opens the content of a file by its real path. */
  readonly open: (node: FileNode) => Promise<Readable>;
}

/** The files of a stage or an image. */
export function treeOfLayers({ name, identity, tree, tocs = [], open }: LayerTreeOptions): FileTree {
  const inodes = inodesOf(tocs);
  const digests = new Map<string, Promise<string>>();
  return {
    name,
    identity,
    lookup: async (path, options) => {
      const node = tree.lookup(path, options);
      if (node === undefined) return undefined;
      const { facts: _, ...plain } = node;
      const inode = inodes.get(node.path);
      return node.type === 'file' && inode !== undefined ? { ...plain, inode } : plain;
    },
    list: async (path) => tree.list(path),
    open,
    digest: (node) => {
      const known = digests.get(node.path) ?? digestOf(open(node));
      digests.set(node.path, known);
      return known;
    },
  };
}

/** sha256 of a stream, in hex. */
export async function digestOf(stream: Readable | Promise<Readable>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of await stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Of files that are linked, by path: those with the same number are one. */
function inodesOf(tocs: readonly Pick<Toc, 'members'>[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const linked = new Set<string>();
  for (const [layer, { members }] of tocs.entries()) {
    for (const { path, type, linkname = '' } of members) {
      const inode = type === 'hardlink' ? files.get(linkname) : `${layer} ${path}`;
      if (inode === undefined || path.slice(path.lastIndexOf('/') + 1).startsWith(WHITEOUT)) continue;
      files.set(path, inode);
      if (type === 'hardlink') linked.add(inode);
    }
  }
  return new Map([...files].filter(([, inode]) => linked.has(inode)));
}
