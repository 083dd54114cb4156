import { fstatSync } from 'node:fs';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemPath, textOfBytes } from '../layer/byte-text.ts';
import { type DiskContent, diskContent } from '../lib/disk-content.ts';
import { systemCode } from '../lib/errors.ts';
import {
  changedInput,
  type FileLook,
  type FileMemo,
  type FileStat,
  hashFile,
  lookOf,
  readFileMemo,
  refusalOf,
  stampOf,
  unreadableInput,
  writeFileMemo,
} from '../lib/file-memo.ts';
import { LINK_LIMIT } from '../rootfs/tree.ts';
import type { FileNode, FileTree } from './file-tree.ts';
import type { Ignore } from './ignore.ts';
import { ignoringTree } from './ignoring-tree.ts';

export interface FolderTreeOptions {
  /** How messages name it, e.g. `the build context`. */
  readonly name: string;
  readonly ignore?: Ignore | undefined;
  /** A file that remembers what was read of this folder, so that what has not changed since is not read again. */
  readonly memo?: string | undefined;
  /** Instead of what the disk says, where that depends on who wrote it, as in a Git checkout. */
  readonly modeOf?: ((mode: number, type: FileNode['type']) => number) | undefined;
}

/** A build context on the disk. */
export interface FolderTree extends FileTree {
  /** Writes the memo; for the end of a build. */
  remember(): Promise<void>;
}

/** Digests that a memo holds. */
const MEMO_LIMIT = 500_000;

interface Seen {
  readonly node: FileNode;
  readonly stat: FileStat;
}

/**
 * The files of a folder, all of them root's. What was seen once is not looked at again: a file that changes after that is
 * an error to whoever reads it. Sockets are not there (BuildKit sends none either).
 * @throws through its functions OCISLIM_INPUT_CHANGED, and OCISLIM_INPUT_NOT_FOUND for what this user may not read
 */
export function openFolderTree(folder: string, options: FolderTreeOptions): FolderTree {
  const { name, ignore, memo, modeOf = (mode) => mode } = options;
  const seen = new Map<string, Promise<Seen | undefined>>();
  const digests = new Map<string, Promise<string>>();
  const looks: FileLook[] = [];
  let old: Promise<FileMemo> | undefined;
  const started = BigInt(Date.now()) * 1_000_000n;
  const diskPath = (path: string) => systemPath(join(folder, path));

  const look = (path: string): Promise<Seen | undefined> => {
    const known = seen.get(path) ?? see(diskPath(path), path, modeOf);
    seen.set(path, known);
    return known;
  };
  const seenAs = async (node: FileNode): Promise<Seen> => {
    const known = await look(node.path);
    if (known?.node.type !== 'file') throw changedInput(node.path);
    return known;
  };
  const hashed = async (node: FileNode): Promise<string> => {
    const known = await seenAs(node);
    old ??= readFileMemo(memo);
    const [stamp, content] = (await old).get(node.path) ?? [];
    if (content !== undefined && stamp === stampOf(known.stat)) {
      looks.push(lookOf(node.path, content, known.stat));
      return content;
    }
    const read = await hashFile(diskPath(node.path), node.path);
    if (stampOf(read.stat) !== stampOf(known.stat)) throw changedInput(node.path);
    looks.push(lookOf(node.path, read.content, read.stat));
    return read.content;
  };

  const tree: FileTree = {
    name,
    lookup: async (path, { followLast = true } = {}) => (await walk(path, followLast, look))?.node,
    list: async (path) => {
      const found = await walk(path, true, look);
      return found?.node.type === 'directory' ? namesIn(diskPath(found.node.path), found.node.path) : [];
    },
    open: async (node) => contentOf(diskPath(node.path), node.path, (await seenAs(node)).stat).open(),
    digest: (node) => {
      const known = digests.get(node.path) ?? hashed(node);
      digests.set(node.path, known);
      return known;
    },
  };
  const remember = async () => {
    const before = (await old) ?? new Map();
    // What this build did not ask for may be what the next one does.
    const read = new Set(looks.map((each) => each.name));
    const others = [...before]
      .filter(([path]) => !read.has(path))
      .map(([path, [stamp, content]]) => ({ name: path, stamp, content, changed: 0n }));
    await writeFileMemo(memo, before, [...looks, ...others].slice(0, MEMO_LIMIT), started);
  };
  return { ...(ignore === undefined ? tree : ignoringTree(tree, ignore)), remember };
}

/** Walks as the kernel would with the folder as `/`, one name after another, so that no link leads out of it. */
async function walk(
  path: string,
  followLast: boolean,
  look: (path: string) => Promise<Seen | undefined>,
): Promise<Seen | undefined> {
  const rest = partsOf(path).reverse();
  const trail: string[] = [];
  let links = 0;
  let found = await look('');
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === '..') trail.pop();
    else trail.push(name);
    found = await look(trail.join('/'));
    if (found === undefined) return undefined;
    const { type, linkname = '' } = found.node;
    if (type === 'symlink' && (rest.length > 0 || followLast)) {
      if (++links > LINK_LIMIT) return undefined;
      if (linkname.startsWith('/')) trail.length = 0;
      else trail.pop();
      rest.push(...partsOf(linkname).reverse());
      found = await look(trail.join('/'));
    } else if (type !== 'directory' && rest.length > 0) return undefined;
  }
  return found;
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

async function see(
  full: string | Buffer,
  path: string,
  modeOf: (mode: number, type: FileNode['type']) => number,
): Promise<Seen | undefined> {
  // The context itself may be given as a link.
  const found = await (path === '' ? stat : lstat)(full, { bigint: true }).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(systemCode(error) ?? ''))
      return undefined;
    throw unreadableInput(path, error);
  });
  if (found === undefined || found.isSocket()) return undefined;
  const type = found.isFile()
    ? 'file'
    : found.isDirectory()
      ? 'directory'
      : found.isSymbolicLink()
        ? 'symlink'
        : found.isFIFO()
          ? 'fifo'
          : 'device';
  const target = type === 'symlink' ? await linkTarget(full, path) : undefined;
  const node: FileNode = {
    path,
    type,
    mode: modeOf(Number(found.mode) & 0o7777, type),
    uid: 0,
    gid: 0,
    size: type === 'file' ? Number(found.size) : 0,
    ...(target === undefined ? {} : { linkname: target }),
    ...(type === 'file' && found.nlink > 1n ? { inode: `${found.dev} ${found.ino}` } : {}),
  };
  return { node, stat: found };
}

async function linkTarget(full: string | Buffer, path: string): Promise<string> {
  const bytes = await readlink(full, { encoding: 'buffer' }).catch(() => {
    throw changedInput(path);
  });
  return textOfBytes(bytes.toString('latin1'));
}

async function namesIn(full: string | Buffer, path: string): Promise<readonly string[]> {
  const entries = await readdir(full, { encoding: 'latin1', withFileTypes: true }).catch((error: unknown) => {
    throw systemCode(error) === 'ENOENT' ? changedInput(path) : unreadableInput(path || '.', error);
  });
  const names = entries.filter((entry) => !entry.isSocket()).map((entry) => entry.name);
  return names.sort().map(textOfBytes);
}

function contentOf(full: string | Buffer, path: string, expected: FileStat): DiskContent {
  return diskContent({
    path: full,
    size: Number(expected.size),
    follow: false,
    check: (descriptor) => {
      if (stampOf(fstatSync(descriptor, { bigint: true })) !== stampOf(expected)) throw changedInput(path);
    },
    refusal: (error) => refusalOf(path, error),
  });
}
