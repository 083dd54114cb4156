import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unpackLayers } from '../../src/rootfs/unpack.ts';
import { contentsOf, stateOf } from '../support/roots.ts';
import {
  device,
  directory as dir,
  fifo,
  member as file,
  gnuLong,
  hard,
  header,
  symbolic as link,
  pax,
  rawLayer,
} from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';

/** What layers that try to get out come to: the whole root, or how they are refused. */
type Outcome = Readonly<Record<string, string>> | RegExp;

/** `OUT` stands for the folder outside, also in what is expected. */
type Row = readonly [name: string, layers: readonly (readonly Buffer[])[], outcome: Outcome];

const UP = '../'.repeat(30);
const root = process.getuid?.() === 0;
const deviceIfRoot = (path: string): Record<string, string> => (root ? { [path]: 'device' } : {});

const rows = (OUT: string): readonly Row[] => [
  // Names that lead out.
  ['a name with ..', [[file('../secret', 'x')]], { secret: 'x' }],
  ['a name with many ..', [[file(`${UP}secret`, 'x')]], { secret: 'x' }],
  ['a name with .. in its middle', [[file('a/../../secret', 'x')]], { secret: 'x' }],
  ['an absolute name', [[file(`${OUT}/secret`, 'x')]], { 'OUT/secret': 'x' }],
  ['an absolute name with two slashes', [[file(`/${OUT}/secret`, 'x')]], { 'OUT/secret': 'x' }],
  ['a name that ends in ..', [[dir('a/..', { mode: 0o700 }), file('b', 'x')]], { b: 'x' }],
  ['a folder named ..', [[dir('../', { mode: 0o777 })]], {}],
  ['a name beside the root', [[file('../root-sibling', 'x')]], { 'root-sibling': 'x' }],
  ['a long name of GNU', [[gnuLong('L', `${UP}secret`), file('a', 'x')]], { secret: 'x' }],
  ['a long name of PAX', [[pax({ path: `${UP}secret` }), file('a', 'x')]], { secret: 'x' }],
  [
    'a long name of GNU under one of PAX',
    [[gnuLong('L', 'gnu'), pax({ path: '../pax' }), file('a', 'x')]],
    { pax: 'x' },
  ],
  ['a name in the prefix of a header', [[prefixed('../..', 'secret')]], { secret: '' }],
  ['a name for all members', [[pax({ path: '../secret' }, 'g'), file('a', 'x')]], { a: 'x' }],
  ['a NUL in a name', [[pax({ path: 'a\0/../../secret' }), file('a', 'x')]], /NUL/],
  ['a backslash in a name', [[file('..\\secret', 'x')]], { '..\\secret': 'x' }],
  ['a name of only dots', [[file('.../x', 'x')]], { '...': 'folder', '.../x': 'x' }],

  // Links on the way.
  [
    'a write through an absolute link',
    [[link('l', OUT), file('l/secret', 'x')]],
    { l: '-> OUT', 'OUT/secret': 'x' },
  ],
  [
    'a write through an absolute link in a folder',
    [[dir('d'), link('d/l', '/e'), file('d/l/secret', 'x')]],
    { d: 'folder', 'd/l': '-> /e', e: 'folder', 'e/secret': 'x' },
  ],
  [
    'a write through a link up',
    [[link('l', '../../outside'), file('l/secret', 'x')]],
    {
      l: '-> ../../outside',
      outside: 'folder',
      'outside/secret': 'x',
    },
  ],
  [
    'a write through a link with surplus ..',
    [[link('l', `${UP}srv`), file('l/x', 'x')]],
    {
      l: `-> ${UP}srv`,
      srv: 'folder',
      'srv/x': 'x',
    },
  ],
  [
    'a write through a chain of links',
    [[link('a', '..'), link('b', 'a/..'), link('c', 'b/outside'), file('c/secret', 'x')]],
    {
      a: '-> ..',
      b: '-> a/..',
      c: '-> b/outside',
      outside: 'folder',
      'outside/secret': 'x',
    },
  ],
  [
    'a write through a link in a folder',
    [[dir('d'), link('d/l', '../..'), file('d/l/secret', 'x')]],
    {
      d: 'folder',
      'd/l': '-> ../..',
      secret: 'x',
    },
  ],
  [
    'a link swapped in for a folder in mid-layer',
    [[dir('d'), file('d/a', 'x'), link('d', OUT), file('d/secret', 'x')]],
    {
      d: '-> OUT',
      'OUT/secret': 'x',
    },
  ],
  [
    'a link swapped in for a folder by the next layer',
    [[dir('d'), file('d/a', 'x')], [link('d', OUT)], [file('d/secret', 'x')]],
    {
      d: '-> OUT',
      'OUT/secret': 'x',
    },
  ],
  [
    'a folder swapped in for a link',
    [[link('d', OUT)], [dir('d'), file('d/secret', 'x')]],
    {
      d: 'folder',
      'd/secret': 'x',
    },
  ],
  ['a folder over a link, in mid-layer', [[link('d', OUT), dir('d/', { mode: 0o777 })]], { d: 'folder' }],
  [
    'a folder over a link, and a link again',
    [[link('d', OUT), dir('d'), link('d', OUT), file('d/secret', 'x')]],
    {
      d: '-> OUT',
      'OUT/secret': 'x',
    },
  ],
  ['a file over a link', [[link('f', `${OUT}/secret`), file('f', 'x')]], { f: 'x' }],
  ['a file over a link of a lower layer', [[link('f', `${OUT}/secret`)], [file('f', 'x')]], { f: 'x' }],
  ['a file with a slash over a link', [[link('f', OUT), header('f/', { type: '0' })]], { f: '' }],
  ['a link named .', [[link('.', OUT), file('secret', 'x')]], /root cannot be a symlink/],
  ['a link named /', [[link('/', OUT), file('secret', 'x')]], /root cannot be a symlink/],
  ['a link without a name', [[link('', OUT), file('secret', 'x')]], /root cannot be a symlink/],
  ['a link named a/..', [[link('a/..', OUT), file('secret', 'x')]], /root cannot be a symlink/],
  ['a file in the place of the root', [[file('./', 'x', { type: '7' })]], /root cannot be a file/],
  ['links in a circle', [[link('a', 'b'), link('b', 'a'), file('a/secret', 'x')]], /more than 40 links/],
  ['a link to itself', [[link('a', 'a'), file('a/b', 'x')]], /more than 40 links/],
  ['a link that grows', [[link('a', 'a/a'), file('a/b', 'x')]], /more than 40 links/],
  [
    'a link to the process, its root',
    [[link('p', '/proc/self/root'), file(`p${OUT}/secret`, 'x')]],
    {
      p: '-> /proc/self/root',
      proc: 'folder',
      'proc/self': 'folder',
      'proc/self/root': 'folder',
      'proc/self/root/OUT/secret': 'x',
    },
  ],
  ['a link to nothing', [[link('l', '')]], /link to nothing/],
  [
    'a long link target of GNU',
    [[gnuLong('K', `${UP}outside`), link('l', 'x'), file('l/secret', 'x')]],
    {
      l: `-> ${UP}outside`,
      outside: 'folder',
      'outside/secret': 'x',
    },
  ],
  [
    'a link target of PAX',
    [[pax({ linkpath: OUT }), link('l', 'x'), file('l/secret', 'x')]],
    {
      l: '-> OUT',
      'OUT/secret': 'x',
    },
  ],
  [
    'a link target that is too long',
    [[pax({ linkpath: '/x'.repeat(3000) }), link('l', 'x')]],
    /target of the link is too long/,
  ],
  ['modes for what a link names', [[link('l', OUT), dir('l/', { mode: 0o7777 })]], { l: 'folder' }],
  ['a mode for a link', [[link('l', `${OUT}/secret`, { mode: 0o7777, mtime: 99 })]], { l: '-> OUT/secret' }],

  // Hard links.
  ['a hard link up', [[hard('h', '../outside/secret')]], /not there/],
  ['an absolute hard link', [[hard('h', `${OUT}/secret`)]], /not there/],
  [
    'a hard link to a link that leads out',
    [[link('l', `${OUT}/secret`), hard('h', 'l'), file('h', 'x')]],
    {
      l: '-> OUT/secret',
      h: 'x',
    },
  ],
  ['a hard link through a link', [[link('l', OUT), hard('h', 'l/secret')]], /not there/],
  [
    'a hard link through a link inside',
    [[dir('d'), file('d/f', 'x'), link('l', '/d'), hard('l/h', 'l/f')]],
    {
      d: 'folder',
      'd/f': 'x',
      'd/h': 'x',
      l: '-> /d',
    },
  ],
  [
    'a chain of hard links',
    [[link('l', `${OUT}/secret`), hard('a', 'l'), hard('b', 'a'), file('b/c', 'x')]],
    {
      l: '-> OUT/secret',
      a: '-> OUT/secret',
      b: '-> OUT/secret',
      'OUT/secret': 'folder',
      'OUT/secret/c': 'x',
    },
  ],
  ['a hard link to itself', [[file('h', 'x'), hard('h', 'h')]], { h: 'x' }],
  ['a hard link to itself that is not there', [[hard('h', 'h')]], /not there/],
  ['a hard link to a folder', [[dir('d'), hard('h', 'd')]], /link to the folder/],
  ['a hard link to the root', [[hard('h', '/')]], /not there/],
  ['a hard link in the place of the root', [[file('f', 'x'), hard('.', 'f')]], /root cannot be a hardlink/],
  [
    'a hard link that replaces what it names',
    [[dir('d'), file('d/f', 'x'), hard('d', 'd/f')]],
    /which it replaces/,
  ],
  ['a hard link below what it names', [[file('f', 'x'), hard('f/h', 'f')]], /which it replaces/],
  [
    'a hard link to what a lower layer has',
    [[file('f', 'x')], [hard('h', 'f')], [file('f', 'y')]],
    { f: 'y', h: 'x' },
  ],
  ['a hard link with a long target', [[gnuLong('K', `${UP}outside/secret`), hard('h', 'x')]], /not there/],

  // Whiteouts.
  ['a whiteout through a link', [[link('l', OUT)], [file('l/.wh.secret', '')]], { l: '-> OUT' }],
  ['a whiteout with ..', [[file('a', 'x')], [file('../outside/.wh.secret', '')]], { a: 'x' }],
  ['a whiteout of ..', [[dir('d'), file('d/a', 'x')], [file('d/.wh...', '')]], { d: 'folder', 'd/a': 'x' }],
  ['a whiteout of .', [[dir('d'), file('d/a', 'x')], [file('d/.wh..', '')]], { d: 'folder', 'd/a': 'x' }],
  [
    'a whiteout of nothing',
    [[dir('d'), file('d/a', 'x')], [file('d/.wh.', '')]],
    { d: 'folder', 'd/a': 'x' },
  ],
  ['an opaque whiteout through a link', [[link('l', OUT)], [file('l/.wh..wh..opq', '')]], { l: '-> OUT' }],
  [
    'an opaque whiteout through a link inside',
    [[dir('d'), file('d/a', 'x'), link('l', 'd')], [file('l/.wh..wh..opq', '')]],
    {
      d: 'folder',
      l: '-> d',
    },
  ],
  [
    'an opaque whiteout of the root',
    [[dir('d'), file('d/a', 'x'), link('l', OUT)], [file('.wh..wh..opq', '')]],
    {},
  ],
  ['a whiteout of a link', [[link('l', OUT), file('a', 'x')], [file('.wh.l', '')]], { a: 'x' }],
  ['a whiteout of a whiteout', [[file('a', 'x')], [file('.wh..wh.a', '')]], { a: 'x' }],
  [
    'a whiteout, of any type',
    [
      [file('a', 'x'), file('b', 'x')],
      [link('.wh.a', OUT), dir('.wh.b')],
    ],
    {},
  ],
  ['a hard link to a whiteout', [[file('.wh.a', 'x'), hard('h', '.wh.a')]], /not there/],
  [
    'a folder that is whited out and a link then',
    [[dir('d')], [file('.wh.d', ''), link('d', OUT), file('d/secret', 'x')]],
    {
      d: '-> OUT',
      'OUT/secret': 'x',
    },
  ],

  // What is no folder in the way of one, and the like.
  ['a file as a parent', [[file('f', 'x'), file('f/a', 'y')]], { f: 'folder', 'f/a': 'y' }],
  ['a FIFO as a parent', [[fifo('f'), file('f/a', 'x')]], { f: 'folder', 'f/a': 'x' }],
  ['a device as a parent', [[device('f'), file('f/a', 'x')]], { f: 'folder', 'f/a': 'x' }],
  ['a FIFO that is written to', [[fifo('f'), file('f', 'x')]], { f: 'x' }],
  ['a FIFO over a link', [[link('f', `${OUT}/secret`), fifo('f')]], { f: 'fifo' }],
  ['a FIFO through a link', [[link('l', OUT), fifo('l/f')]], { l: '-> OUT', 'OUT/f': 'fifo' }],
  ['a device over a link', [[link('f', `${OUT}/secret`), device('f')]], deviceIfRoot('f')],
  ['a hard link to a FIFO', [[fifo('f'), hard('h', 'f')]], { f: 'fifo', h: 'fifo' }],
  [
    'a hard link to a device',
    [[device('f'), hard('h', 'f')]],
    { ...deviceIfRoot('f'), ...deviceIfRoot('h') },
  ],
  [
    'a FIFO whose name is for a shell',
    [[fifo('$(touch x);`touch y`\n-m')]],
    { '$(touch x);`touch y`\n-m': 'fifo' },
  ],
  ['a file over a folder with a link out', [[dir('d'), link('d/l', OUT)], [file('d', 'x')]], { d: 'x' }],
  ['a member that is there twice', [[file('a', 'x'), file('./a', 'y'), file('/a', 'z')]], { a: 'z' }],
  [
    'names that differ in case',
    [[link('L', OUT), file('l/secret', 'x')]],
    { L: '-> OUT', l: 'folder', 'l/secret': 'x' },
  ],
  [
    'names that fold together',
    [[link('é', OUT), file('e\u0301/secret', 'x')]],
    {
      é: '-> OUT',
      'e\u0301': 'folder',
      'e\u0301/secret': 'x',
    },
  ],
  [
    'names that mean something to JavaScript',
    [[file('__proto__/x', 'x'), link('constructor', OUT)]],
    {
      '__proto__/x': 'x',
      constructor: '-> OUT',
    },
  ],
  ['a name that is too long', [[gnuLong('L', 'n'.repeat(256)), file('a', 'x')]], /name is too long/],
  ['a path that is too long', [[gnuLong('L', 'n/'.repeat(2000)), file('a', 'x')]], /path is too long/],
  [
    'a path that links make too long',
    [
      [
        gnuLong('K', 'n/'.repeat(900)),
        link('l', 'x'),
        gnuLong('K', `l/${'n/'.repeat(900)}`),
        link('m', 'x'),
        file('m/x', 'x'),
      ],
    ],
    /path is too long/,
  ],
  [
    'an owner that means no change',
    [[file('a', 'x'), pax({ uid: '4294967295' }), file('b', 'x')]],
    /no owner/,
  ],
  ['an owner below zero', [[pax({ uid: '-1' }), file('b', 'x')]], /no owner/],
];

/** A header whose name is split as ustar does it. */
function prefixed(prefix: string, name: string): Buffer {
  const bytes = header(name);
  bytes.write(prefix, 345);
  bytes.fill(' ', 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}

/** A folder to unpack into, with files around it that must not change. */
function scene() {
  const above = tempDir();
  for (const folder of ['outside/d', 'box', 'root-sibling', 'srv'])
    mkdirSync(join(above, folder), { recursive: true });
  for (const path of ['outside/secret', 'outside/d/a', 'secret', 'box/secret', 'box/root-sibling'])
    writeFileSync(join(above, path), `the content of ${path}`, { mode: 0o640 });
  symlinkSync('outside', join(above, 'link'));
  const state = () => {
    // The folder that the root is in changes with it.
    const { box: _, ...others } = stateOf(above);
    return Object.fromEntries(Object.entries(others).filter(([path]) => !`${path}/`.startsWith('box/root/')));
  };
  const before = state();
  return {
    outside: join(above, 'outside'),
    folder: join(above, 'box/root'),
    expectUntouched: () => expect(state()).toEqual(before),
  };
}

describe('nothing outside of the root changes, and inside is what a container would see, for', () => {
  const table = rows('/OUT');

  it.each(table.map(([name], at) => [name, at] as const))('%s', async (_, at) => {
    const { outside, folder, expectUntouched } = scene();
    const [, layers = [], outcome] = rows(outside)[at] ?? [];
    const unpacking = unpackLayers(
      layers.map((parts) => rawLayer(parts)),
      folder,
    );
    if (outcome instanceof RegExp) {
      await expect(unpacking).rejects.toMatchObject({
        code: 'OCISLIM_ARCHIVE_INVALID',
        message: expect.stringMatching(outcome),
      });
      expect(existsSync(folder)).toBe(false);
    } else {
      await unpacking;
      expect(shortened(contentsOf(folder), outside)).toEqual(outcome);
    }
    expectUntouched();
  });

  it('at least forty ways', () => {
    expect(table.length).toBeGreaterThan(40);
    expect(new Set(table.map(([name]) => name)).size).toBe(table.length);
  });
});

describe('nothing outside of the root changes', () => {
  it('for any members, in any order', async () => {
    const above = fc.constantFrom('', '', '../', 'OUT/', '/');
    const below = fc.constantFrom(
      '',
      '',
      '/secret',
      '/a',
      '/b/secret',
      '/.wh.secret',
      '/.wh..wh..opq',
      '/..',
    );
    const path = fc.tuple(above, fc.constantFrom('a', 'b', 'outside'), below).map((parts) => parts.join(''));
    const away = fc.constantFrom(
      '..',
      '../..',
      '../outside',
      '../../outside',
      'OUT',
      'OUT/secret',
      '/',
      'a/..',
    );
    const type = fc.constantFrom('0', '1', '2', '2', '2', '5', '6');
    const one = fc.record({ path, to: fc.oneof(away, path), type });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(one, { maxLength: 8 }), { maxLength: 3 }), async (layers) => {
        const { outside, folder, expectUntouched } = scene();
        const real = (text: string) => text.replace('OUT', outside);
        const unpacking = unpackLayers(
          layers.map((members) =>
            rawLayer(
              members.map(({ path: name, to, type }) =>
                header(real(name), { type, linkname: real(to), mode: 0o7777, mtime: 1 }),
              ),
            ),
          ),
          folder,
        );
        const failure = await unpacking.then(
          () => undefined,
          (error: unknown) => error,
        );
        if (failure !== undefined) expect(failure).toMatchObject({ code: 'OCISLIM_ARCHIVE_INVALID' });
        expect(existsSync(folder)).toBe(failure === undefined);
        expectUntouched();
        // A hard link would share its inode with what is outside.
        if (failure === undefined)
          expect(Object.values(contentsOf(folder))).not.toContain('the content of secret');
      }),
      { numRuns: 500 },
    );
  });
});

/** The listing of a root with `OUT` for the folder that is outside, and without what leads to it. */
function shortened(contents: Readonly<Record<string, string>>, outside: string): Record<string, string> {
  const inside = outside.slice(1);
  const short: Record<string, string> = Object.create(null);
  for (const [path, content] of Object.entries(contents)) {
    const cut = path.replace(inside, 'OUT');
    const leadsThere = content === 'folder' && (cut.endsWith('OUT') || isAbove(path, inside));
    if (!leadsThere) short[cut] = content.replace(outside, 'OUT');
  }
  return short;
}

function isAbove(path: string, inside: string): boolean {
  const ends = [];
  for (let at = inside; at !== '.'; at = dirname(at)) ends.push(at);
  return ends.some((end) => path === end || path.endsWith(`/root/${end}`));
}
