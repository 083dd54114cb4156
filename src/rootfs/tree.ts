import { cleanPath, parentOf } from '../layer/clean-path.ts';
import type { FileFacts } from '../layer/facts.ts';
import type { Toc, TocMember } from '../layer/toc.ts';

/** A file, folder or link of the merged file system. */
export interface Node {
  /** Where it really is, e.g. `usr/bin/sh` for `/bin/sh` where `/bin` is a link to `usr/bin`. */
  readonly path: string;
  readonly type: TocMember['type'];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Target of a symlink, as written. */
  readonly linkname?: string | undefined;
  readonly facts?: FileFacts | undefined;
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined;
  /** Which layer has its content, counted from the base up, and where in that layer's tar it begins, in bytes. */
  readonly layer?: number | undefined;
  readonly offset?: number | undefined;
}

export interface LookupOptions {
  /** Whether a link at the very end is followed; default true. */
  readonly followLast?: boolean;
}

/** Links that one path may lead through, as in Linux. */
export const LINK_LIMIT = 40;

export const WHITEOUT = '.wh.';
export const OPAQUE = '.wh..wh..opq';

interface Branch {
  node: Omit<Node, 'path'>;
  /** Only a folder has any. */
  readonly children: Map<string, Branch>;
}

/** Most of an image are files; a map for each would take more than all else that is known of them. */
const NOTHING: Branch['children'] = new Map();

const IMPLIED_FOLDER = { type: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0 } as const;

/** The file tree that a container sees: layers merged in order, whiteouts applied (image-spec layer.md). */
export class Tree {
  readonly #root: Branch = newFolder();
  #layers = 0;

  /**
   * What is at a path, walked as the kernel would inside the image: links are followed, absolute ones from the image's
   * root, and `..` stops there.
   * @returns undefined where there is nothing, or only a link to nothing
   */
  lookup(path: string, { followLast = true }: LookupOptions = {}): Node | undefined {
    const found = this.#walk(path, followLast);
    return found?.branch && { ...found.branch.node, path: found.parts.join('/') };
  }

  /**
   * Where a new entry of the folder `path` would go: the real path with links followed, and how many of its leading
   * parts exist. A part that is not there, and what follows it, is taken as written.
   */
  resolveFolder(path: string): { readonly path: string; readonly existing: number } {
    const parts = cleanPath(path).split('/').filter(Boolean);
    for (let known = parts.length; known >= 0; known--) {
      const found = this.#walk(parts.slice(0, known).join('/'), true);
      if (found?.branch === undefined) continue;
      return { path: [...found.parts, ...parts.slice(known)].join('/'), existing: found.parts.length };
    }
    return { path: parts.join('/'), existing: 0 };
  }

  /** The names in a folder, sorted; none where there is no folder. */
  list(path: string): readonly string[] {
    return [...(this.#walk(path, true)?.branch?.children.keys() ?? [])].sort();
  }

  /** Everything there is, folders before what is in them; links are not followed. */
  *all(): Generator<Node> {
    const queue: { readonly path: string; readonly branch: Branch }[] = [{ path: '', branch: this.#root }];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      if (next.path !== '') yield { ...next.branch.node, path: next.path };
      for (const [name, branch] of next.branch.children)
        queue.push({ path: next.path === '' ? name : `${next.path}/${name}`, branch });
    }
  }

  #walk(path: string, followLast: boolean): { parts: string[]; branch: Branch | undefined } | undefined {
    let rest = path.split('/').filter((part) => part !== '' && part !== '.');
    let trail: { name: string; branch: Branch }[] = [];
    let links = 0;
    while (rest.length > 0) {
      const [name = '', ...after] = rest;
      rest = after;
      if (name === '..') {
        trail.pop();
        continue;
      }
      const branch = (trail.at(-1)?.branch ?? this.#root).children.get(name);
      if (branch === undefined) return undefined;
      const { type, linkname = '' } = branch.node;
      if (type === 'symlink' && (rest.length > 0 || followLast)) {
        if (++links > LINK_LIMIT) return undefined;
        if (linkname.startsWith('/')) trail = [];
        rest = [...linkname.split('/').filter((part) => part !== '' && part !== '.'), ...rest];
        continue;
      }
      trail.push({ name, branch });
    }
    return { parts: trail.map(({ name }) => name), branch: trail.at(-1)?.branch ?? this.#root };
  }

  /** Lays a layer over what is there. Its members do not go through links: they replace them. */
  apply(toc: Pick<Toc, 'members'>): void {
    const added = new Set<Branch>();
    // Members of a folder mostly follow one another.
    let folder: { readonly path: string; readonly branch: Branch } | undefined;
    for (const member of toc.members) {
      const path = parentOf(member.path);
      const name = member.path.slice(path === '' ? 0 : path.length + 1);
      if (name === '') {
        if (member.type === 'directory') this.#root.node = nodeOf(member, this.#layers);
      } else if (name.startsWith(WHITEOUT)) {
        this.#hide(path, name, added);
        folder = undefined;
      } else {
        if (folder?.path !== path) folder = { path, branch: this.#makeFolder(path, added) };
        if (this.#put(member, name, folder.branch, added)) folder = undefined;
      }
    }
    this.#layers++;
  }

  #makeFolder(path: string, added: Set<Branch>): Branch {
    let folder = this.#root;
    for (const part of partsOf(path)) {
      let child = folder.children.get(part);
      if (child === undefined || child.node.type !== 'directory') {
        child = newFolder();
        folder.children.set(part, child);
      }
      added.add(child);
      folder = child;
    }
    return folder;
  }

  /** Returns whether something else is gone for it. */
  #put(member: TocMember, name: string, folder: Branch, added: Set<Branch>): boolean {
    const before = folder.children.get(name);
    const isFolder = member.type === 'directory' && before?.node.type === 'directory';
    const node = member.type === 'hardlink' ? this.#target(member) : nodeOf(member, this.#layers);
    let branch: Branch;
    if (isFolder) {
      before.node = node;
      branch = before;
    } else branch = { node, children: node.type === 'directory' ? new Map() : NOTHING };
    folder.children.set(name, branch);
    added.add(branch);
    return before !== undefined && !isFolder;
  }

  #hide(path: string, name: string, added: ReadonlySet<Branch>): void {
    const folder = this.#find(partsOf(path));
    if (folder === undefined) return;
    if (name === OPAQUE) prune(folder, added);
    else if (!name.startsWith(`${WHITEOUT}${WHITEOUT}`)) hide(folder, name.slice(WHITEOUT.length), added);
  }

  #find(parts: readonly string[]): Branch | undefined {
    let branch: Branch | undefined = this.#root;
    for (const part of parts) branch = branch?.children.get(part);
    return branch;
  }

  /** A hard link is the file it names; one that names nothing stays what it says. */
  #target(member: TocMember): Branch['node'] {
    return this.#find(partsOf(member.linkname ?? ''))?.node ?? nodeOf(member, this.#layers);
  }
}

/** An opaque whiteout hides what lower layers put into a folder, wherever in its own layer it stands. */
function prune(folder: Branch, added: ReadonlySet<Branch>): void {
  for (const name of folder.children.keys()) hide(folder, name, added);
}

/** Files of the whiteout's own layer stay (image-spec layer.md § Whiteouts). */
function hide(folder: Branch, name: string, added: ReadonlySet<Branch>): void {
  const child = folder.children.get(name);
  if (child !== undefined && added.has(child)) prune(child, added);
  else folder.children.delete(name);
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter(Boolean);
}

function newFolder(): Branch {
  return { node: IMPLIED_FOLDER, children: new Map() };
}

function nodeOf(member: TocMember, layer: number): Branch['node'] {
  const { type, mode, uid, gid, size, linkname, facts, xattrs, offset } = member;
  return { type, mode, uid, gid, size, linkname, facts, xattrs, layer, offset };
}

/** The merged tree of layers, from the base up. */
export function mergeTocs(tocs: readonly Toc[]): Tree {
  const tree = new Tree();
  for (const toc of tocs) tree.apply(toc);
  return tree;
}
