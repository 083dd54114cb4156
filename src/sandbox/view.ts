import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { explainWriteError } from '../lib/atomic-file.ts';

const execute = promisify(execFile);

/** Copies a root file system with everything it has, sharing blocks where the file system can. */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  try {
    await execute('cp', ['-a', '--reflink=auto', `${from}/.`, to]);
  } catch (error) {
    throw explainWriteError(error, to);
  }
}

/** Removes a tree, though there be folders in it that even their owner may not enter. */
export async function removeTree(path: string): Promise<void> {
  await openFolders(path);
  await rm(path, { recursive: true, force: true });
}

async function openFolders(path: string): Promise<void> {
  await chmod(path, 0o700).catch(() => {});
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await openFolders(join(path, entry.name));
}
