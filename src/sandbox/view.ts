import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
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
