import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Tree } from './tree.ts';

/**
 * Fits entries onto a base. An entry below a link of the base (`/bin` → `usr/bin`) goes where the link leads, since a
 * folder of that name in the layer would replace the link and hide what is behind it. Parents that the base has are
 * left to it, but for those that an engine would not guess: one that is not root's with mode 0755, such as `/tmp`, is
 * written again as it is, because engines that unpack each layer by itself make missing parents with 0755.
 * @throws OCISLIM_INPUT_INVALID when a file of the base is where a folder is needed, or two entries meet in one path
 */
export function placeEntries(entries: readonly Entry[], tree: Tree, mtime: number): Entry[] {
  const placed = new Map<string, Entry>();
  for (const entry of entries) {
    const target = { ...entry, path: realPath(entry, tree) };
    requireFolders(target.path, entry.path, tree);
    const before = placed.get(target.path);
    if (before !== undefined && !(before.type === 'directory' && target.type === 'directory')) {
      throw new OcislimError('OCISLIM_INPUT_INVALID', `/${target.path}: several files for one path`, {
        hint: 'give each file a path of its own with --dest and --add',
      });
    }
    placed.set(target.path, keepFolder(target, tree));
  }
  for (const path of [...placed.keys()]) {
    for (const parent of parentsOf(path)) {
      const needed = placed.get(parent) ?? parentEntry(parent, tree, mtime);
      if (needed === undefined) continue;
      if (needed.type !== 'directory') {
        throw new OcislimError('OCISLIM_INPUT_INVALID', `/${path}: /${parent} is a file, not a folder`);
      }
      placed.set(parent, needed);
    }
  }
  return [...placed.values()];
}

function realPath(entry: Entry, tree: Tree): string {
  const parts = entry.path.split('/');
  // A folder that the base has as a link to a folder stays that link; what goes into it follows it.
  const folder = entry.type === 'directory' ? entry.path : parts.slice(0, -1).join('/');
  const { path } = tree.resolveFolder(folder);
  if (entry.type === 'directory') return path;
  return path === '' ? (parts.at(-1) ?? '') : `${path}/${parts.at(-1)}`;
}

/** A folder that the base has keeps the base's mode and owner. */
function keepFolder(entry: Entry, tree: Tree): Entry {
  const there = entry.type === 'directory' ? tree.lookup(entry.path, { followLast: false }) : undefined;
  if (there?.type !== 'directory') return entry;
  return { ...entry, mode: there.mode, uid: there.uid, gid: there.gid };
}

function requireFolders(path: string, wanted: string, tree: Tree): void {
  for (const parent of parentsOf(path)) {
    const there = tree.lookup(parent, { followLast: false });
    if (there === undefined || there.type === 'directory') continue;
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `/${wanted}: /${parent} is a file in the base, not a folder`,
      {
        hint: 'choose another path with --dest or --add',
      },
    );
  }
}

/** What a layer says of a folder that its entries are in; undefined where an engine would guess it right. */
export function parentEntry(path: string, tree: Tree, mtime: number): Entry | undefined {
  const there = tree.lookup(path, { followLast: false });
  const usual = { path, type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime } as const;
  if (there === undefined) return usual;
  const { mode, uid, gid } = there;
  return mode === usual.mode && uid === 0 && gid === 0 ? undefined : { ...usual, mode, uid, gid };
}

/** `a`, `a/b` for `a/b/c`. */
export function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'));
}
