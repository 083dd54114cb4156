import {
  chmodSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { differencesFrom, snapshotOf } from '../../src/build/scan.ts';
import { tempDir } from '../support/temp.ts';

/** A folder with some files, and what a change to it is found to be. */
function changed(change: (folder: string) => void, isRoot = true) {
  const place = tempDir();
  const folder = join(place, 'root');
  mkdirSync(join(folder, 'd/in'), { recursive: true });
  for (const path of ['a', 'b', 'd/a', 'd/in/c']) writeFileSync(join(folder, path), path);
  symlinkSync('a', join(folder, 'link'));
  const before = snapshotOf(folder, join(place, 'marker'));
  change(folder);
  const { changed: paths, gone, ...rest } = differencesFrom(before, folder, isRoot);
  return { folder, changed: [...paths].sort(), gone: [...gone].sort(), ...rest };
}

describe('what changed in a folder', () => {
  it('is nothing where nothing was done', () => {
    expect(changed(() => {})).toMatchObject({ changed: [], gone: [], count: 7 });
    expect(changed((folder) => void readFileSync(join(folder, 'a')))).toMatchObject({
      changed: [],
      gone: [],
    });
  });

  it('are new files, and the folders that they are in', () => {
    expect(changed((folder) => writeFileSync(join(folder, 'd/in/new'), ''))).toMatchObject({
      changed: ['d', 'd/in', 'd/in/new'],
      gone: [],
    });
  });

  it.each([
    ['content', (path: string) => writeFileSync(path, 'another')],
    ['the same content', (path: string) => writeFileSync(path, readFileSync(path))],
    ['a mode', (path: string) => chmodSync(path, 0o600)],
    ['a time, put back', (path: string) => utimesSync(path, lstatSync(path).atime, lstatSync(path).mtime)],
    [
      'another file in its place',
      (path: string) => {
        cpSync(path, `${path}.new`, { preserveTimestamps: true });
        renameSync(`${path}.new`, path);
      },
    ],
  ])('is a file with %s', (_, change) => {
    const found = changed((folder) => change(join(folder, 'd/a')));
    expect(found).toMatchObject({ changed: ['d', 'd/a'], gone: [] });
  });

  it('is what is gone, without what was in it', () => {
    const found = changed((folder) => {
      rmSync(join(folder, 'd/in'), { recursive: true });
      rmSync(join(folder, 'link'));
    });
    expect(found).toMatchObject({ changed: ['d'], gone: ['d/in', 'link'] });
  });

  it('is a folder by another name with all that is in it', () => {
    const found = changed((folder) => renameSync(join(folder, 'd'), join(folder, 'e')));
    expect(found).toMatchObject({ changed: ['e', 'e/a', 'e/in', 'e/in/c'], gone: ['d'] });
  });

  it('is a file in the place of a folder, and nothing that was in that', () => {
    const found = changed((folder) => {
      rmSync(join(folder, 'd'), { recursive: true });
      writeFileSync(join(folder, 'd'), '');
    });
    expect(found).toMatchObject({ changed: ['d'], gone: [] });
  });

  it('is what was in a folder that was made anew', () => {
    const found = changed((folder) => {
      rmSync(join(folder, 'd'), { recursive: true });
      mkdirSync(join(folder, 'd'));
      writeFileSync(join(folder, 'd/new'), '');
    });
    expect(found).toMatchObject({ changed: ['d', 'd/new'], gone: ['d/a', 'd/in'] });
  });

  it('are all names of a file that got another', () => {
    const found = changed((folder) => linkSync(join(folder, 'd/a'), join(folder, 'z')));
    expect(found).toMatchObject({ changed: ['d', 'd/a', 'z'], gone: [] });
  });

  it('is found however soon after the copy it was done', () => {
    for (let run = 0; run < 20; run++) {
      const found = changed((folder) => chmodSync(join(folder, 'link'), 0o600));
      expect(found.changed).toEqual(['a']);
    }
  });

  it('is made readable for who is not root, with the modes that it had', () => {
    const { modes, folder } = changed((root) => {
      chmodSync(join(root, 'a'), 0);
      chmodSync(join(root, 'd'), 0o555);
    }, false);
    expect(modes).toEqual(
      new Map([
        ['a', 0],
        ['d', 0o555],
      ]),
    );
    expect(['a', 'd'].map((path) => lstatSync(join(folder, path)).mode & 0o777)).toEqual([0o400, 0o755]);
  });
});
