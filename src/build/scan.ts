import { chmodSync, lstatSync, readdirSync, writeFileSync } from 'node:fs';
import { systemPath, textOfBytes } from '../layer/byte-text.ts';
import { parentOf } from '../layer/clean-path.ts';
import { opened } from '../rootfs/attributes.ts';

/** What tells whether something on the disk is what it was. */
interface Look {
  readonly isFolder: boolean;
  readonly inode: bigint;
  /** Of its last change, in nanoseconds: whatever is done to a file, the kernel writes this (inode(7)). */
  readonly changed: bigint;
}

/** What is in a folder at a time, by path. */
export type Snapshot = ReadonlyMap<string, Look>;

/** Everything in a folder, so that changes from now on can be found. @param beside a path beside it, where nothing is */
export function snapshotOf(folder: string, beside: string): Snapshot {
  const looks = new Map<string, Look>();
  walk(folder, (path, look) => void looks.set(path, look));
  let last = 0n;
  for (const { changed } of looks.values()) if (changed > last) last = changed;
  // The kernel's clock for files stands still for some milliseconds at a time; what changes in the same ones as the last
  // of these would not be seen.
  for (let at = 0n; at <= last; ) {
    writeFileSync(beside, '');
    at = lstatSync(beside, { bigint: true }).ctimeNs;
  }
  return looks;
}

/** What became of a folder. */
export interface Differences {
  /** What is new or not as it was, and the folders that it is in. */
  readonly changed: readonly string[];
  /** What is not there any more, though the folder that it was in is. */
  readonly gone: readonly string[];
  /** True modes of what was made readable for this user. */
  readonly modes: ReadonlyMap<string, number>;
  /** Number of files and folders, and bytes of files. */
  readonly count: number;
  readonly size: number;
}

/** Compares a folder with what was in it. @param isRoot whether this user may read all there is */
export function differencesFrom(before: Snapshot, folder: string, isRoot: boolean): Differences {
  const changed = new Set<string>();
  const folders = new Set(['']);
  const modes = new Map<string, number>();
  const seen = new Set<string>();
  let size = 0;
  walk(folder, (path, look, stats) => {
    seen.add(path);
    if (look.isFolder) folders.add(path);
    if (stats.isFile()) size += Number(stats.size);
    const was = before.get(path);
    if (was?.inode !== look.inode || was.changed !== look.changed) {
      for (let at = path; at !== '' && !changed.has(at); at = parentOf(at)) changed.add(at);
    }
    if (isRoot || stats.isSymbolicLink()) return;
    const mode = Number(stats.mode & 0o7777n);
    const readable = opened(look.isFolder ? 'directory' : stats.isFile() ? 'file' : 'fifo', mode);
    if (readable === mode) return;
    chmodSync(systemPath(`${folder}/${path}`), readable);
    modes.set(path, mode);
  });
  const gone = [...before.keys()].filter((path) => !seen.has(path) && folders.has(parentOf(path)));
  for (const path of gone)
    for (let at = parentOf(path); at !== '' && !changed.has(at); at = parentOf(at)) changed.add(at);
  return { changed: [...changed], gone, modes, count: seen.size, size };
}

type Stats = ReturnType<typeof lookAt>;

function lookAt(path: string | Buffer) {
  return lstatSync(path, { bigint: true });
}

/** Folders are visited before they are read. */
function walk(folder: string, visit: (path: string, look: Look, stats: Stats) => void): void {
  const left = [''];
  for (let above = left.pop(); above !== undefined; above = left.pop()) {
    const full = systemPath(above === '' ? folder : `${folder}/${above}`);
    for (const name of readdirSync(full, 'latin1').map(textOfBytes)) {
      const path = above === '' ? name : `${above}/${name}`;
      const stats = lookAt(systemPath(`${folder}/${path}`));
      const isFolder = stats.isDirectory();
      visit(path, { isFolder, inode: stats.ino, changed: stats.ctimeNs }, stats);
      if (isFolder) left.push(path);
    }
  }
}
