import { describe, expect, it } from 'vitest';
import { changesOf, type Observed } from '../../src/build/changes.ts';
import type { Entry } from '../../src/layer/entry.ts';
import type { TarMember } from '../../src/layer/tar-reader.ts';
import { mergeTocs } from '../../src/rootfs/tree.ts';

const CREATED = 1_000_000;

function member(path: string, more: Partial<TarMember> = {}): TarMember {
  return { path, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 5, size: 0, offset: 0, ...more };
}
const folder = (path: string, more: Partial<TarMember> = {}) =>
  member(path, { type: 'directory', mode: 0o755, ...more });
const whiteout = (path: string) =>
  member(path, { type: 'device', mode: 0, device: { kind: 'character', major: 0, minor: 0 } });
const opaque = (prefix = 'trusted') => new Map([[`${prefix}.overlay.opaque`, Buffer.from('y')]]);

/** What the layers below have. */
const LOWER = [
  folder('d'),
  member('d/a', { size: 3 }),
  member('d/b', { size: 4 }),
  folder('d/in'),
  member('d/in/c'),
  folder('home', { mode: 0o700, uid: 7, gid: 8 }),
  member('home/own', { mode: 0o4755, uid: 7, gid: 8, size: 2 }),
];

function changes(members: readonly TarMember[], more: Partial<Observed> = {}) {
  const tree = mergeTocs([{ tarSize: 0, contentSize: 0, ended: true, members: LOWER }]);
  const observed: Observed = {
    members,
    tree,
    unkept: [],
    created: CREATED,
    prefix: 'trusted.overlay.',
    ...more,
  };
  const { entries, unkept } = changesOf(observed, () => undefined);
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { entries: sorted, unkept, paths: sorted.map(({ path }) => path) };
}

const only = (members: readonly TarMember[], more: Partial<Observed> = {}): Entry | undefined =>
  changes(members, more).entries[0];

describe('the layer of what a command has changed', () => {
  it('has whiteouts for what overlayfs hides', () => {
    const { entries, paths } = changes([folder(''), folder('d'), whiteout('d/a'), whiteout('home')]);
    expect(paths).toEqual(['.wh.home', 'd', 'd/.wh.a']);
    expect(entries[0]).toEqual({
      path: '.wh.home',
      type: 'file',
      mode: 0,
      uid: 0,
      gid: 0,
      mtime: CREATED,
      size: 0,
    });
  });

  it('hides each name of a folder that was made anew, in all its depth', () => {
    const again = [folder('d', { xattrs: opaque() }), folder('d/in'), member('d/b'), member('d/in/new')];
    expect(changes(again).paths).toEqual(['d', 'd/.wh.a', 'd/b', 'd/in', 'd/in/.wh.c', 'd/in/new']);
  });

  it('hides nothing for a new folder that overlayfs calls opaque', () => {
    const { entries, paths } = changes([folder('new', { xattrs: opaque() }), member('new/a')]);
    expect(paths).toEqual(['new', 'new/a']);
    expect(entries[0]?.xattrs).toBeUndefined();
  });

  it('goes by the attributes of its own overlay alone, which commands cannot write', () => {
    const again = [folder('d', { xattrs: opaque('user') }), member('d/b')];
    expect(changes(again).paths).toEqual(['d', 'd/b']);
    expect(changes(again, { prefix: 'user.overlay.' }).paths).toEqual(['d', 'd/.wh.a', 'd/.wh.in', 'd/b']);
    expect(changes(again, { prefix: undefined }).paths).toEqual(['d', 'd/b']);
  });

  it('takes a device of numbers 0 for one where there is no overlay', () => {
    expect(only([whiteout('x')], { prefix: undefined })).toMatchObject({ path: 'x', type: 'device' });
  });

  it('has whiteouts for what a scan misses', () => {
    expect(changes([folder('d')], { gone: ['d/a'] }).paths).toEqual(['d', 'd/.wh.a']);
  });

  it('leaves out folders that are as they were, and keeps those above a change', () => {
    expect(changes([folder(''), folder('d'), folder('d/in')]).paths).toEqual([]);
    expect(changes([folder('d'), folder('d/in', { mtime: 99 })]).paths).toEqual([]);
    expect(changes([folder('d'), folder('d/in'), member('d/in/c')]).paths).toEqual(['d', 'd/in', 'd/in/c']);
    for (const other of [{ mode: 0o750 }, { uid: 1 }, { gid: 1 }])
      expect(changes([folder('d', other)]).paths).toEqual(['d']);
    expect(changes([folder('d', { xattrs: new Map([['user.a', Buffer.from('1')]]) })]).paths).toEqual(['d']);
  });

  it('keeps a file that seems as it was, whose content may be another', () => {
    expect(changes([member('d/a', { size: 3 })]).paths).toEqual(['d/a']);
  });

  it('bounds times, in whole seconds', () => {
    expect(only([member('x', { mtime: CREATED + 0.5 })])?.mtime).toBe(CREATED);
    expect(only([member('x', { mtime: 9.9 })])?.mtime).toBe(9);
    expect(only([member('x', { mtime: -5 })])?.mtime).toBe(0);
  });

  it('keeps attributes of users and capabilities, and no others', () => {
    const names = [
      'user.a',
      'security.capability',
      'user.overlay.origin',
      'trusted.overlay.origin',
      'trusted.x',
      'security.selinux',
      'system.posix_acl_access',
    ];
    const xattrs = new Map(names.map((name) => [name, Buffer.from('1')]));
    expect([...(only([member('x', { xattrs })])?.xattrs?.keys() ?? [])].sort()).toEqual([
      'security.capability',
      'user.a',
    ]);
  });

  it('names hard links by the first of their names, whichever the tar has first', () => {
    const members = [member('z', { size: 3, offset: 512 }), member('a', { type: 'hardlink', linkname: 'z' })];
    const { entries } = changes(members);
    expect(entries).toMatchObject([
      { path: 'a', type: 'file', size: 3 },
      { path: 'z', type: 'hardlink', linkname: 'a' },
    ]);
  });

  it('refuses names that a reader would take for whiteouts', () => {
    expect(() => changes([member('d/.wh.a')])).toThrow(/\/d\/\.wh\.a: .*hide files/);
  });

  const note = { path: 'home/own', type: 'file', uid: 7, gid: 8, mode: 0o4755 } as const;

  it('gives back owner and mode that the disk did not keep, but not what the command gave', () => {
    const unkept = [note];
    const touched = member('home/own', { mode: 0o755 });
    expect(only([touched], { unkept })).toMatchObject({ uid: 7, gid: 8, mode: 0o4755 });
    expect(changes([touched], { unkept }).unkept).toEqual([note]);
    expect(only([{ ...touched, mode: 0o700 }], { unkept })).toMatchObject({ uid: 7, gid: 8, mode: 0o700 });
    expect(only([{ ...touched, uid: 3 }], { unkept })).toMatchObject({ uid: 3, gid: 0, mode: 0o755 });
    expect(only([touched])).toMatchObject({ uid: 0, gid: 0, mode: 0o755 });
    // Another file is in its place.
    expect(only([{ ...touched, type: 'fifo' }], { unkept })).toMatchObject({ uid: 0, gid: 0 });
  });

  it('gives back attributes that the disk did not keep while the content seems the same', () => {
    const unkept = [{ ...note, xattrs: { 'security.capability': 'AQ==' } }];
    const xattrs = new Map([['security.capability', Buffer.from([1])]]);
    const touched = member('home/own', { mode: 0o755, size: 2 });
    expect(only([touched], { unkept })).toMatchObject({ xattrs });
    expect(changes([touched], { unkept }).unkept).toEqual(unkept);
    expect(only([{ ...touched, size: 3 }], { unkept })?.xattrs).toBeUndefined();
  });

  it('goes by the layers where all files have one id, and gives new ones to whom the command ran as', () => {
    const owner = { uid: 1000, gid: 1001 };
    const members = [
      folder('home', { mode: 0o700, uid: 54_321, gid: 54_321 }),
      member('home/new', { uid: 54_321, gid: 54_321 }),
      member('home/own', { uid: 54_321, gid: 54_321, mode: 0o755 }),
    ];
    expect(changes(members, { owner }).entries).toMatchObject([
      { path: 'home', uid: 7, gid: 8, mode: 0o700 },
      { path: 'home/new', uid: 1000, gid: 1001, mode: 0o644 },
      { path: 'home/own', uid: 7, gid: 8, mode: 0o4755 },
    ]);
    expect(changes([members[0] as TarMember], { owner }).paths).toEqual([]);
  });

  it('goes by the modes that were there before files were made readable', () => {
    const modes = new Map([['d/a', 0]]);
    expect(only([member('d/a', { mode: 0o400 })], { modes })).toMatchObject({ mode: 0 });
  });
});
