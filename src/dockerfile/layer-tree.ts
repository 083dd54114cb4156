import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Tree } from '../rootfs/tree.ts';
import type { FileNode, FileTree } from './file-tree.ts';

export interface LayerTreeOptions {
  /** How messages name it. */
  readonly name: string;
  /** What the whole is known by, such as its layers. */
  readonly identity?: string | undefined;
  /** The layers merged. */
  readonly tree: Tree;
  /** Opens the content of a file by its real path. */
  readonly open: (node: FileNode) => Promise<Readable>;
}

/** The files of a stage or an image. */
export function treeOfLayers({ name, identity, tree, open }: LayerTreeOptions): FileTree {
  const digests = new Map<string, Promise<string>>();
  return {
    name,
    identity,
    lookup: async (path, options) => {
      const node = tree.lookup(path, options);
      if (node === undefined) return undefined;
      const { facts: _, ...plain } = node;
      const { type, layer, offset } = node;
      // Names of one file have one content.
      return type === 'file' && offset !== undefined ? { ...plain, inode: `${layer} ${offset}` } : plain;
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
