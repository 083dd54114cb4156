import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { getAttributeSync, listAttributesSync } from '@napi-rs/xattr';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MediaType, sha256 } from '#oci-spec-types';
import type { Layer } from '../../src/image/model.ts';
import { readToc } from '../../src/layer/read-toc.ts';
import type { Toc } from '../../src/layer/toc.ts';
import type { Unkept } from '../../src/rootfs/attributes.ts';
import { mergeTocs } from '../../src/rootfs/tree.ts';
import { type UnpackOptions, unpackLayers, unpackOver } from '../../src/rootfs/unpack.ts';
import { bundled } from '../support/children.ts';
import { must } from '../support/cli.ts';
import { contentsOf, listing } from '../support/roots.ts';
import { noise } from '../support/scene.ts';
import {
  device,
  directory as dir,
  END,
  fifo,
  member as file,
  hard,
  header,
  symbolic as link,
  pax,
  rawLayer,
} from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';

const asRoot = process.getuid?.() === 0;

async function unpack(layers: readonly Layer[], options: UnpackOptions = {}) {
  const folder = join(tempDir(), 'root');
  return { folder, ...(await unpackLayers(layers, folder, options)) };
}

/** Unpacks what must be refused; nothing may be left of it. */
async function refused(layers: readonly Layer[], options: UnpackOptions = {}): Promise<unknown> {
  const above = tempDir();
  const failure = await unpackLayers(layers, join(above, 'root'), options).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(readdirSync(above)).toEqual([]);
  return failure;
}

const modeOf = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

describe('unpackLayers', () => {
  it.each([false, true])('writes files, folders and links with modes and times (gzip: %s)', async (gzip) => {
    const content = noise(300_000);
    const parts = [
      dir('./', { mode: 0o711, mtime: 5 }),
      dir('d', { mode: 0o1777, mtime: 1_000_000_000 }),
      pax({ mtime: '1700000000.123456789' }),
      file('d/big', content, { mode: 0o640 }),
      file('d/program', 'run me', { mode: 0o4755, mtime: 2_000_000_000 }),
      file('empty', '', { mode: 0 }),
      link('l', 'nowhere', { mtime: 7 }),
      hard('h', 'd/big'),
    ];
    const { folder, unkept, count, size } = await unpack([rawLayer(parts, { gzip })]);
    expect(readFileSync(join(folder, 'd/big')).equals(content)).toBe(true);
    expect({ count, size, unkept }).toEqual({ count: 6, size: content.length + 6, unkept: [] });
    const modes = ['', 'd', 'd/big', 'd/program', 'empty'].map((path) => modeOf(join(folder, path)));
    expect(modes).toEqual(['711', '1777', '640', '4755', '0']);
    const time = (path: string) => lstatSync(join(folder, path), { bigint: true }).mtimeNs;
    expect(['', 'd', 'd/program', 'l'].map((path) => time(path) / 1_000_000_000n)).toEqual([
      5n,
      1_000_000_000n,
      2_000_000_000n,
      7n,
    ]);
    expect(Math.abs(Number(time('d/big') - 1_700_000_000_123_456_789n))).toBeLessThan(1000);
    expect(statSync(join(folder, 'h')).ino).toBe(statSync(join(folder, 'd/big')).ino);
  });

  it('fills folders whatever their mode, and leaves them the time that the image gives', async () => {
    const layers = [
      rawLayer([
        dir('none', { mode: 0, mtime: 3 }),
        dir('none/b', { mode: 0o555, mtime: 4 }),
        file('none/b/old', 'x'),
      ]),
      rawLayer([file('none/b/new', 'y'), file('none/b/.wh.old', '')]),
    ];
    const { folder, unkept } = await unpack(layers);
    expect(modeOf(join(folder, 'none'))).toBe(asRoot ? '0' : '700');
    expect(unkept).toEqual(
      asRoot ? [] : [expect.objectContaining({ path: 'none', mode: 0 }), expect.anything()],
    );
    expect(['none', 'none/b'].map((path) => lstatSync(join(folder, path)).mtimeMs)).toEqual([3000, 4000]);
    expect(readdirSync(join(folder, 'none/b'))).toEqual(['new']);
    chmodSync(join(folder, 'none'), 0o700);
  });

  it('gives folders that no layer lists mode 0755 and no time', async () => {
    const { folder } = await unpack([rawLayer([file('a/b', 'x')])]);
    expect([modeOf(folder), modeOf(join(folder, 'a')), lstatSync(join(folder, 'a')).mtimeMs]).toEqual([
      '755',
      '755',
      0,
    ]);
  });

  it('writes names that are not UTF-8 as they are, and removes them', async () => {
    const name = (last: number) => Buffer.from([0x61, 0xff, last]);
    const below = (last: number) => Buffer.concat([name(last), Buffer.from('/f')]);
    const long = Buffer.alloc(255, 0xfe);
    const layers = [
      rawLayer([pax({ path: long }), file('long', 'x')]),
      rawLayer([file(below(1), 'x'), file(name(2), 'y'), dir('d'), file(below(3), 'z')]),
      rawLayer([file(Buffer.concat([Buffer.from('.wh.'), name(1)]), '')]),
    ];
    const { folder } = await unpack(layers);
    expect(readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare)).toEqual(
      [name(2), name(3), Buffer.from('d'), long].sort(Buffer.compare),
    );
  });

  it('makes FIFOs, and hard links of them', async () => {
    const { folder } = await unpack([rawLayer([fifo('d/f', { mode: 0o620, mtime: 9 }), hard('h', 'd/f')])]);
    const stats = lstatSync(join(folder, 'h'));
    expect([stats.isFIFO(), stats.mode & 0o777, stats.nlink, stats.mtimeMs]).toEqual([true, 0o620, 2, 9000]);
  });

  it.runIf(asRoot)('keeps owners, devices and extended attributes as root', async () => {
    const capability = Buffer.from('AQAAAoAgAAAAAAAAAAAAAAAAAAA=', 'base64');
    const attributes = {
      'SCHILY.xattr.security.capability': capability,
      'SCHILY.xattr.user.note': 'ü',
      'SCHILY.xattr.user.overlay.opaque': 'y',
      'SCHILY.xattr.trusted.overlay.opaque': 'y',
      'SCHILY.xattr.security.selinux': 'label',
    };
    const parts = [
      pax(attributes),
      file('ping', 'x', { uid: 1, gid: 2, mode: 0o4555, mtime: 8 }),
      pax({ 'SCHILY.xattr.user.folder': 'd' }),
      dir('d', { uid: 3, mode: 0o555 }),
      link('l', 'ping', { uid: 4, gid: 5 }),
      device('null', { device: [1, 3], mode: 0o666, gid: 6 }),
      header('disk', { type: '4', device: [259, 300] }),
    ];
    const { folder, unkept } = await unpack([rawLayer(parts)]);
    const at = (path: string) => join(folder, path);
    expect(unkept).toEqual([]);
    expect(listing(folder, (path) => `${lstatSync(path).uid}:${lstatSync(path).gid}`)).toEqual({
      d: '3:0',
      disk: '0:0',
      l: '4:5',
      null: '0:6',
      ping: '1:2',
    });
    expect(listAttributesSync(at('ping')).sort()).toEqual(['security.capability', 'user.note']);
    expect(getAttributeSync(at('ping'), 'security.capability')).toEqual(capability);
    expect([getAttributeSync(at('ping'), 'user.note')?.toString(), listAttributesSync(at('d'))]).toEqual([
      'ü',
      ['user.folder'],
    ]);
    expect([modeOf(at('ping')), lstatSync(at('ping')).mtimeMs]).toEqual(['4555', 8000]);
    // glibc's makedev: 12 bits of the major number above 8 bits of the minor one, whose others are above those.
    expect([lstatSync(at('null')).rdev, lstatSync(at('disk')).rdev]).toEqual([0x103, 0x11032c]);
    expect([modeOf(at('null')), lstatSync(at('disk')).isBlockDevice()]).toEqual(['666', true]);
  });

  it.runIf(asRoot)('tells, as an ordinary user, what could not be kept, and keeps the rest', async () => {
    const above = tempDir();
    chmodSync(above, 0o777);
    const parts = [
      dir('etc', { mode: 0o555 }),
      file('etc/shadow', 's', { gid: 42, mode: 0o640 }),
      file('etc/mine', 'm'),
      file('sudo', 'x', { mode: 0o4755 }),
      file('mail', 'x', { uid: 8, gid: 8, mode: 0o6755 }),
      pax({ 'SCHILY.xattr.security.capability': Buffer.from([1, 255]), 'SCHILY.xattr.user.a': 'b' }),
      file('ping', 'x', { mode: 0o444 }),
      device('null', { mode: 0o666 }),
      hard('zero', 'null'),
      fifo('fifo', { uid: 9 }),
      link('l', 'x', { uid: 9 }),
      hard('mail2', 'mail'),
    ];
    const layer = rawLayer(parts);
    const tar = join(above, 'layer.tar');
    writeFileSync(tar, Buffer.concat([...parts, END]));
    const folder = join(above, 'root');
    const program = await bundled('unpack');
    const user = { uid: 54_321, gid: 54_322 };
    const args = [program, tar, MediaType.Layer, layer.diffId, folder];
    const unkept: Unkept[] = JSON.parse(await must(process.execPath, args, { ...user, cwd: above }));
    expect(unkept.filter(({ path }) => path !== 'ping')).toEqual([
      { path: 'etc', type: 'directory', uid: 0, gid: 0, mode: 0o555 },
      { path: 'etc/shadow', type: 'file', uid: 0, gid: 42, mode: 0o640 },
      { path: 'fifo', type: 'fifo', uid: 9, gid: 0, mode: 0o644 },
      { path: 'l', type: 'symlink', uid: 9, gid: 0, mode: 0o777 },
      { path: 'mail', type: 'file', uid: 8, gid: 8, mode: 0o6755 },
      {
        path: 'null',
        type: 'device',
        uid: 0,
        gid: 0,
        mode: 0o666,
        device: { kind: 'character', major: 1, minor: 3 },
      },
    ]);
    // The program of the test has no native code beside it, as where there is none for a machine.
    expect(unkept.find(({ path }) => path === 'ping')).toMatchObject({
      mode: 0o444,
      xattrs: { 'security.capability': 'Af8=' },
    });
    const seen = listing(folder, (path) => `${modeOf(path)} ${lstatSync(path).uid === user.uid}`);
    expect(seen).toEqual({
      etc: '755 true',
      'etc/mine': '644 true',
      'etc/shadow': '640 true',
      fifo: '644 true',
      l: '777 true',
      mail: '755 true',
      mail2: '755 true',
      ping: '444 true',
      sudo: '4755 true',
    });
  });
});

describe('whiteouts', () => {
  const lower = [dir('d'), file('d/a', '1'), dir('d/s'), file('d/s/b', '1'), file('c', '1')];

  it.each([
    ['hide a file', [file('d/.wh.a', '')], { d: 'folder', 'd/s': 'folder', 'd/s/b': '1', c: '1' }],
    ['hide a folder', [file('.wh.d', '')], { c: '1' }],
    [
      'leave what the same layer has, before it',
      [file('c', '2'), file('.wh.c', ''), file('.wh.d', '')],
      { c: '2' },
    ],
    [
      'leave what the same layer has, after it',
      [file('.wh.c', ''), file('c', '2'), file('.wh.d', '')],
      { c: '2' },
    ],
    [
      'hide the rest of a folder that has something new',
      [file('d/s/n', '2'), file('.wh.d', ''), file('.wh.c', '')],
      {
        d: 'folder',
        'd/s': 'folder',
        'd/s/n': '2',
      },
    ],
    [
      'of a whole folder come first',
      [file('d/.wh..wh..opq', ''), file('d/n', '2')],
      { d: 'folder', 'd/n': '2', c: '1' },
    ],
    [
      'of a whole folder come last',
      [file('d/n', '2'), file('d/.wh..wh..opq', '')],
      { d: 'folder', 'd/n': '2', c: '1' },
    ],
    [
      'of what is not there',
      [file('x/.wh.y', ''), file('.wh.z', ''), file('c/.wh.b', ''), file('.wh.d', '')],
      { c: '1' },
    ],
  ])('%s', async (_, upper, outcome) => {
    const { folder } = await unpack([rawLayer(lower), rawLayer(upper)]);
    expect(contentsOf(folder)).toEqual(outcome);
  });
});

describe('layers that are not what the image says', () => {
  const parts = [dir('d'), file('d/a', 'a'.repeat(2000)), file('d/b', 'b'), link('l', 'd')];
  const tar = Buffer.concat([...parts, END]);

  it('are refused wherever they are cut, and leave nothing', async () => {
    const whole = rawLayer(parts);
    for (let length = 0; length < tar.length; length += 256) {
      const cut = rawLayer(tar.subarray(0, length));
      const right = await refused([rawLayer([file('x', 'x')]), cut]);
      expect(right).toMatchObject({ code: 'OCISLIM_ARCHIVE_INVALID' });
      const wrong = await refused([{ ...cut, diffId: whole.diffId }]);
      expect(wrong).toMatchObject({
        code: expect.stringMatching(/^OCISLIM_(ARCHIVE_INVALID|DIGEST_MISMATCH)$/),
      });
    }
  });

  it('are refused when their compression is damaged, or is cut', async () => {
    const { open, ...layer } = rawLayer(parts, { gzip: true });
    const bytes = Buffer.concat(await (await open()).toArray());
    const damaged = Buffer.from(bytes);
    damaged[30] = (damaged[30] ?? 0) ^ 255;
    for (const wrong of [damaged, bytes.subarray(0, -9), Buffer.alloc(0)]) {
      const { open: openWrong } = rawLayer(wrong);
      expect(await refused([{ ...layer, open: openWrong }])).toMatchObject({
        code: 'OCISLIM_ARCHIVE_INVALID',
      });
    }
  });

  it('are refused for a wrong diffID, although they are read to the end', async () => {
    const layer = rawLayer(parts, { diffId: sha256('another') });
    expect(await refused([layer])).toMatchObject({ code: 'OCISLIM_DIGEST_MISMATCH' });
  });

  it('are refused for what follows the end marker, which the digest covers', async () => {
    const longer = rawLayer(Buffer.concat([tar, file('hidden', 'x')]));
    expect(contentsOf((await unpack([longer])).folder)).not.toHaveProperty('hidden');
    expect(await refused([{ ...longer, diffId: rawLayer(tar).diffId }])).toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
  });

  it('pass on what their source fails with', async () => {
    const failure = new Error('gone');
    expect(await refused([rawLayer(parts, { open: () => Promise.reject(failure) })])).toBe(failure);
  });

  it('are refused when they are no tar', async () => {
    const { descriptor, ...layer } = rawLayer(parts);
    const wrong = { ...layer, descriptor: { ...descriptor, mediaType: 'application/vnd.in-toto+json' } };
    expect(await refused([wrong])).toMatchObject({ code: 'OCISLIM_DOCUMENT_INVALID' });
  });

  const deep = (name: string) => file(`${name}/${'d/'.repeat(45)}a`, '');
  const large = (name: string) => file(name, 'x'.repeat(600));
  const attribute = (size: number) => pax({ 'SCHILY.xattr.user.a': 'x'.repeat(size) });
  const many = (count: number, make: (name: string) => Buffer) =>
    Array.from({ length: count }, (_, at) => make(`m${at}`));
  it.each([
    ['bytes, in one layer', /1000 bytes/, [[large('a'), large('b')]]],
    ['bytes, over all layers', /1000 bytes/, [[large('a')], [large('a')]]],
    ['bytes that are said to come', /1000 bytes/, [[header('a', { size: 8 ** 11 - 1 })]]],
    ['members', /2000 members/, [many(2001, () => file('a', ''))]],
    ['members, over all layers', /2000 members/, [many(1500, () => dir('a')), many(501, () => dir('a'))]],
    ['folders that are implied', /2000 members/, [many(45, deep)]],
    ['FIFOs', /10000 FIFOs/, [many(10_001, fifo)], { memberLimit: 20_000 }],
    ['bytes in one attribute', /extended attributes/, [[attribute(65_537), file('a', 'x')]]],
    [
      'bytes in attributes',
      /extended attributes/,
      [many(300, (name) => Buffer.concat([attribute(65_000), header(name)]))],
    ],
  ])('are refused for too many %s', async (_, message, layers, limits: UnpackOptions = {}) => {
    const failure = await refused(
      layers.map((each) => rawLayer(each)),
      { sizeLimit: 1000, memberLimit: 2000, ...limits },
    );
    expect(failure).toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('cannot take long by whiteouts of one large folder', async () => {
    const marks = Array.from({ length: 20_000 }, () => header('d/.wh..wh..opq'));
    const begun = performance.now();
    const { count } = await unpack([
      rawLayer([file('f', ''), ...many(20_000, (name) => hard(`d/${name}`, 'f')), ...marks]),
    ]);
    expect(count).toBe(20_002);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it('stop when they are to stop', async () => {
    const aborting = new AbortController();
    const slow = rawLayer([file('a', noise(1_000_000)), file('b', 'x')]);
    const onBytes = () => aborting.abort();
    expect(await refused([slow], { signal: aborting.signal, onBytes })).toMatchObject({ name: 'AbortError' });
  });

  it('do not touch a folder that is there', async () => {
    const folder = join(tempDir(), 'root');
    mkdirSync(folder);
    writeFileSync(join(folder, 'mine'), 'x');
    await expect(unpackLayers([rawLayer(parts)], folder)).rejects.toMatchObject({
      code: 'OCISLIM_NOT_WRITABLE',
    });
    expect(contentsOf(folder)).toEqual({ mine: 'x' });
    expect(existsSync(join(folder, 'd'))).toBe(false);
  });
});

const NAMES = ['a', 'b', 'c'] as const;
const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 });
const mode = fc.constantFrom(0o755, 0o700, 0o555, 0, 0o1777, 0o4711);
const change = fc.record({
  path,
  other: path,
  mode,
  kind: fc.constantFrom('file', 'folder', 'link', 'hard', 'fifo', 'whiteout', 'opaque'),
});

type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** The members of a change, with the folders they are in, as tars have them. */
function membersOf({ path: parts, other, mode, kind }: Change): Buffer[] {
  const name = parts.join('/');
  const parents = (of: readonly string[]) => of.slice(1).map((_, at) => dir(of.slice(0, at + 1).join('/')));
  switch (kind) {
    case 'file':
      return [...parents(parts), file(name, `${other}`, { mode })];
    case 'folder':
      return [...parents(parts), dir(name, { mode })];
    case 'link':
      return [...parents(parts), link(name, other.join('/'))];
    case 'fifo':
      return [...parents(parts), fifo(name, { mode })];
    case 'hard': {
      const target = other.join('/');
      if (`${name}/`.startsWith(`${target}/`) || `${target}/`.startsWith(`${name}/`)) return [];
      return [...parents(parts), ...parents(other), file(target, 'linked', { mode }), hard(name, target)];
    }
    case 'whiteout':
      return [...parents(parts), file([...parts.slice(0, -1), `.wh.${parts.at(-1)}`].join('/'), '')];
    default:
      return [...parents(parts), dir(name), file(`${name}/.wh..wh..opq`, '')];
  }
}

describe('an unpacked root', () => {
  it('has what the merged tables of contents have', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 4 }), async (changes) => {
        const layers = changes.map((each) => rawLayer(each.flatMap(membersOf)));
        const tocs: Toc[] = [];
        for (const layer of layers) tocs.push((await readToc(await layer.open(), MediaType.Layer)).toc);
        const merged: Record<string, unknown> = {};
        for (const { path: at, type, mode, linkname, size } of mergeTocs(tocs).all()) {
          const kept = type === 'directory' && !asRoot ? mode | 0o700 : mode;
          merged[at] = { type, mode: kept, linkname, size: type === 'file' ? size : 0 };
        }
        const { folder } = await unpack(layers);
        expect(listing(folder, described)).toEqual(merged);
      }),
      { numRuns: 200 },
    );
  });
});

function described(at: string) {
  const stats = lstatSync(at);
  const type = stats.isDirectory()
    ? 'directory'
    : stats.isFile()
      ? 'file'
      : stats.isFIFO()
        ? 'fifo'
        : 'symlink';
  const linkname = type === 'symlink' ? readlinkSync(at) : undefined;
  return { type, mode: stats.mode & 0o7777, linkname, size: type === 'file' ? stats.size : 0 };
}

describe('unpackOver', () => {
  const lower = rawLayer([
    dir('d', { mode: 0o555, mtime: 1_000_000_000 }),
    file('d/a', 'a'),
    file('d/b', 'b', { mode: 0o4711 }),
    hard('d/h', 'd/a'),
    link('l', 'd'),
    dir('e', { mtime: 5 }),
    file('e/x', 'x'),
    file('é\udcff', 'odd'),
  ]);
  const upper = rawLayer([
    file('d/.wh.b', ''),
    file('l/new', 'through a link'),
    hard('again', 'd/a'),
    file('e', 'a file now'),
    dir('f/g', { mode: 0o700 }),
  ]);

  it('lays layers over what is on the disk as if all were unpacked together', async () => {
    const together = await unpack([lower, upper]);
    const { folder, unkept } = await unpack([lower]);
    const over = await unpackOver([upper], folder, unkept);
    const seen = (root: string) =>
      listing(root, (path) => {
        const { mode, uid, gid, nlink, size } = lstatSync(path);
        return [mode.toString(8), uid, gid, nlink, lstatSync(path).isDirectory() ? '' : size].join(' ');
      });
    expect(contentsOf(folder)).toEqual(contentsOf(together.folder));
    expect(seen(folder)).toEqual(seen(together.folder));
    expect(over.unkept).toEqual(together.unkept);
    expect(over.count).toBe(together.count);
  });

  it('leaves times and modes of folders that have nothing new in them', async () => {
    const { folder, unkept } = await unpack([lower]);
    await unpackOver([rawLayer([file('top', '')])], folder, unkept);
    const { mtimeMs, mode } = statSync(join(folder, 'd'));
    expect([mtimeMs / 1000, mode & 0o7777]).toEqual([1_000_000_000, asRoot ? 0o555 : 0o755]);
  });
});
