import { describe, expect, it } from 'vitest';
import type { Toc, TocMember } from '../../src/layer/toc.ts';
import { placeEntries } from '../../src/rootfs/place.ts';
import { mergeTocs } from '../../src/rootfs/tree.ts';
import { file, folder } from '../support/entries.ts';

const members: Partial<TocMember>[] = [
  { path: 'usr/bin', type: 'directory' },
  { path: 'bin', type: 'symlink', linkname: 'usr/bin' },
  { path: 'tmp', type: 'directory', mode: 0o1777 },
  { path: 'home/app', type: 'directory', mode: 0o700, uid: 1000, gid: 1000 },
  { path: 'etc/passwd', type: 'file' },
  { path: 'lost', type: 'symlink', linkname: '/nowhere' },
];
const base: Toc = {
  tarSize: 0,
  contentSize: 0,
  ended: true,
  members: members.map((member) => ({
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: 0,
    size: 0,
    path: '',
    type: 'file',
    ...member,
  })),
};
const tree = mergeTocs([base]);
const place = (...entries: Parameters<typeof placeEntries>[0]) =>
  placeEntries(entries, tree, 42).map(({ path, type, mode, uid, mtime }) => ({
    path,
    type,
    mode,
    uid,
    mtime,
  }));
const paths = (...entries: Parameters<typeof placeEntries>[0]) =>
  placeEntries(entries, tree, 0).map((entry) => entry.path);

describe('placeEntries', () => {
  it('adds the parents that are missing, and only those', () => {
    expect(place(file('usr/local/bin/app', 'x'))).toEqual([
      { path: 'usr/local/bin/app', type: 'file', mode: 0o644, uid: 0, mtime: 0 },
      { path: 'usr/local', type: 'directory', mode: 0o755, uid: 0, mtime: 42 },
      { path: 'usr/local/bin', type: 'directory', mode: 0o755, uid: 0, mtime: 42 },
    ]);
  });

  it('puts a file below a link of the base where the link leads, and leaves the link alone', () => {
    expect(paths(file('bin/app', 'x'))).toEqual(['usr/bin/app']);
    expect(paths(folder('bin'), file('bin/sub/app', 'x'))).toEqual([
      'usr/bin',
      'usr/bin/sub/app',
      'usr/bin/sub',
    ]);
  });

  it('writes parents again that an engine would not guess, as they are', () => {
    expect(place(file('tmp/app', 'x'))).toContainEqual({
      path: 'tmp',
      type: 'directory',
      mode: 0o1777,
      uid: 0,
      mtime: 42,
    });
    expect(place(file('home/app/app', 'x'))).toContainEqual({
      path: 'home/app',
      type: 'directory',
      mode: 0o700,
      uid: 1000,
      mtime: 42,
    });
  });

  it('leaves mode and owner of a folder that is added on top of one of the base', () => {
    expect(place(folder('tmp'))).toEqual([
      { path: 'tmp', type: 'directory', mode: 0o1777, uid: 0, mtime: 0 },
    ]);
  });

  it.each([
    ['a file of the base where a folder is needed', [file('etc/passwd/app', 'x')]],
    ['a link to nothing where a folder is needed', [file('lost/app', 'x')]],
    ['two files in one path', [file('app', 'x'), file('app', 'y')]],
    ['two files in one path by way of a link', [file('bin/app', 'x'), file('usr/bin/app', 'y')]],
    ['a file that is the parent of another', [file('app', 'x'), file('app/sub', 'y')]],
  ])('refuses %s', (_, entries) => {
    expect(() => placeEntries(entries, tree, 0)).toThrow(
      expect.objectContaining({ code: 'OCISLIM_INPUT_INVALID' }),
    );
  });
});
