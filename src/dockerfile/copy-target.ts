import type { Readable } from 'node:stream';
import { cleanPath } from '../layer/clean-path.ts';
import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import { parentEntry, parentsOf } from '../rootfs/place.ts';
import { LINK_LIMIT, type Node, type Tree, WHITEOUT } from '../rootfs/tree.ts';

/** What is put at a path. Files with the same `inode` become hard links of each other. */
export interface Planned {
  readonly type: 'file' | 'directory' | 'symlink' | 'fifo';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number | undefined;
  readonly linkname?: string | undefined;
  readonly open?: (() => Promise<Readable>) | undefined;
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined;
  readonly inode?: string | undefined;
}

/** How folders are made that must be there. */
export type FolderLook = Pick<Planned, 'mode' | 'uid' | 'gid'>;

type There = Pick<Node, 'type' | 'mode' | 'uid' | 'gid' | 'linkname'>;

/** An image with what an instruction has put into it so far. Paths are without links, but for those of `resolve`. */
export class CopyTarget {
  readonly #image: Tree;
  readonly #planned = new Map<string, Planned>();
  /** Folders of the image that something else took the place of. */
  readonly #replaced = new Set<string>();
  readonly #made: FolderLook;

  constructor(image: Tree, made: FolderLook) {
    this.#image = image;
    this.#made = made;
  }

  at(path: string): There | undefined {
    const planned = this.#planned.get(path);
    if (planned !== undefined) return planned;
    if (this.#replaced.size > 0 && parentsOf(path).some((parent) => this.#replaced.has(parent)))
      return undefined;
    return this.#image.lookup(path, { followLast: false });
  }

  /** What was put so far. */
  all(): Iterable<[path: string, planned: Planned]> {
    return this.#planned;
  }

  planned(path: string): Planned | undefined {
    return this.#planned.get(path);
  }

  /**
   * Where a path leads, as the kernel would walk it with `root` as `/`: all links are followed, and what is not there is
   * taken as written.
   * @throws OCISLIM_INPUT_INVALID for links that lead in a circle
   */
  resolve(path: string, { root = '', followLast = true } = {}): string {
    const rest = partsOf(path).reverse();
    const trail: string[] = [];
    let links = 0;
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === '..') {
        trail.pop();
        continue;
      }
      trail.push(name);
      if (rest.length === 0 && !followLast) break;
      const there = this.at(join(root, trail.join('/')));
      if (there?.type !== 'symlink') continue;
      if (++links > LINK_LIMIT)
        throw new OcislimError(
          'OCISLIM_INPUT_INVALID',
          `/${path}: more than ${LINK_LIMIT} links in the image`,
        );
      if (there.linkname?.startsWith('/')) trail.length = 0;
      else trail.pop();
      rest.push(...partsOf(there.linkname ?? '').reverse());
    }
    return join(root, trail.join('/'));
  }

  /** Makes a folder with its parents, where they are not there. @throws OCISLIM_INPUT_INVALID where a file is there */
  makeFolder(path: string): void {
    if (path === '') return;
    for (const each of [...parentsOf(path), path]) {
      const there = this.at(each);
      if (there === undefined) this.#planned.set(each, { type: 'directory', ...this.#made });
      else if (there.type !== 'directory') throw noFolder(each, path);
    }
  }

  /** Puts something where nothing is, or a file, or a link. @throws OCISLIM_INPUT_INVALID where a folder is there */
  putLeaf(path: string, leaf: Planned, shown: string): void {
    if (path === '' || this.at(path)?.type === 'directory')
      throw new OcislimError(
        'OCISLIM_INPUT_INVALID',
        `${shown}: /${path} is a folder, a file cannot replace it`,
        {
          hint: `to put it into the folder, end the destination with a slash`,
        },
      );
    this.#planned.set(path, leaf);
  }

  /** As an archive is unpacked: a folder makes room. */
  replace(path: string, leaf: Planned): void {
    if (path === '') return;
    if (this.at(path)?.type === 'directory') {
      if (this.#image.lookup(path, { followLast: false })?.type === 'directory') this.#replaced.add(path);
      for (const each of this.#planned.keys()) if (each.startsWith(`${path}/`)) this.#planned.delete(each);
    }
    this.#planned.set(path, leaf);
  }

  /**
   * A folder with a look of its own: one that is there gets it.
   * @throws OCISLIM_INPUT_INVALID where a file is there, unless it is to be replaced
   */
  putFolder(path: string, folder: Planned, shown: string, { replaces = false } = {}): void {
    const there = this.at(path);
    if (there !== undefined && there.type !== 'directory' && !replaces)
      throw new OcislimError(
        'OCISLIM_INPUT_INVALID',
        `${shown}: /${path} is a file, a folder cannot replace it`,
      );
    if (this.#replaced.has(path))
      throw new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: /${path} is both a file and a folder in it`);
    // The root is no entry of a layer: what it looks like is the base's.
    if (path !== '') this.#planned.set(path, folder);
  }

  /** The entries of a layer, in the order of their paths. @throws OCISLIM_INPUT_INVALID for names that layers cannot have */
  entries(mtime: number): Entry[] {
    const entries = new Map<string, Entry>();
    const firsts = new Map<string, string>();
    for (const [path, planned] of sorted([...this.#planned], ([path]) => path))
      entries.set(path, entryOf(path, planned, mtime, firsts));
    for (const path of [...entries.keys()]) {
      for (const parent of parentsOf(path)) {
        if (entries.has(parent)) continue;
        const needed = parentEntry(parent, this.#image, mtime);
        if (needed !== undefined) entries.set(parent, needed);
      }
    }
    return sorted([...entries.values()], ({ path }) => path);
  }
}

function entryOf(
  path: string,
  { inode, ...planned }: Planned,
  mtime: number,
  firsts: Map<string, string>,
): Entry {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.startsWith(WHITEOUT))
    throw new OcislimError('OCISLIM_INPUT_INVALID', `/${path}: in a layer, a name like this removes files`, {
      hint: `names that begin with ${WHITEOUT} cannot be copied; leave it out with .dockerignore or --exclude`,
    });
  if (planned.uid > ID_LIMIT || planned.gid > ID_LIMIT || planned.uid < 0 || planned.gid < 0)
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `/${path}: its owner ${planned.uid}:${planned.gid} is none`,
      {
        hint: 'give it another owner with --chown',
      },
    );
  const first = inode === undefined || planned.type !== 'file' ? undefined : firsts.get(inode);
  if (first !== undefined) {
    const { mode, uid, gid } = planned;
    return { path, type: 'hardlink', mode, uid, gid, mtime, linkname: first };
  }
  if (inode !== undefined) firsts.set(inode, path);
  return { path, ...planned, mtime };
}

/** Of Linux; the one beyond it means "none" (chown(2)). */
const ID_LIMIT = 2 ** 32 - 2;

/** By path, a folder before what is in it. */
function sorted<T>(items: readonly T[], pathOf: (item: T) => string): T[] {
  const keyed = items.map((item) => ({ item, key: pathOf(item).replaceAll('/', '\0') }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  return keyed.map(({ item }) => item);
}

export function join(folder: string, name: string): string {
  return folder === '' || name === '' ? folder + name : `${folder}/${name}`;
}

/** The folder that a path is in; the root is in itself. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function noFolder(path: string, wanted: string): OcislimError {
  const needed = path === wanted ? '' : `, which /${cleanPath(wanted)} would be in`;
  return new OcislimError('OCISLIM_INPUT_INVALID', `/${path} is a file in the image, not a folder${needed}`, {
    hint: 'choose another destination',
  });
}
