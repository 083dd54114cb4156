import { linkSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { systemPath } from '../layer/byte-text.ts';
import { MEMBER_LIMIT, type TarMember } from '../layer/tar-reader.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import {
  finishFile,
  finishLink,
  finishPath,
  IMPLIED,
  isPortable,
  type Unkept,
  unkeptOf,
} from './attributes.ts';
import { everything, type Folder, find, type Inode, type Leaf, newFolder, resolve } from './inodes.ts';
import { makeSpecialFiles, type SpecialFile } from './special-files.ts';
import { OPAQUE, WHITEOUT } from './tree.ts';
import { writeFile } from './write-file.ts';

/** What is beyond is a bomb. */
export interface UnpackLimits {
  /** Bytes of files, over all layers; default 64 GiB. */
  readonly sizeLimit?: number | undefined;
  /** Members, over all layers, with the folders that they imply; default as many as one tar may have. */
  readonly memberLimit?: number | undefined;
}

export interface Unpacked {
  /** What is not as the image says, in the order of the paths. */
  readonly unkept: readonly Unkept[];
  /** Files, folders and links. */
  readonly count: number;
  /** Bytes of all files that were written. */
  readonly size: number;
}

const SIZE_LIMIT = 64 * 2 ** 30;

/** FIFOs and devices, each of which takes a process; the `/dev` of old images has some hundreds. */
const SPECIAL_LIMIT = 10_000;

/** Bytes of a path inside the root; the kernel takes 4095 with what is before it. */
const PATH_LIMIT = 3000;

/** Bytes of a name, in every file system of Linux. */
const NAME_LIMIT = 255;

/** Bytes of a link's target (symlink(7)), and of an extended attribute's value (xattr(7)). */
const TARGET_LIMIT = 4095;
const XATTR_LIMIT = 64 * 1024;

/** Bytes of extended attributes over all layers; they are held in memory until the end. */
const XATTRS_LIMIT = 16 * 2 ** 20;

/** What a hard link names. */
interface Linked {
  readonly inode: Leaf;
  /** A path without links. */
  readonly parts: readonly string[];
}

/**
 * A root folder that is being filled. What is in it is known from what was put there; the disk is never asked. While it
 * is filled all folders are this user's alone, so that they can be written whatever mode the image gives them.
 */
export class UnpackedRoot {
  readonly #folder: string;
  readonly #root: Folder;
  readonly #sizeLimit: number;
  readonly #memberLimit: number;
  #layer = 0;
  #members = 0;
  #size = 0;
  #xattrSize = 0;
  #specialFiles = 0;

  /** @param root what is in the folder already; its folders are to get what is pending for them in the end */
  constructor(
    folder: string,
    { sizeLimit = SIZE_LIMIT, memberLimit = MEMBER_LIMIT }: UnpackLimits,
    root: Folder = { ...newFolder(), pending: IMPLIED },
  ) {
    this.#folder = folder;
    this.#sizeLimit = sizeLimit;
    this.#memberLimit = memberLimit;
    this.#root = root;
  }

  beginLayer(): void {
    this.#layer++;
  }

  async add(member: TarMember, content: AsyncIterable<Uint8Array>): Promise<void> {
    this.#requireBounds(member);
    const slash = member.path.lastIndexOf('/');
    const [above, name] = [member.path.slice(0, Math.max(slash, 0)), member.path.slice(slash + 1)];
    if (name === '') this.#addRoot(member);
    else if (name.startsWith(WHITEOUT)) this.#whiteOut(resolve(this.#root, above), name);
    else await this.#put(resolve(this.#root, above), name, member, content);
  }

  #requireBounds({ path, uid, gid, size, linkname = '' }: TarMember): void {
    this.#count();
    this.#size += size;
    if (this.#size > this.#sizeLimit)
      throw invalid(path, `with it there are more than ${this.#sizeLimit} bytes`);
    if (isLonger(linkname, TARGET_LIMIT)) throw invalid(path, 'the target of the link is too long');
    for (const id of [uid, gid])
      if (!Number.isInteger(id) || id < 0 || id >= 2 ** 32 - 1) throw invalid(path, `no owner can be ${id}`);
  }

  #count(): void {
    if (++this.#members > this.#memberLimit) throw invalid('/', `more than ${this.#memberLimit} members`);
  }

  #addRoot(member: TarMember): void {
    // CVE-2021-29136: a link in the place of the root.
    if (member.type !== 'directory') throw invalid('/', `the root cannot be a ${member.type}`);
    this.#root.pending = this.#attributesOf(member);
  }

  /** Only what lower layers have is hidden; what this layer has stays, wherever in it the whiteout stands. */
  #whiteOut(above: readonly string[], name: string): void {
    const folder = find(this.#root, above);
    if (folder?.type !== 'directory') return;
    if (name === OPAQUE) this.#prune(folder, above);
    else if (!name.startsWith(`${WHITEOUT}${WHITEOUT}`))
      this.#hide(folder, above, name.slice(WHITEOUT.length));
  }

  #prune(folder: Folder, path: readonly string[]): void {
    // What came since is of this layer: a million whiteouts of one folder must not look at all of it each time.
    if (folder.prunedIn === this.#layer) return;
    folder.prunedIn = this.#layer;
    for (const name of folder.names.keys()) this.#hide(folder, path, name);
  }

  #hide(folder: Folder, path: readonly string[], name: string): void {
    const found = folder.names.get(name);
    if (found === undefined) return;
    if (found.layer !== this.#layer) this.#remove(folder, path, name);
    else if (found.inode.type === 'directory') this.#prune(found.inode, [...path, name]);
  }

  async #put(
    above: readonly string[],
    name: string,
    member: TarMember,
    content: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const linked = member.type === 'hardlink' ? this.#linked(member) : undefined;
    const folder = this.#ensureFolder(above);
    const before = folder.names.get(name);
    if (before !== undefined && (before.inode === linked?.inode || isFolder(before.inode, member))) {
      before.layer = this.#layer;
      if (linked === undefined) before.inode.pending = this.#attributesOf(member);
      return;
    }
    if (before !== undefined) this.#remove(folder, above, name);
    const path = this.#pathOf([...above, name]);
    const inode = linked === undefined ? inodeOf(member) : this.#link(linked, path, member);
    folder.names.set(name, { inode, layer: this.#layer });
    if (linked === undefined) await this.#create(inode, path, member, content);
  }

  async #create(
    inode: Inode,
    path: string | Buffer,
    member: TarMember,
    content: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const attributes = this.#attributesOf(member);
    if (inode.type === 'file' && attributes.xattrs === undefined) {
      await writeFile(path, content, member.size, (file) => finishFile(file, inode, attributes));
      return;
    }
    if (inode.type === 'symlink') {
      symlinkSync(systemPath(inode.target ?? ''), path);
      finishLink(path, inode, attributes);
      return;
    }
    inode.pending = attributes;
    if (inode.type === 'directory') mkdirSync(path, 0o700);
    else if (inode.type === 'file') await writeFile(path, content, member.size);
    else if (++this.#specialFiles > SPECIAL_LIMIT)
      throw invalid(member.path, `with it there are more than ${SPECIAL_LIMIT} FIFOs and devices`);
  }

  #link({ inode, parts }: Linked, path: string | Buffer, { path: as, linkname }: TarMember): Leaf {
    // What was in the way of the new name may have been the old one.
    if (find(this.#root, parts) !== inode) throw invalid(as, `is a link to ${linkname}, which it replaces`);
    if (isSpecial(inode)) return inode;
    try {
      linkSync(this.#pathOf(parts), path);
    } catch (error) {
      if (systemCode(error) === 'EMLINK')
        throw invalid(as, `${linkname} has more links than can be had here`);
      throw error;
    }
    return inode;
  }

  /** What a hard link names: links on the way are followed, one at its end is not (linkat(2)). */
  #linked({ path, linkname = '' }: TarMember): Linked {
    const slash = linkname.lastIndexOf('/');
    const above = resolve(this.#root, linkname.slice(0, Math.max(slash, 0)));
    const parts = [...above, linkname.slice(slash + 1)];
    const inode = find(this.#root, parts);
    if (inode === undefined)
      throw invalid(path, `is a link to ${JSON.stringify(linkname)}, which is not there`);
    if (inode.type === 'directory')
      throw invalid(path, `is a link to the folder ${JSON.stringify(linkname)}`);
    return { inode, parts };
  }

  /** The folder at a path without links; what is missing is made, what is no folder makes way. */
  #ensureFolder(parts: readonly string[]): Folder {
    let folder = this.#root;
    for (const [at, part] of parts.entries()) {
      let name = folder.names.get(part);
      if (name?.inode.type !== 'directory') {
        if (name !== undefined) this.#remove(folder, parts.slice(0, at), part);
        this.#count();
        mkdirSync(this.#pathOf(parts.slice(0, at + 1)), 0o700);
        name = { inode: { ...newFolder(), pending: IMPLIED }, layer: this.#layer };
        folder.names.set(part, name);
      }
      name.layer = this.#layer;
      folder = name.inode as Folder;
    }
    return folder;
  }

  #remove(folder: Folder, path: readonly string[], name: string): void {
    folder.names.delete(name);
    rmSync(this.#pathOf([...path, name]), { recursive: true, force: true });
  }

  #pathOf(parts: readonly string[]): string | Buffer {
    const path = parts.join('/');
    if (isLonger(path, PATH_LIMIT)) throw invalid(path, 'the path is too long');
    if (isLonger(parts.at(-1) ?? '', NAME_LIMIT)) throw invalid(path, 'the name is too long');
    return systemPath(`${this.#folder}/${path}`);
  }

  #attributesOf({ path, uid, gid, mode, mtime, xattrs = new Map() }: TarMember) {
    const portable = new Map<string, Buffer>();
    for (const [name, value] of xattrs) {
      if (!isPortable(name)) continue;
      this.#xattrSize += name.length + value.length;
      if (value.length > XATTR_LIMIT || this.#xattrSize > XATTRS_LIMIT)
        throw invalid(path, 'has too much in extended attributes');
      portable.set(name, value);
    }
    return { uid, gid, mode, mtime, xattrs: portable.size === 0 ? undefined : portable };
  }

  /** Makes what Node cannot, and gives folders, deepest first, what would have been in the way before. */
  async finish(): Promise<Unpacked> {
    const all = everything(this.#root).map((each) => {
      return { ...each, file: systemPath(each.path === '' ? this.#folder : `${this.#folder}/${each.path}`) };
    });
    await this.#finishSpecialFiles(all);
    for (const { inode, file } of all.toReversed()) {
      const { pending } = inode;
      inode.pending = undefined;
      if (pending !== undefined) await finishPath(file, inode, pending);
    }
    const seen = new Set(all.map(({ inode }) => inode));
    const unkept: Unkept[] = [];
    for (const { path, inode } of all) {
      const note = seen.delete(inode) ? unkeptOf(path, inode) : undefined;
      if (note !== undefined) unkept.push(note);
    }
    return { unkept, count: all.length - 1, size: this.#size };
  }

  async #finishSpecialFiles(
    all: readonly { readonly inode: Inode; readonly file: string | Buffer }[],
  ): Promise<void> {
    const first = new Map<Leaf, SpecialFile>();
    const further: SpecialFile[] = [];
    for (const { inode, file } of all) {
      if (!isSpecial(inode) || inode.pending === undefined) continue;
      const special = { path: file, leaf: inode };
      if (first.has(inode)) further.push(special);
      else first.set(inode, special);
    }
    for (const { leaf } of await makeSpecialFiles([...first.values()])) {
      leaf.unkept = leaf.pending;
      leaf.pending = undefined;
      first.delete(leaf);
    }
    for (const { path, leaf } of further) {
      const made = first.get(leaf);
      if (made !== undefined) linkSync(made.path, path);
    }
  }
}

function isFolder(before: Inode, { type }: TarMember): boolean {
  return before.type === 'directory' && type === 'directory';
}

function isSpecial(inode: Inode): inode is Leaf {
  return inode.type === 'fifo' || inode.type === 'device';
}

/** What a member makes anew; a hard link makes nothing. */
function inodeOf({ path, type, linkname, device }: TarMember): Inode {
  if (type === 'directory') return newFolder();
  if (type !== 'symlink') return { type: type as Leaf['type'], device };
  if (linkname === undefined) throw invalid(path, 'is a link to nothing');
  return { type, target: linkname };
}

/** Whether it has more than so many bytes; no unit of a text has more than three. */
function isLonger(text: string, limit: number): boolean {
  return text.length * 3 > limit && Buffer.byteLength(systemPath(text)) > limit;
}

function invalid(path: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${JSON.stringify(path)}: ${why}`);
}
