import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Toc, TocMember } from '../../src/layer/toc.ts';
import { mergeTocs } from '../../src/rootfs/tree.ts';

function layer(...members: (Partial<TocMember> & { path: string })[]): Toc {
  const full = members.map((member): TocMember => {
    return { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 1, ...member };
  });
  return { tarSize: 0, contentSize: 0, ended: true, members: full };
}
const dir = (path: string, more: Partial<TocMember> = {}) =>
  ({ path, type: 'directory', mode: 0o755, ...more }) as const;
const link = (path: string, linkname: string) => ({ path, type: 'symlink', linkname }) as const;

describe('lookup', () => {
  it('finds what the topmost layer has', () => {
    const tree = mergeTocs([layer({ path: 'a', size: 1 }), layer({ path: 'a', size: 2 })]);
    expect(tree.lookup('/a')).toMatchObject({ path: 'a', size: 2 });
    expect(tree.lookup('/b')).toBeUndefined();
    expect(tree.lookup('/')).toMatchObject({ path: '', type: 'directory' });
  });

  it('follows links as the kernel does inside the image', () => {
    const tree = mergeTocs([
      layer(
        dir('usr/bin'),
        { path: 'usr/bin/busybox' },
        link('bin', 'usr/bin'),
        link('usr/bin/sh', '/bin/busybox'),
        link('up', '../../../usr/bin/busybox'),
        link('lib', '/usr/lib'),
      ),
    ]);
    expect(tree.lookup('/bin/sh')?.path).toBe('usr/bin/busybox');
    expect(tree.lookup('/bin/sh', { followLast: false })).toMatchObject({
      type: 'symlink',
      path: 'usr/bin/sh',
    });
    expect(tree.lookup('up')?.path).toBe('usr/bin/busybox');
    expect(tree.lookup('/bin/../../bin/./busybox')?.path).toBe('usr/bin/busybox');
    expect(tree.lookup('/lib')).toBeUndefined();
    expect(tree.lookup('/lib', { followLast: false })?.type).toBe('symlink');
  });

  it('gives up on links that lead in a circle', () => {
    const tree = mergeTocs([layer(link('a', 'b'), link('b', 'a'), link('self', 'self/x'))]);
    expect(tree.lookup('a')).toBeUndefined();
    expect(tree.lookup('self')).toBeUndefined();
  });

  it('knows parents that no layer lists', () => {
    expect(mergeTocs([layer({ path: 'a/b/c' })]).lookup('a/b')).toMatchObject({
      type: 'directory',
      mode: 0o755,
    });
  });

  it('gives a hard link the file it names', () => {
    const tree = mergeTocs([
      layer({ path: 'a', size: 7, mode: 0o755 }, { path: 'b', type: 'hardlink', linkname: 'a', size: 0 }),
    ]);
    expect(tree.lookup('b')).toMatchObject({ type: 'file', size: 7, mode: 0o755 });
  });

  it('is not fooled by names that mean something to JavaScript', () => {
    const tree = mergeTocs([layer({ path: '__proto__/constructor' })]);
    expect(tree.lookup('__proto__/constructor')?.type).toBe('file');
    expect(tree.lookup('toString')).toBeUndefined();
  });

  it('ends for any path and any links', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c', '..', '.', ''), { maxLength: 5 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'a/b', 'b/c'), path)),
        path,
        (links, wanted) => {
          const tree = mergeTocs([layer(...links.map(([from, to]) => link(from, to)))]);
          const found = tree.lookup(wanted);
          expect(found === undefined || found.type !== 'symlink').toBe(true);
        },
      ),
    );
  });
});

describe('layers', () => {
  it('keep what is in a folder when a later layer lists the folder again', () => {
    const tree = mergeTocs([
      layer(dir('d', { mode: 0o700 }), { path: 'd/a' }),
      layer(dir('d', { mode: 0o711 })),
    ]);
    expect(tree.lookup('d')?.mode).toBe(0o711);
    expect(tree.lookup('d/a')).toBeDefined();
  });

  it('replace a folder by a file, and a link by a folder', () => {
    const tree = mergeTocs([layer({ path: 'd/a' }, link('l', 'd')), layer({ path: 'd' }, dir('l'))]);
    expect(tree.lookup('d')?.type).toBe('file');
    expect(tree.lookup('d/a')).toBeUndefined();
    expect(tree.lookup('l')?.type).toBe('directory');
  });

  it('take away what a whiteout names', () => {
    const tree = mergeTocs([
      layer({ path: 'd/a' }, { path: 'd/b/c' }),
      layer({ path: 'd/.wh.b' }, { path: '.wh.none' }),
    ]);
    expect(tree.lookup('d/a')).toBeDefined();
    expect(tree.lookup('d/b')).toBeUndefined();
    expect(tree.lookup('d/.wh.b')).toBeUndefined();
  });

  it('hide all lower content of an opaque folder, wherever in the layer the mark stands', () => {
    const base = layer({ path: 'd/old' }, { path: 'd/sub/old' });
    const mark = { path: 'd/.wh..wh..opq' };
    const fresh = [{ path: 'd/new' }, { path: 'd/sub/new' }];
    for (const top of [layer(mark, ...fresh), layer(...fresh, mark)]) {
      const tree = mergeTocs([base, top]);
      expect(tree.lookup('d/old')).toBeUndefined();
      expect(tree.lookup('d/sub/old')).toBeUndefined();
      expect(tree.lookup('d/new')).toBeDefined();
      expect(tree.lookup('d/sub/new')).toBeDefined();
    }
  });
});

describe('resolveFolder', () => {
  const tree = mergeTocs([
    layer(dir('usr/bin'), link('bin', 'usr/bin'), dir('run'), link('var/run', '/run')),
  ]);

  it.each([
    ['bin', 'usr/bin', 2],
    ['bin/sub', 'usr/bin/sub', 2],
    ['var/run/app', 'run/app', 1],
    ['usr/local/bin', 'usr/local/bin', 1],
    ['new/folder', 'new/folder', 0],
    ['', '', 0],
  ])('takes %j to %j', (path, real, existing) => {
    expect(tree.resolveFolder(path)).toEqual({ path: real, existing });
  });
});
