import type { TarMember } from '../layer/tar-reader.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Attributes } from './attributes.ts';
import { LINK_LIMIT } from './tree.ts';

/** What a name in an unpacked root stands for; names that are hard links of each other share one. */
export type Inode = Folder | Leaf;

interface Common {
  /** What is still to be given to it once all layers are unpacked. */
  pending?: Attributes | undefined;
  /** What it should have had and could not be given. */
  unkept?: Attributes | undefined;
}

export interface Folder extends Common {
  readonly type: 'directory';
  readonly names: Map<string, Name>;
  /** Number of the last layer that hid all that lower layers have in it. */
  prunedIn?: number;
}

export interface Leaf extends Common {
  readonly type: Exclude<TarMember['type'], 'directory' | 'hardlink'>;
  /** Of a symlink, as written. */
  readonly target?: string | undefined;
  readonly device?: TarMember['device'];
}

/** An entry of a folder. */
export interface Name {
  readonly inode: Inode;
  /** Number of the layer that was the last to list it, or something in it. */
  layer: number;
}

export function newFolder(): Folder {
  return { type: 'directory', names: new Map() };
}

/**
 * Where a path of the image leads: as the kernel would walk it with the root as `/`, where `..` goes no higher, and with
 * what is not there taken as written. The way is looked up in what was unpacked so far and never on the disk, so that
 * no link can lead out.
 * @returns the names from the root down, none of which is a link
 * @throws OCISLIM_ARCHIVE_INVALID for links that lead in a circle
 */
export function resolve(root: Folder, path: string): readonly string[] {
  const rest = partsOf(path).reverse();
  const trail: { readonly name: string; readonly inode: Inode | undefined }[] = [];
  let links = 0;
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === '..') {
      trail.pop();
      continue;
    }
    const above = trail.length === 0 ? root : trail.at(-1)?.inode;
    const inode = above?.type === 'directory' ? above.names.get(name)?.inode : undefined;
    if (inode?.type !== 'symlink') {
      trail.push({ name, inode });
      continue;
    }
    if (++links > LINK_LIMIT)
      throw new OcislimError(
        'OCISLIM_ARCHIVE_INVALID',
        `${JSON.stringify(path)}: more than ${LINK_LIMIT} links`,
      );
    if (inode.target?.startsWith('/')) trail.length = 0;
    rest.push(...partsOf(inode.target ?? '').reverse());
  }
  return trail.map(({ name }) => name);
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** What is at a path without links. */
export function find(root: Folder, parts: readonly string[]): Inode | undefined {
  let inode: Inode | undefined = root;
  for (const part of parts) inode = inode?.type === 'directory' ? inode.names.get(part)?.inode : undefined;
  return inode;
}

/** Everything below the root with its path, folders before what is in them, in the order of the names. */
export function everything(root: Folder): { readonly path: string; readonly inode: Inode }[] {
  const found: { readonly path: string; readonly inode: Inode }[] = [];
  const left: { readonly path: string; readonly inode: Inode }[] = [{ path: '', inode: root }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    found.push(next);
    if (next.inode.type !== 'directory') continue;
    const names = [...next.inode.names].sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [name, { inode }] of names)
      left.push({ path: next.path === '' ? name : `${next.path}/${name}`, inode });
  }
  return found;
}
