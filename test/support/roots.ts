import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What is at a path, in one line. */
function describePath(path: string): string {
  const stats = lstatSync(path);
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return `-> ${readlinkSync(path)}`;
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'device';
  return readFileSync(path, 'utf8');
}

/** Everything below a folder by its path; `look` says what is told of each. */
export function listing<T>(folder: string, look: (path: string) => T): Record<string, T> {
  const found: Record<string, T> = {};
  const walk = (below: string) => {
    for (const name of readdirSync(join(folder, below)).sort()) {
      const path = join(below, name);
      found[path] = look(join(folder, path));
      if (lstatSync(join(folder, path)).isDirectory()) walk(path);
    }
  };
  walk('');
  return found;
}

/** What is in a root: of a file its content, of a link its target, of others what they are. */
export const contentsOf = (folder: string) => listing(folder, describePath);

/** All that must not change where nothing may be written: a digest, owner, mode, time and inode of each. */
export const stateOf = (folder: string) =>
  listing(folder, (path) => {
    const { mode, uid, gid, ino, nlink, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
    const digest = createHash('sha256').update(describePath(path)).digest('hex');
    return [digest, mode, uid, gid, ino, nlink, mtimeNs, ctimeNs].join(' ');
  });
