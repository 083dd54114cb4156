import { parentOf } from '../layer/clean-path.ts';
import type { Entry } from '../layer/entry.ts';
import type { TarMember } from '../layer/tar-reader.ts';
import { OcislimError } from '../lib/errors.ts';
import { isPortable, modeOnDisk, type Unkept } from '../rootfs/attributes.ts';
import { type Node, type Tree, WHITEOUT } from '../rootfs/tree.ts';

/** What a command left in a folder, and what is to be known to make a layer of it. */
export interface Observed {
  /** In the order of a tar: what a hard link names comes before it. */
  readonly members: readonly TarMember[];
  /** What overlayfs names its own attributes by, where it has written the folder. */
  readonly prefix?: 'trusted.overlay.' | 'user.overlay.' | undefined;
  /** Paths that are not there any more, beside those that overlayfs tells. */
  readonly gone?: readonly string[] | undefined;
  /** True modes of what had to be given another one to be read. */
  readonly modes?: ReadonlyMap<string, number> | undefined;
  /** What the layers below have. */
  readonly tree: Tree;
  /** What on the disk below is not as these layers say. */
  readonly unkept: readonly Unkept[];
  /** Whose all new files are, where they all have this user's one id on the disk; undefined: they have their own. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Seconds since the epoch. What is newer, as seen by the sandbox's clock, gets this time. */
  readonly created: number;
}

/** A file's content, opened when the layer is written. */
export type OpenContent = (member: TarMember) => Entry['open'];

export interface Changes {
  readonly entries: readonly Entry[];
  /** What in the folder is not as the entries say. */
  readonly unkept: readonly Unkept[];
}

/**
 * The layer that makes the lower layers look as the command saw its root at its end. What hides something is said for each
 * name, so that the layer does not depend on how the folder came to be (image-spec layer.md § Whiteouts).
 * @throws OCISLIM_INPUT_INVALID for names that a layer cannot have
 */
export function changesOf(observed: Observed, open: OpenContent): Changes {
  const members = new Map(observed.members.map((member) => [member.path, member]));
  members.delete('');
  const whiteouts = whiteoutsIn(observed, members);
  const entries = new Map<string, Entry>();
  const unkept: Unkept[] = [];
  for (const group of hardLinkGroups(members)) {
    const [first, ...others] = group;
    if (first === undefined) continue;
    const entry = entryOf(first, observed, open);
    entries.set(entry.path, entry);
    const note = unkeptOf(entry, observed.owner === undefined ? first : { ...first, uid: 0, gid: 0 });
    if (note !== undefined) unkept.push(note);
    const { mode, uid, gid, mtime } = entry;
    for (const { path } of others)
      entries.set(path, { path, type: 'hardlink', mode, uid, gid, mtime, linkname: entry.path });
  }
  dropUnchanged(entries, whiteouts, observed.tree);
  const { created } = observed;
  for (const path of whiteouts) {
    const slash = path.lastIndexOf('/') + 1;
    const hidden = `${path.slice(0, slash)}${WHITEOUT}${path.slice(slash)}`;
    entries.set(hidden, { path: hidden, type: 'file', mode: 0, uid: 0, gid: 0, mtime: created, size: 0 });
  }
  return { entries: [...entries.values()], unkept: unkept.filter(({ path }) => entries.has(path)) };
}

/** Paths of lower layers that are to be hidden; what overlayfs hides something with is taken out of `members`. */
function whiteoutsIn({ tree, prefix, gone = [] }: Observed, members: Map<string, TarMember>): Set<string> {
  const whiteouts = new Set(gone);
  /** Folders that show nothing of the layers below. */
  const apart = new Set<string>();
  for (const member of [...members.values()].sort(byPath)) {
    const { path, type, device, xattrs } = member;
    if (prefix !== undefined && device?.kind === 'character' && device.major === 0 && device.minor === 0) {
      members.delete(path);
      whiteouts.add(path);
      continue;
    }
    if (type !== 'directory') continue;
    const isOpaque = prefix !== undefined && xattrs?.get(`${prefix}opaque`)?.toString() === 'y';
    if (!isOpaque && !apart.has(parentOf(path))) continue;
    apart.add(path);
    if (tree.lookup(path, { followLast: false })?.type !== 'directory') continue;
    for (const name of tree.list(path)) if (!members.has(`${path}/${name}`)) whiteouts.add(`${path}/${name}`);
  }
  return whiteouts;
}

function byPath({ path: a }: TarMember, { path: b }: TarMember): number {
  return a < b ? -1 : 1;
}

/** Members that are one file, the first of them with what it is; most are alone. */
function hardLinkGroups(members: ReadonlyMap<string, TarMember>): Iterable<readonly TarMember[]> {
  const groups = new Map<string, TarMember[]>();
  for (const member of members.values()) {
    if (member.type !== 'hardlink') groups.set(member.path, [member]);
    else {
      const group = groups.get(member.linkname ?? '');
      if (group === undefined)
        throw new OcislimError('OCISLIM_INTERNAL', `/${member.path}: a link to what is not there`);
      group.push(member);
    }
  }
  // Which name a tar has first depends on the file system.
  return [...groups.values()].map((group) => {
    const [source] = group;
    const paths = group.map(({ path }) => path).sort();
    return paths.map((path) => ({ ...(source as TarMember), path }));
  });
}

function entryOf(member: TarMember, observed: Observed, open: OpenContent): Entry {
  const { path, type, size, linkname, device } = member;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.startsWith(WHITEOUT)) {
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `/${path}: in a layer, names that begin with ${WHITEOUT} hide files`,
      { hint: 'remove it in the same step, or give it another name' },
    );
  }
  const { uid, gid, mode, xattrs } = ownedBy(member, observed);
  const mtime = Math.max(0, Math.min(Math.floor(member.mtime), observed.created));
  const content = type === 'file' ? { size, open: size > 0 ? open(member) : undefined } : {};
  return {
    path,
    type,
    mode,
    uid,
    gid,
    mtime,
    ...content,
    ...(linkname === undefined ? {} : { linkname }),
    ...(device === undefined ? {} : { device }),
    ...(xattrs.size > 0 ? { xattrs } : {}),
  };
}

interface Owned extends Pick<Entry, 'uid' | 'gid' | 'mode'> {
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** Owner, mode and attributes as the command meant them: what the disk could not keep of the image is not its change. */
function ownedBy(member: TarMember, { tree, unkept, owner, modes }: Observed): Owned {
  const { path, type, size } = member;
  const mode = modes?.get(path) ?? member.mode;
  const own = new Map([...(member.xattrs ?? [])].filter(([name]) => isPortable(name)));
  const before = tree.lookup(path, { followLast: false });
  const isSame = before?.type === type;
  const note = isSame ? noteOf(path, unkept) : undefined;
  const refused = note?.xattrs !== undefined && before?.size === size ? Object.entries(note.xattrs) : [];
  const xattrs = new Map([
    ...refused.map(([name, value]) => [name, Buffer.from(value, 'base64')] as const),
    ...own,
  ]);
  if (owner !== undefined) {
    const { uid, gid } = isSame ? before : owner;
    return { uid, gid, mode: isSame ? modeMeant(mode, before, false) : mode, xattrs };
  }
  const { uid, gid } = member;
  if (note === undefined || uid !== 0 || gid !== 0) return { uid, gid, mode, xattrs };
  return { uid: note.uid, gid: note.gid, mode: modeMeant(mode, note, true), xattrs };
}

function modeMeant(
  mode: number,
  image: Pick<Node, 'type' | 'mode' | 'uid' | 'gid'>,
  asRoot: boolean,
): number {
  const isOwned = image.uid === 0 && image.gid === 0;
  return [true, asRoot].some((as) => modeOnDisk(image.type, image, isOwned, as) === mode) ? image.mode : mode;
}

const indexes = new WeakMap<readonly Unkept[], ReadonlyMap<string, Unkept>>();

function noteOf(path: string, unkept: readonly Unkept[]): Unkept | undefined {
  let index = indexes.get(unkept);
  if (index === undefined) {
    index = new Map(unkept.map((note) => [note.path, note]));
    indexes.set(unkept, index);
  }
  return index.get(path);
}

function unkeptOf(entry: Entry, member: TarMember): Unkept | undefined {
  const { path, uid, gid, mode, xattrs = new Map<string, Buffer>() } = entry;
  const { type } = member;
  if (type === 'hardlink') return undefined;
  const lost = [...xattrs].filter(([name]) => !member.xattrs?.has(name));
  const isKept = uid === member.uid && gid === member.gid && mode === member.mode && lost.length === 0;
  if (isKept) return undefined;
  const refused = Object.fromEntries(lost.map(([name, value]) => [name, value.toString('base64')]));
  return { path, type, uid, gid, mode, ...(lost.length > 0 ? { xattrs: refused } : {}) };
}

/** Takes folders out that are as they were, and have nothing in them that changed. */
function dropUnchanged(entries: Map<string, Entry>, whiteouts: ReadonlySet<string>, tree: Tree): void {
  const needed = new Set<string>();
  const need = (path: string) => {
    for (let at = parentOf(path); at !== '' && !needed.has(at); at = parentOf(at)) needed.add(at);
  };
  for (const path of whiteouts) need(path);
  // What is in a folder comes behind it, so that the other way round it is known what is needed.
  const sorted = [...entries.values()].sort((a, b) => (a.path < b.path ? 1 : -1));
  for (const { path, type, mode, uid, gid, xattrs } of sorted) {
    const before = type === 'directory' ? tree.lookup(path, { followLast: false }) : undefined;
    const isSame =
      before?.type === 'directory' &&
      before.mode === mode &&
      before.uid === uid &&
      before.gid === gid &&
      xattrs === undefined;
    if (isSame && !needed.has(path)) entries.delete(path);
    else need(path);
  }
}
