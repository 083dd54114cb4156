import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tempDir } from './temp.ts';

/** A folder with those files: texts by path; `-> target` makes a link, `#!…` an executable file. */
export function sourceFolder(files: Readonly<Record<string, string>>, folder = tempDir()): string {
  for (const [path, text] of Object.entries(files)) {
    const full = join(folder, path);
    mkdirSync(dirname(full), { recursive: true });
    const [, target] = /^-> (.*)$/.exec(text) ?? [];
    if (target !== undefined) symlinkSync(target, full);
    else writeFileSync(full, text);
    if (text.startsWith('#!')) chmodSync(full, 0o755);
  }
  return folder;
}
