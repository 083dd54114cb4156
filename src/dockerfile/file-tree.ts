import type { Readable } from 'node:stream';
import type { Node } from '../rootfs/tree.ts';

/** Files that COPY and ADD take: of the build context, of another stage, of an image, of an archive. */
export interface FileTree {
  /** How messages name it, e.g. `the build context`, `stage builder`. */
  readonly name: string;
  /**
   * What the whole of it is known by, where that is known without reading it; what is taken from it then need not be
   * read for a cache's key.
   */
  readonly identity?: string | undefined;
  /** What is at a path, walked as the kernel would with this tree as `/`; links lead nowhere out of it. */
  lookup(path: string, options?: { readonly followLast?: boolean }): Promise<FileNode | undefined>;
  /** The names in a folder, sorted by bytes; none where there is no folder. */
  list(path: string): Promise<readonly string[]>;
  /** Whether something is at a path, but left out, as by `.dockerignore`; for messages. */
  isLeftOut?(path: string): Promise<boolean>;
  /** The content of a file that `lookup` gave. */
  open(node: FileNode): Promise<Readable>;
  /** The sha256 of the content, in hex; kept between runs where the file can be told to be the same. */
  digest(node: FileNode): Promise<string>;
}

export interface FileNode extends Omit<Node, 'facts'> {
  /** Extended attributes by name, where they are known. */
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined;
  /** What tells hard links of one file: nodes with the same are one file. */
  readonly inode?: string | undefined;
}
