import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compiledFolder } from '../../src/lib/compile-cache.ts';
import { VERSION } from '../../src/version.ts';
import { tempDir } from '../support/temp.ts';

describe('the folder for compiled code', () => {
  it.each([
    [['build', '.'], 'build'],
    [['--store', 'x', 'build'], 'other'],
    [['../../etc'], 'other'],
    [[], 'other'],
  ])('of %j is %s, in the store, for its user alone', (argv, name) => {
    const store = tempDir();
    const folder = compiledFolder(argv, { OCISLIM_HOME: store });
    expect(folder).toBe(join(store, 'code', VERSION, name));
    expect(statSync(folder ?? '').mode & 0o777).toBe(0o700);
  });

  it('does not begin a store', () => {
    const home = tempDir();
    expect(compiledFolder(['pack'], { HOME: home })).toBeUndefined();
    expect(readdirSync(home)).toEqual([]);
  });

  it('is none where others may write', () => {
    const store = tempDir();
    chmodSync(store, 0o777);
    expect(compiledFolder(['pack'], { OCISLIM_HOME: store })).toBeUndefined();
    chmodSync(store, 0o755);
    mkdirSync(join(store, 'code', VERSION, 'pack'), { recursive: true });
    chmodSync(join(store, 'code', VERSION, 'pack'), 0o770);
    expect(compiledFolder(['pack'], { OCISLIM_HOME: store })).toBeUndefined();
  });

  it('is none in the store of another user, as root has it with the HOME of who called sudo', () => {
    const store = tempDir();
    expect(compiledFolder(['pack'], { OCISLIM_HOME: store }, statSync(store).uid + 1)).toBeUndefined();
    expect(readdirSync(store)).toEqual([]);
  });
});
