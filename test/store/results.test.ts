import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Store } from '../../src/store/store.ts';
import { tempDir } from '../support/temp.ts';

const KEY = 'a'.repeat(64);

describe('results that are kept', () => {
  it('are made once, with their note', async () => {
    const store = await Store.open(tempDir());
    let made = 0;
    const make = async (folder: string) => {
      made++;
      writeFileSync(join(folder, 'program'), 'content');
      return { kind: 'program' };
    };
    const [first, second] = await Promise.all([
      store.compiled.ensure(KEY, make),
      store.compiled.ensure(KEY, make),
    ]);
    expect(made).toBe(1);
    expect(first).toEqual(second);
    expect(await store.compiled.get(KEY)).toEqual(first);
    expect(first.note).toEqual({ kind: 'program' });
    expect(readdirSync(first.folder)).toEqual(['program']);
  });

  it.each<[string, (folder: string) => void]>([
    ['a file is gone', (folder) => rmSync(join(folder, 'program'))],
    ['a file is cut short', (folder) => writeFileSync(join(folder, 'program'), '')],
    ['its note is damaged', (folder) => writeFileSync(join(folder, '../result.json'), '{')],
  ])('are made again where %s', async (_, damage) => {
    const store = await Store.open(tempDir());
    const make = async (folder: string) => {
      writeFileSync(join(folder, 'program'), 'content');
      return 1;
    };
    const { folder } = await store.compiled.ensure(KEY, make);
    damage(folder);
    expect(await store.compiled.get(KEY)).toBeUndefined();
    await store.compiled.ensure(KEY, make);
    expect(await store.compiled.get(KEY)).toEqual({ folder, note: 1 });
  });

  it('are not there where making them failed', async () => {
    const store = await Store.open(tempDir());
    const fail = async () => {
      throw new Error('no');
    };
    await expect(store.compiled.ensure(KEY, fail)).rejects.toThrow('no');
    expect(await store.compiled.get(KEY)).toBeUndefined();
    expect(existsSync(join(store.root, 'compiled'))).toBe(false);
    expect(readdirSync(join(store.root, 'tmp'))).toEqual([]);
  });
});
