import { describe, expect, it } from 'vitest';
import { duplicatesOf, shippedFiles, wasted } from '../../src/explain/account.ts';
import type { Toc, TocMember } from '../../src/layer/toc.ts';
import { mergeTocs } from '../../src/rootfs/tree.ts';

let next = 0;
function member(path: string, size = 0, more: Partial<TocMember> = {}): TocMember {
  next += 512;
  return { path, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0, size, offset: next, ...more };
}

function layer(...members: readonly TocMember[]): Toc {
  return { tarSize: 0, contentSize: 0, ended: true, members };
}

const folder = (path: string) => member(path, 0, { type: 'directory' });
const link = (path: string, linkname: string) => member(path, 0, { type: 'symlink', linkname });

function account(...tocs: readonly Toc[]) {
  const files = shippedFiles(tocs, mergeTocs(tocs));
  return files
    .filter(({ size }) => size > 0)
    .map(({ path, layer, size, hidden }) => [path, layer, size, hidden]);
}

describe('what an image ships', () => {
  it('is seen, unless an upper layer replaces or deletes it', () => {
    const files = account(
      layer(member('a', 1), member('b', 2), folder('d'), member('d/x', 4), member('d/y', 8)),
      layer(member('a', 16), member('.wh.b'), member('d/.wh..wh..opq'), member('d/y', 32)),
    );
    expect(files).toEqual([
      ['a', 0, 1, { how: 'replaced', layer: 1 }],
      ['b', 0, 2, { how: 'deleted', layer: 1 }],
      ['d/x', 0, 4, { how: 'deleted', layer: 1 }],
      ['d/y', 0, 8, { how: 'replaced', layer: 1 }],
      ['a', 1, 16, undefined],
      ['d/y', 1, 32, undefined],
    ]);
  });

  it('goes with its folder, where that is deleted or becomes something else', () => {
    const below = layer(folder('d'), member('d/x', 1), folder('e'), member('e/x', 2));
    expect(account(below, layer(member('.wh.d')), layer(link('e', 'tmp')))).toEqual([
      ['d/x', 0, 1, { how: 'deleted', layer: 1 }],
      ['e/x', 0, 2, { how: 'deleted', layer: 2 }],
      ['e', 2, 3, undefined],
    ]);
  });

  it('counts a hard link once, and keeps the bytes for it when the first name is deleted', () => {
    const below = layer(member('a', 100), member('b', 0, { type: 'hardlink', linkname: 'a' }));
    expect(account(below)).toEqual([['a', 0, 100, undefined]]);
    expect(account(below, layer(member('.wh.a')))).toEqual([['a', 0, 100, undefined]]);
    expect(account(below, layer(member('.wh.a'), member('.wh.b')))).toEqual([
      ['a', 0, 100, { how: 'deleted', layer: 1 }],
    ]);
  });

  it('counts a path that is twice in a layer as its later content, and links by their targets', () => {
    expect(account(layer(member('a', 1), member('a', 2), link('l', '/über')))).toEqual([
      ['a', 0, 2, undefined],
      // "/über" is 6 bytes in UTF-8.
      ['l', 0, 6, undefined],
    ]);
  });

  it('names the layer that hid it first', () => {
    expect(account(layer(member('a', 1)), layer(member('a', 2)), layer(member('.wh.a')))).toEqual([
      ['a', 0, 1, { how: 'replaced', layer: 1 }],
      ['a', 1, 2, { how: 'deleted', layer: 2 }],
    ]);
  });
});

it('whiteouts are no files', () => {
  const tocs = [layer(member('a', 1)), layer(member('.wh.a'), member('.wh.b', 9))];
  const files = shippedFiles(tocs, mergeTocs(tocs));
  expect(files.map(({ path, size }) => [path, size])).toEqual([
    ['a', 1],
    ['.wh.b', 9],
  ]);
});

describe('duplicates', () => {
  it('are files of the same content; all but one are wasted', () => {
    const tocs = [
      layer(member('a', 5), member('b', 5), member('c', 5), member('d', 9)),
      layer(member('x', 5), member('y', 9)),
    ];
    const files = shippedFiles(tocs, mergeTocs(tocs));
    const content: Readonly<Record<string, string>> = { a: '1', b: '1', x: '1', c: '2', d: '3', y: '3' };
    const found = duplicatesOf(files, ({ path }) => content[path]);
    expect(found.map((each) => [each.places.map(({ path }) => path).join(), wasted(each)])).toEqual([
      ['a,b,x', 10],
      ['d,y', 9],
    ]);
  });
});
