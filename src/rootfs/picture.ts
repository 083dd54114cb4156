import { type BigIntStats, chmodSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { systemPath, textOfBytes } from '../layer/byte-text.ts';
import type { Unkept } from './attributes.ts';
import { type Folder, type Inode, type Leaf, newFolder } from './inodes.ts';

/**
 * What is in a folder, so that layers can be laid over it. Its folders become this user's to write to; what they have is
 * pending for them.
 * @param unkept what in it is not as its image says
 */
export function pictureOf(folder: string, unkept: readonly Unkept[]): Folder {
  const notes = new Map(unkept.map((note) => [note.path, note]));
  const linked = new Map<string, Leaf>();
  const read = (path: string): Inode => {
    const full = systemPath(path === '' ? folder : `${folder}/${path}`);
    const stats = lstatSync(full, { bigint: true });
    const note = unkeptFrom(notes.get(path), stats);
    if (!stats.isDirectory()) {
      const key = `${stats.dev}:${stats.ino}`;
      const inode = linked.get(key) ?? { ...leafOf(stats, full), unkept: note };
      if (stats.nlink > 1n) linked.set(key, inode);
      return inode;
    }
    chmodSync(full, 0o700);
    const { uid, gid, mode, mtimeNs } = stats;
    // An ordinary user's files are the image's root's.
    const owner = process.geteuid?.() === 0 ? { uid: Number(uid), gid: Number(gid) } : { uid: 0, gid: 0 };
    const known = { ...owner, mode: Number(mode & 0o7777n) };
    const inode: Folder = {
      ...newFolder(),
      pending: note === undefined ? { ...known, mtime: seconds(mtimeNs) } : note,
    };
    for (const name of readdirSync(full, 'latin1').map(textOfBytes))
      inode.names.set(name, { inode: read(path === '' ? name : `${path}/${name}`), layer: 0 });
    return inode;
  };
  return read('') as Folder;
}

function leafOf(stats: BigIntStats, path: string | Buffer): Leaf {
  if (stats.isSymbolicLink()) return { type: 'symlink', target: textOfBytes(readlinkSync(path, 'latin1')) };
  if (stats.isFIFO()) return { type: 'fifo' };
  return { type: stats.isFile() ? 'file' : 'device' };
}

function unkeptFrom(note: Unkept | undefined, { mtimeNs }: BigIntStats): Inode['pending'] {
  if (note === undefined) return undefined;
  const { uid, gid, mode, xattrs = {} } = note;
  const values = Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value, 'base64')] as const);
  return {
    uid,
    gid,
    mode,
    mtime: seconds(mtimeNs),
    ...(values.length > 0 ? { xattrs: new Map(values) } : {}),
  };
}

function seconds(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e9;
}
