import { Readable } from 'node:stream';
import { OcislimError } from '../lib/errors.ts';
import { Tree } from '../rootfs/tree.ts';
import { openTarStream } from './archive-content.ts';
import { unpackTar } from './copy-archive.ts';
import { CopyTarget, folderOf, type Planned } from './copy-target.ts';
import type { FileNode, FileTree } from './file-tree.ts';
import type { Ignore } from './ignore.ts';
import { ignoringTree } from './ignoring-tree.ts';
import { digestOf } from './layer-tree.ts';

export interface TarTreeOptions {
  /** How messages name it. */
  readonly name: string;
  readonly ignore?: Ignore | undefined;
  /** Gives the path of a file, not made yet, for the archive without compression; who gives it removes it. */
  readonly temporaryFile: () => Promise<string>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The files of a tar, as of a build context on standard input: gzip, bzip2, xz and zstd are known by their content. All
 * are root's, and no name or link leads out of it.
 * @throws OCISLIM_ARCHIVE_INVALID for what is no tar, is damaged, or holds more than files, folders and links
 */
export async function openTarTree(stream: Readable, options: TarTreeOptions): Promise<FileTree> {
  const { name, ignore, temporaryFile, signal } = options;
  const tar = await openTarStream(stream, name);
  if (tar === undefined) throw new OcislimError('OCISLIM_ARCHIVE_INVALID', `${name}: not a tar`);
  const owner = { uid: 0, gid: 0 };
  const target = new CopyTarget(new Tree(), { mode: 0o755, ...owner });
  await unpackTar(tar, name, '', { target, owner, temporaryFile, signal });
  const tree = treeOfTarget(name, target);
  return ignore === undefined ? tree : ignoringTree(tree, ignore);
}

const ROOT: Planned = { type: 'directory', mode: 0o755, uid: 0, gid: 0 };

function treeOfTarget(name: string, target: CopyTarget): FileTree {
  const names = new Map<string, string[]>([['', []]]);
  for (const [path, { type }] of target.all()) {
    if (type === 'directory' && !names.has(path)) names.set(path, []);
    const above = names.get(folderOf(path)) ?? [];
    names.set(folderOf(path), above);
    above.push(path.slice(path.lastIndexOf('/') + 1));
  }
  const nodeAt = (path: string): FileNode | undefined => {
    const planned = path === '' ? ROOT : target.planned(path);
    if (planned === undefined) return undefined;
    const { open: _, ...node } = planned;
    return { ...node, path, size: planned.size ?? 0 };
  };
  const open = async (node: FileNode) => {
    const content = await target.planned(node.path)?.open?.();
    return content ?? Readable.from([]);
  };
  const lookup: FileTree['lookup'] = async (path, { followLast = true } = {}) => {
    const real = resolved(target, path, followLast);
    return real === undefined ? undefined : nodeAt(real);
  };
  return {
    name,
    lookup,
    list: async (path) => {
      const node = await lookup(path);
      return node?.type === 'directory' ? [...(names.get(node.path) ?? [])].sort() : [];
    },
    open,
    digest: (node) => digestOf(open(node)),
  };
}

/** A circle of links leads nowhere, as in other trees. */
function resolved(target: CopyTarget, path: string, followLast: boolean): string | undefined {
  try {
    return target.resolve(path, { followLast });
  } catch {
    return undefined;
  }
}
