import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { measureTree, removeTree } from '../../src/lib/remove-tree.ts';
import { bundled } from '../support/children.ts';
import { must } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

describe('removeTree', () => {
  it('removes files, folders, and nothing', async () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'f'), 'x');
    mkdirSync(join(folder, 'd/e'), { recursive: true });
    symlinkSync('..', join(folder, 'd/l'));
    for (const name of ['d', 'f', 'none']) await removeTree(join(folder, name));
    expect(await measureTree(folder)).toEqual({ count: 0, size: 0 });
    expect(existsSync(folder)).toBe(true);
  });

  it.runIf(process.getuid?.() === 0)('removes folders that may not be entered', async () => {
    const above = tempDir();
    chmodSync(above, 0o777);
    const args = [await bundled('remove-tree'), above];
    expect(await must(process.execPath, args, { uid: 54_321, gid: 54_321 })).toBe('false');
  });
});

describe('measureTree', () => {
  it('counts files and links, and follows none', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'd'));
    for (const name of ['f', 'd/f', Buffer.from([0xff])])
      writeFileSync(
        typeof name === 'string' ? join(folder, name) : Buffer.concat([Buffer.from(`${folder}/`), name]),
        '123',
      );
    symlinkSync('..', join(folder, 'd/l'));
    expect(await measureTree(folder)).toEqual({ count: 4, size: 11 });
    expect(await measureTree(join(folder, 'f'))).toEqual({ count: 1, size: 3 });
  });
});
