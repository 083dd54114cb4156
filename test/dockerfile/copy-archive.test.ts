import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { planCopy } from '../../src/dockerfile/copy.ts';
import type { CopyRequest } from '../../src/dockerfile/copy-request.ts';
import { openTarTree } from '../../src/dockerfile/tar-tree.ts';
import { compress } from '../../src/layer/compression.ts';
import { imageOf, linesOf, type Things, treeOf } from '../support/file-trees.ts';
import * as tars from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';

const { member, directory, symbolic, hard, END } = tars;

const image = imageOf({
  'opt/old/': { mode: 0o700, uid: 3 },
  'opt/was/in': '',
  'opt/abs': '-> /etc',
  'opt/rel': '-> old',
  'etc/passwd': 'root:x:0:0::/:/bin/sh\n',
});

const tarOf = (...members: Buffer[]) => Buffer.concat([...members, END]);
const simple = tarOf(
  directory('d', { mode: 0o711, uid: 5, gid: 6 }),
  member('d/f', 'F', { mode: 0o4755, uid: 7, gid: 8, mtime: 99 }),
  symbolic('d/l', 'f', { uid: 9 }),
);
const UNPACKED = ['d 755 0:0 n', 'd 711 5:6 n/d', 'f 4755 7:8 n/d/f = F', 'l 9:0 n/d/l -> f'];

function temporaryFile() {
  const folder = tempDir();
  let made = 0;
  return async () => join(folder, String(made++));
}

async function add(things: Things, more: Partial<CopyRequest> = {}): Promise<string[]> {
  const request: CopyRequest = {
    kind: 'add',
    sources: Object.keys(things),
    destination: '/n',
    workdir: '/',
    created: 1,
    ...more,
  };
  const entries = await planCopy(request, treeOf(things), image, { temporaryFile: temporaryFile() });
  expect(entries.every(({ mtime }) => mtime === 1)).toBe(true);
  return linesOf(entries);
}

/** A tar on top of `/opt` of the image. */
const onOpt = (...members: Buffer[]) => add({ x: { content: tarOf(...members) } }, { destination: '/opt' });

/** The same as bzip2 and xz pack it. */
const PACKED = {
  bzip2:
    'QlpoOTFBWSZTWRi1/KUAAIVfkP2AQAD/hAEAAALlBB4ABEAACCAAioaaIjIhjU9TynqZM0EkUAAAGgCKWtYttAXANFgAgE3z3Sgm' +
    '4RRRli0koXDJAM2QOIGVo6zocERpgEQhEBBMk8bpgkK/NTXXP2+UIvaplgMHKT4xWCqWA6ITlLs2/B5S6fL43mQfi7kinChIDFr+' +
    'UoA=',
  xz:
    '/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Av/AHtdADIAM1AYaInClbZ4EqpknTPqaorWwt/WeFCM2qM9rXD7vtxLU+aA9smfrWNH' +
    'hK/didfj6uUCTJG9ViO9hh1GfSe4q0V3ZF1ZGuOOd8OczmISZJu10mUMBI9D45ka6r6B/VVc+xYhbZOslUvmSDlZRvvfJze0WGEO' +
    '/xNmAAAAA4L5SYXBpgsAAZcBgBgAAGWfOgGxxGf7AgAAAAAEWVo=',
};

function packed(program: keyof typeof PACKED): Buffer {
  return Buffer.from(PACKED[program], 'base64');
}

async function zstd(bytes: Buffer): Promise<Buffer> {
  const source = async function* () {
    yield bytes;
  };
  return Buffer.concat(await compress(source(), { kind: 'zstd' }).toArray());
}

describe('ADD unpacks an archive by its content', () => {
  it('a plain tar, with its owners and modes, whatever its name', async () => {
    expect(await add({ 'picture.png': { content: simple } })).toEqual(UNPACKED);
  });
  it('gzip', async () => {
    expect(await add({ a: { content: gzipSync(simple) } })).toEqual(UNPACKED);
  });
  it('zstd', async () => {
    expect(await add({ a: { content: await zstd(simple) } })).toEqual(UNPACKED);
  });
  it('bzip2', async () => {
    expect(await add({ a: { content: packed('bzip2') } })).toEqual(UNPACKED);
  });
  it('xz', async () => {
    expect(await add({ a: { content: packed('xz') } })).toEqual(UNPACKED);
  });
  it('each that a wildcard finds', async () => {
    const other = tarOf(member('e', 'E'));
    const things = { 'a.tar': { content: simple }, 'b.tar': { content: other }, 'c.txt': 'C' };
    expect(await add(things, { sources: ['*'], destination: '/n/' })).toEqual([
      'd 755 0:0 n',
      'f 644 0:0 n/c.txt = C',
      ...UNPACKED.slice(1),
      'f 644 0:0 n/e = E',
    ]);
  });
});

describe('what is no archive is a file', () => {
  it.each<[string, string | Buffer]>([
    ['text', 'text'],
    ['nothing', ''],
    ['a tar without members', END],
    ['gzip of something else', gzipSync('text')],
    ['the beginning of gzip', Buffer.from([0x1f, 0x8b, 8, 0])],
    ['the beginning of bzip2', 'BZh9 is a name'],
    ['the beginning of xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2])],
    ['the beginning of zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xff, 1])],
    ['a tar cut in its first header', simple.subarray(0, 500)],
    ['a header with another sum', Buffer.concat([Buffer.from('X'), simple.subarray(1)])],
  ])('%s', async (_, content) => {
    const [line, ...more] = await add({ a: { content } });
    expect([line?.slice(0, 14), more]).toEqual(['f 644 0:0 n = ', []]);
  });

  it('nor is one that is not to be unpacked', async () => {
    const [line] = await add({ a: { content: simple } }, { unpack: false });
    expect(line).toMatch(/^f 644 0:0 n = d/);
  });

  it('nor is one that is copied, or in a folder', async () => {
    expect((await add({ a: { content: simple } }, { kind: 'copy' }))[0]).toMatch(/^f 644 0:0 n = d/);
    expect((await add({ 'd/a': { content: simple } }, { sources: ['d'] }))[1]).toMatch(/^f 644 0:0 n\/a = d/);
  });
});

describe('an archive that is unpacked', () => {
  it('has the owner and mode that are asked for', async () => {
    expect(await add({ a: { content: simple } }, { chown: '1:2', chmod: '700' })).toEqual([
      'd 700 1:2 n',
      'd 700 1:2 n/d',
      'f 700 1:2 n/d/f = F',
      'l 1:2 n/d/l -> f',
    ]);
  });

  it('gives folders that are there its own look, and leaves those alone that it does not list', async () => {
    expect(await onOpt(directory('old', { mode: 0o755 }), member('was/n', 'N'))).toEqual([
      'd 755 0:0 opt/old',
      'f 644 0:0 opt/was/n = N',
    ]);
  });

  it('replaces folders by files, and files by folders', async () => {
    expect(await onOpt(member('was', 'W'), member('f', ''), directory('f'), member('f/g', 'G'))).toEqual([
      'd 755 0:0 opt/f',
      'f 644 0:0 opt/f/g = G',
      'f 644 0:0 opt/was = W',
    ]);
  });

  it('follows links of the image inside its folder alone', async () => {
    expect(await onOpt(member('rel/n', 'R'), member('abs/passwd', 'P'))).toEqual([
      'd 755 0:0 opt/etc',
      'f 644 0:0 opt/etc/passwd = P',
      'd 700 3:0 opt/old',
      'f 644 0:0 opt/old/n = R',
    ]);
  });

  it('keeps hard links', async () => {
    expect(await onOpt(member('a', 'A'), hard('b', 'a'), hard('c', './b'))).toEqual([
      'f 644 0:0 opt/a = A',
      'h 644 0:0 opt/b -> opt/a',
      'h 644 0:0 opt/c -> opt/a',
    ]);
  });

  it('holds the last of what it has twice', async () => {
    expect(await onOpt(member('a', 'old'), member('a', 'new'))).toEqual(['f 644 0:0 opt/a = new']);
  });

  it('may have names that are not UTF-8', async () => {
    expect(await onOpt(member(Buffer.from([0xff]), 'bytes'))).toEqual(['f 644 0:0 opt/\udcff = bytes']);
  });

  it.each<[string, Buffer[], string]>([
    ['..', [member('../../../etc/shadow', 'x')], 'f 644 0:0 opt/etc/shadow = x'],
    ['an absolute name', [member('/etc/shadow', 'x')], 'f 644 0:0 opt/etc/shadow = x'],
    ['a link out', [symbolic('l', '../../..'), member('l/shadow', 'x')], 'f 644 0:0 opt/shadow = x'],
    ['an absolute link', [symbolic('l', '/etc'), member('l/shadow', 'x')], 'f 644 0:0 opt/etc/shadow = x'],
    [
      'two links',
      [symbolic('a', '..'), symbolic('b', 'a/..'), member('b/shadow', 'x')],
      'f 644 0:0 opt/shadow = x',
    ],
  ])('leads nowhere out by %s', async (_, members, line) => {
    const lines = await onOpt(...members);
    expect(lines).toContain(line);
    expect(lines.every((each) => / opt(\/|$| )/.test(each))).toBe(true);
  });

  it.each<[string, Buffer[], RegExp]>([
    ['a whiteout', [member('.wh.passwd', '')], /removes files/],
    ['an opaque whiteout', [member('d/.wh..wh..opq', '')], /removes files/],
    ['a device', [tars.device('null')], /is a device/],
    ['a FIFO', [tars.fifo('pipe')], /is a fifo/],
    ['a hard link to nothing', [hard('b', 'a')], /hard link to "a"/],
    ['a hard link out', [hard('b', '../etc/passwd')], /hard link to "etc\/passwd"/],
    ['a hard link to a folder', [directory('d'), hard('b', 'd')], /hard link to "d"/],
    ['links in a circle', [symbolic('a', 'b'), symbolic('b', 'a'), member('a/x', '')], /links/],
    [
      'a folder in the place of a folder that it replaced',
      [member('was', ''), directory('was')],
      /both a file and a folder/,
    ],
  ])('is refused for %s', async (_, members, message) => {
    await expect(onOpt(...members)).rejects.toThrow(message);
  });

  it('needs no end marker where nothing can have been lost in silence', async () => {
    const open = member('f', 'F');
    expect(await add({ a: { content: open } })).toEqual(['d 755 0:0 n', 'f 644 0:0 n/f = F']);
    await expect(add({ a: { content: gzipSync(open) } })).rejects.toThrow('no end marker');
  });

  it('is refused when it is cut', async () => {
    await expect(add({ a: { content: simple.subarray(0, 1200) } })).rejects.toThrow(/cut short/);
    await expect(add({ a: { content: gzipSync(simple).subarray(0, -20) } })).rejects.toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
    });
  });
});

describe('a tar as build context', () => {
  const open = (bytes: Buffer, folder = tempDir()) =>
    openTarTree(Readable.from([bytes]), {
      name: 'the build context',
      temporaryFile: async () => join(folder, 'spool'),
    });
  const all = async (bytes: Buffer) => {
    const request = { kind: 'copy', sources: ['.'], destination: '/n/', workdir: '/', created: 0 } as const;
    return linesOf(await planCopy(request, await open(bytes), image));
  };

  it.each([
    ['plain', () => simple],
    ['gzip', () => gzipSync(simple)],
    ['bzip2', () => packed('bzip2')],
    ['xz', () => packed('xz')],
  ])('may be %s', async (_, bytes) => {
    expect(await all(bytes())).toEqual([
      'd 755 0:0 n',
      'd 711 0:0 n/d',
      'f 4755 0:0 n/d/f = F',
      'l 0:0 n/d/l -> f',
    ]);
  });

  it('has folders that it does not list, links and their targets', async () => {
    const tree = await open(tarOf(member('a/b/c', 'C'), symbolic('up', 'a/b'), symbolic('loop', 'loop')));
    expect(await tree.list('')).toEqual(['a', 'loop', 'up']);
    expect(await tree.lookup('up/c')).toMatchObject({ path: 'a/b/c', size: 1 });
    expect(await tree.lookup('loop')).toBeUndefined();
    expect(await tree.lookup('no')).toBeUndefined();
    expect(await tree.list('a/b')).toEqual(['c']);
  });

  it.each<[string, Buffer[]]>([
    ['..', [member('../../secret', 'x')]],
    ['a link', [symbolic('l', '../../..'), member('l/secret', 'x')]],
  ])('writes nothing but its spool, led out by %s', async (_, members) => {
    const above = tempDir();
    const folder = join(above, 'in');
    writeFileSync(join(above, 'other'), '');
    const tree = await open(tarOf(...members), folder);
    expect(await tree.lookup('secret')).toMatchObject({ path: 'secret' });
    expect([readdirSync(above).sort(), readdirSync(folder)]).toEqual([['in', 'other'], ['spool']]);
    expect(existsSync(join(above, 'secret'))).toBe(false);
  });

  it('must be one', async () => {
    await expect(open(Buffer.from('text'))).rejects.toThrow('the build context: not a tar');
  });
});
