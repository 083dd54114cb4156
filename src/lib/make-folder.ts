import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';

/**
 * Makes a folder and those that lead to it, where they are missing. Unlike Node's own recursive way it names the system's
 * reason also on a disk that is read-only or whose quota is used up, where that says that there is no such folder.
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  try {
    mkdirSync(path);
  } catch (error) {
    const code = systemCode(error);
    // Another process was faster.
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    makeFolder(path);
  }
}
