import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../../src/lib/make-folder.ts';
import { tempDir } from '../support/temp.ts';

describe('makeFolder', () => {
  it('makes what is missing, and leaves what is there', () => {
    const path = join(tempDir(), 'a/b/c');
    makeFolder(path);
    writeFileSync(join(path, 'file'), '');
    makeFolder(path);
    expect(statSync(join(path, 'file')).isFile()).toBe(true);
  });

  it('says why it cannot', () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('loop', join(folder, 'loop'));
    expect(() => makeFolder(join(folder, 'file/a/b'))).toThrow('ENOTDIR');
    expect(() => makeFolder(join(folder, 'loop/a'))).toThrow('ELOOP');
    expect(() => makeFolder(join(folder, 'x'.repeat(300), 'a'))).toThrow('ENAMETOOLONG');
  });
});
