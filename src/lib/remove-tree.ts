import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { systemCode } from './errors.ts';

/** Removes whatever is at `path`, if anything, also folders that their owner may not enter or write. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (systemCode(error) !== 'EACCES' && systemCode(error) !== 'EPERM') throw error;
    await openUp(Buffer.from(path));
    await rm(path, { recursive: true, force: true }).catch(async (again: unknown) => {
      if (!(await removedAsRange(path))) throw again;
    });
  }
}

/**
 * Removes what belongs to ids of the user's range (subuid(5)), which commands in a sandbox can leave behind.
 * @returns whether there is such a range, and it is gone
 */
async function removedAsRange(path: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const { execFile } = await import('node:child_process');
  const range = ['--user', '--map-auto', '--map-root-user', '--'];
  return promisify(execFile)('unshare', [...range, 'rm', '-rf', '--', path]).then(
    () => true,
    () => false,
  );
}

/** Where `rm` has failed, other parts of it may still be removing. */
async function openUp(folder: Buffer): Promise<void> {
  await chmod(folder, 0o700).catch(() => {});
  for (const { path, isFolder } of await entriesOf(folder).catch(() => [])) if (isFolder) await openUp(path);
}

/** Number and bytes of the files in a folder, or of the one file at `path`; links count as files. */
export async function measureTree(path: string): Promise<{ readonly count: number; readonly size: number }> {
  let [count, size] = [0, 0];
  const left: Buffer[] = [Buffer.from(path)];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const found = await lstat(next).catch(() => undefined);
    if (found?.isDirectory()) left.push(...(await entriesOf(next).catch(() => [])).map(({ path }) => path));
    else if (found !== undefined) {
      count++;
      size += found.size;
    }
  }
  return { count, size };
}

/** Names are bytes here: those of an image need not be UTF-8. Latin 1 has a character for each; Bun gives types with no other form of them. */
async function entriesOf(folder: Buffer): Promise<{ readonly path: Buffer; readonly isFolder: boolean }[]> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'latin1' });
  return entries.map((entry) => {
    const path = Buffer.concat([folder, SLASH, Buffer.from(entry.name, 'latin1')]);
    return { path, isFolder: entry.isDirectory() };
  });
}

const SLASH = Buffer.from('/');
