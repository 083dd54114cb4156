import type { FileFacts } from '../layer/facts.ts';
import type { Toc, TocMember } from '../layer/toc.ts';
import { OPAQUE, type Tree, WHITEOUT } from '../rootfs/tree.ts';

/** A file or a link that a layer ships. Hard links are the file that they name, and take no room. */
export interface ShippedFile {
  readonly path: string;
  /** Counted from the base up. */
  readonly layer: number;
  readonly type: 'file' | 'symlink';
  /** Of a file its content, of a link its target, in bytes. */
  readonly size: number;
  /** Where the content begins in the layer's tar. */
  readonly offset: number;
  readonly facts?: FileFacts | undefined;
  /** Set where no container sees it, though everybody pulls it. */
  readonly hidden?: Hidden | undefined;
}

export interface Hidden {
  readonly how: 'deleted' | 'replaced';
  /** The layer that did it. */
  readonly layer: number;
}

/**
 * What the layers of an image ship, and what of it a container sees. The sizes of all are, layer by layer, what Docker calls
 * the layer's size.
 * @param tree of these layers
 */
export function shippedFiles(tocs: readonly Toc[], tree: Tree): readonly ShippedFile[] {
  const seen = new Set<string>();
  for (const { layer, offset } of tree.all()) seen.add(`${layer}:${offset}`);
  const covers = tocs.map(coverOf);
  return tocs.flatMap((toc, layer) =>
    [...new Map(toc.members.map((member) => [member.path, member])).values()].flatMap((member) => {
      const { path, type, offset = 0, facts } = member;
      if (type !== 'file' && type !== 'symlink') return [];
      // Whiteouts are no files; only one that nevertheless has bytes counts, since they are shipped.
      if (isWhiteout(path) && member.size === 0) return [];
      const file = { path, layer, type, size: sizeOf(member), offset, facts };
      return seen.has(`${layer}:${offset}`) ? [file] : [{ ...file, hidden: hiddenBy(path, layer, covers) }];
    }),
  );
}

function isWhiteout(path: string): boolean {
  return path.slice(path.lastIndexOf('/') + 1).startsWith(WHITEOUT);
}

function sizeOf({ type, size, linkname = '' }: TocMember): number {
  return type === 'symlink' ? Buffer.byteLength(linkname) : size;
}

/** What a layer does to those below it. */
interface Cover {
  readonly deleted: ReadonlySet<string>;
  /** Folders that begin anew. */
  readonly opaque: ReadonlySet<string>;
  /** All that is no folder. */
  readonly written: ReadonlySet<string>;
}

function coverOf({ members }: Toc): Cover {
  const [deleted, opaque, written] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const { path, type } of members) {
    const slash = path.lastIndexOf('/');
    const [folder, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
    if (name === OPAQUE) opaque.add(folder);
    else if (name.startsWith(WHITEOUT))
      deleted.add((folder === '' ? '' : `${folder}/`) + name.slice(WHITEOUT.length));
    else if (type !== 'directory') written.add(path);
    // A folder in the place of a file replaces it; in the place of a folder it changes nothing.
    else written.add(`${path}/`);
  }
  return { deleted, opaque, written };
}

function hiddenBy(path: string, layer: number, covers: readonly Cover[]): Hidden {
  const above = ancestors(path);
  for (let upper = layer + 1; upper < covers.length; upper++) {
    const cover = covers[upper];
    if (cover === undefined) continue;
    const { deleted, opaque, written } = cover;
    if (written.has(path) || written.has(`${path}/`)) return { how: 'replaced', layer: upper };
    if (deleted.has(path) || above.some((each) => deleted.has(each) || opaque.has(each) || written.has(each)))
      return { how: 'deleted', layer: upper };
  }
  // A whiteout itself, or something that its own layer replaces.
  return { how: 'deleted', layer };
}

/** The folders above a path, the root (empty) included. */
function ancestors(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, length) => parts.slice(0, length).join('/'));
}

/** The same content in several places. */
export interface Duplicate {
  /** Of one copy, in bytes. */
  readonly size: number;
  readonly places: readonly { readonly path: string; readonly layer: number; readonly isHidden: boolean }[];
}

/** Files that may be the same, since they have the same size; to tell it their content must be read. */
export function sameSized(files: readonly ShippedFile[]): readonly ShippedFile[] {
  const counts = new Map<number, number>();
  const real = files.filter(({ type, size }) => type === 'file' && size > 0);
  for (const { size } of real) counts.set(size, (counts.get(size) ?? 0) + 1);
  return real.filter(({ size }) => (counts.get(size) ?? 0) > 1);
}

/** @param digestOf what is known of a file's content; the most wasteful come first */
export function duplicatesOf(
  files: readonly ShippedFile[],
  digestOf: (file: ShippedFile) => string | undefined,
): readonly Duplicate[] {
  const groups = new Map<string, ShippedFile[]>();
  for (const file of sameSized(files)) {
    const digest = digestOf(file);
    if (digest === undefined) continue;
    const group = groups.get(digest);
    if (group === undefined) groups.set(digest, [file]);
    else group.push(file);
  }
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => ({
      size: group[0]?.size ?? 0,
      places: group.map(({ path, layer, hidden }) => ({ path, layer, isHidden: hidden !== undefined })),
    }))
    .sort((a, b) => wasted(b) - wasted(a));
}

/** Bytes that all copies but one take. */
export function wasted({ size, places }: Duplicate): number {
  return size * (places.length - 1);
}
