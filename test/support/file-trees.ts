import { Readable } from 'node:stream';
import type { FileNode, FileTree } from '../../src/dockerfile/file-tree.ts';
import { digestOf } from '../../src/dockerfile/layer-tree.ts';
import type { Entry } from '../../src/layer/entry.ts';
import type { TocMember } from '../../src/layer/toc.ts';
import { mergeTocs, type Tree } from '../../src/rootfs/tree.ts';

export type Thing = Partial<Omit<FileNode, 'size' | 'path'>> & { readonly content?: string | Buffer };

/**
 * What is in a tree: a text is a file's content, `-> target` a link, and a path that ends with a slash a folder.
 */
export type Things = Readonly<Record<string, string | Thing>>;

function memberOf([path, thing]: [string, string | Thing]): TocMember & { content: Buffer } {
  const given: Thing =
    typeof thing !== 'string'
      ? thing
      : thing.startsWith('-> ')
        ? { type: 'symlink', linkname: thing.slice(3) }
        : { content: thing };
  const type = path.endsWith('/') ? 'directory' : 'file';
  const { content = '', ...more } = given;
  const bytes = Buffer.from(content);
  const mode = more.type === 'symlink' ? 0o777 : type === 'directory' ? 0o755 : 0o644;
  const text = /^etc\/(passwd|group)$/.test(path) ? { facts: { text: bytes.toString() } } : {};
  return {
    path: path.replace(/\/$/, ''),
    type,
    mode,
    uid: 0,
    gid: 0,
    mtime: 0,
    size: more.type === undefined ? bytes.length : 0,
    ...text,
    ...more,
    content: bytes,
  };
}

/** A merged tree, as an image has it. */
export function imageOf(things: Things): Tree {
  return mergeTocs([
    { tarSize: 0, contentSize: 0, ended: true, members: Object.entries(things).map(memberOf) },
  ]);
}

/** Files to copy from. */
export function treeOf(things: Things, more: Partial<FileTree> = {}): FileTree {
  const members = new Map(Object.entries(things).map((each) => [memberOf(each).path, memberOf(each)]));
  const tree = imageOf(things);
  const open = async (node: FileNode) => Readable.from([members.get(node.path)?.content ?? Buffer.alloc(0)]);
  return {
    name: 'the build context',
    lookup: async (path, options) => {
      const node = tree.lookup(path, options);
      if (node === undefined) return undefined;
      const { inode, xattrs } = (members.get(node.path) ?? {}) as Thing;
      return {
        ...node,
        ...(inode === undefined ? {} : { inode }),
        ...(xattrs === undefined ? {} : { xattrs }),
      };
    },
    list: async (path) => tree.list(path),
    open,
    digest: async (node) => digestOf(open(node)),
    ...more,
  };
}

async function contentOf(entry: Entry): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await entry.open?.()) ?? []) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString();
}

const LETTERS = { file: 'f', directory: 'd', symlink: 'l', hardlink: 'h', fifo: 'p', device: 'n' } as const;

/** Entries as lines, e.g. `f 644 0:0 app/a = text`, `d 755 0:0 app`, `l 0:0 app/l -> a`. */
export async function linesOf(entries: readonly Entry[]): Promise<string[]> {
  const lines = [];
  for (const entry of entries) {
    const { type, mode, uid, gid, path, linkname } = entry;
    const beginning = [
      LETTERS[type],
      ...(type === 'symlink' ? [] : [mode.toString(8)]),
      `${uid}:${gid}`,
      path,
    ];
    const end =
      type === 'file' ? [`= ${await contentOf(entry)}`] : linkname === undefined ? [] : [`-> ${linkname}`];
    lines.push([...beginning, ...end].join(' '));
  }
  return lines;
}
