import { constants, copyFile, link, rm } from 'node:fs/promises';

/**
 * Puts a file at `path` without writing its content again: a reflink, which shares the blocks until one of them
 * changes, else a hard link.
 * @returns false where the file system can do neither, or `path` is on another one; then `path` is not there.
 */
export async function linkFile(source: string, path: string): Promise<boolean> {
  try {
    await copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    // Node leaves an empty file behind where cloning failed.
    await rm(path, { force: true });
  }
  try {
    await link(source, path);
    return true;
  } catch {
    return false;
  }
}
