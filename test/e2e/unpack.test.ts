import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { getAttributeSync, listAttributesSync } from '@napi-rs/xattr';
import { describe, expect, it } from 'vitest';
import { MediaType, sha256 } from '#oci-spec-types';
import type { Unkept } from '../../src/rootfs/attributes.ts';
import { unpackLayers } from '../../src/rootfs/unpack.ts';
import { alpineBases, debianBase, writeLayout } from '../support/bases.ts';
import { bundled } from '../support/children.ts';
import { must } from '../support/cli.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { listing } from '../support/roots.ts';
import { noise } from '../support/scene.ts';
import {
  device,
  directory as dir,
  END,
  fifo,
  member as file,
  gnuLong,
  hard,
  symbolic as link,
  pax,
  rawLayer,
} from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';

const gzipped = (...parts: readonly Buffer[]) => gzipSync(Buffer.concat([...parts, END]));
const layerOf = (gzip: Buffer) => rawLayer(gunzipSync(gzip), { gzip: true });

/** Layers with everything that readers of tars differ in, but where umoci fails or does without. */
const AWKWARD = [
  gzipped(
    dir('./', { mode: 0o711, mtime: 1_600_000_000 }),
    dir('usr', { mtime: 1 }),
    dir('usr/bin', { mode: 0o555, mtime: 2 }),
    pax({
      mtime: '1700000000.5',
      'SCHILY.xattr.security.capability': capability(),
      'SCHILY.xattr.user.a': 'ü',
    }),
    file('usr/bin/ping', noise(100_000), { mode: 0o755, uid: 1, gid: 2 }),
    file('usr/bin/sudo', 'sudo', { mode: 0o4755 }),
    file('usr/bin/write', 'write', { mode: 0o2755, gid: 5 }),
    link('bin', 'usr/bin', { mtime: 3, uid: 7 }),
    link('abs', '/usr/bin'),
    link('up', '../../../usr/bin'),
    dir('tmp', { mode: 0o1777, mtime: 4 }),
    dir('none', { mode: 0, mtime: 5, uid: 9 }),
    file('none/f', 'f', { mode: 0 }),
    hard('hard', 'usr/bin/sudo'),
    hard('hard-of-link', 'bin'),
    device('null', { mode: 0o666, device: [1, 3] }),
    fifo('fifo', { mode: 0o640, gid: 3, mtime: 6 }),
    gnuLong('L', `${'long/'.repeat(40)}name`),
    file('short', 'long'),
    dir('opaque/a', { mtime: 7 }),
    file('opaque/a/old', 'old'),
    file('opaque/old', 'old'),
    dir('replaced'),
    file('replaced/f', 'f'),
    file('x', 'x'),
    pax({ uid: '3000000', gid: '3000001' }),
    file(Buffer.from('näme'), 'utf-8'),
    file('gone', 'gone'),
  ),
  gzipped(
    file('bin/through-link', '1', { mtime: 10 }),
    file('abs/through-absolute', '2', { mtime: 10 }),
    file('up/through-surplus', '3', { mtime: 10 }),
    hard('abs/hard', 'up/sudo'),
    file('opaque/new', 'new'),
    file('opaque/.wh..wh..opq', ''),
    file('replaced', 'a file now'),
    dir('x', { mode: 0o700, mtime: 11 }),
    file('x/y', 'y'),
    file('.wh.gone', ''),
    file('none/g', 'g'),
    file('usr/.wh.nothing', ''),
  ),
  gzipped(link('replaced', 'tmp'), file('replaced/in-tmp', 'z'), dir('usr/bin', { mode: 0o755, mtime: 12 })),
] as const;

function capability(): Buffer {
  return Buffer.from('AQAAAoAgAAAAAAAAAAAAAAAAAAA=', 'base64');
}

interface Seen {
  readonly mtime: bigint;
}

type Look = (path: string) => Seen;

const begun = BigInt(Date.now()) * 1_000_000n;

/** umoci gives folders that no layer lists, or that get such folders, the time of the day; ocislim what the image says. */
function expectAlike(ours: string, theirs: string, look: Look): void {
  const expected = listing(theirs, look);
  const found = Object.entries(listing(ours, look)).map(([path, seen]) => {
    const { mtime = seen.mtime } = expected[path] ?? {};
    return [path, mtime > begun && seen.mtime < begun ? { ...seen, mtime } : seen] as const;
  });
  expect(found.length).toBeGreaterThan(5);
  expect(Object.fromEntries(found)).toEqual(expected);
}

const everything: Look = (path) => {
  const stats = lstatSync(path, { bigint: true });
  const names = stats.isSymbolicLink() ? [] : listAttributesSync(path).sort();
  return {
    ...withoutOwners(path),
    mode: stats.mode.toString(8),
    owner: `${stats.uid}:${stats.gid}`,
    links: stats.nlink,
    device: stats.rdev,
    xattrs: names.map((name) => [name, getAttributeSync(path, name)?.toString('hex')]),
  };
};

/** What an ordinary user can have as root can; a folder that nobody may enter is another matter. */
const withoutOwners: Look = (path) => {
  const stats = lstatSync(path, { bigint: true });
  const isFolder = stats.isDirectory();
  return {
    mode: (isFolder ? stats.mode | 0o700n : stats.mode).toString(8),
    mtime: stats.mtimeNs,
    target: stats.isSymbolicLink() ? readlinkSync(path) : undefined,
    content: stats.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : undefined,
  };
};

const [amd64, arm64] = alpineBases();
const images = [
  ['Alpine', () => [amd64?.layer ?? Buffer.alloc(0)]],
  ['Alpine for arm64', () => [arm64?.layer ?? Buffer.alloc(0)]],
  ['Debian', () => [debianBase().layer]],
  ['Debian over Alpine', () => [amd64?.layer ?? Buffer.alloc(0), debianBase().layer]],
] as const;

describeWithPeers(
  'layers unpack as umoci unpacks them',
  ['umoci'],
  () => {
    it.each([...images, ['an image of everything awkward', () => AWKWARD] as const])(
      'to the last attribute, as root: %s',
      async (_, layersOf) => {
        const layers = layersOf();
        const folder = tempDir();
        writeLayout(join(folder, 'layout'), 'amd64', layers, 'it');
        await must('umoci', ['raw', 'unpack', '--image', 'layout:it', 'theirs'], { cwd: folder });
        const { unkept } = await unpackLayers(layers.map(layerOf), join(folder, 'ours'));
        expect(unkept).toEqual([]);
        expectAlike(join(folder, 'ours'), join(folder, 'theirs'), everything);
      },
    );

    it.each(images.slice(0, 3))('but for owners, as an ordinary user: %s', async (_, layersOf) => {
      const [gzip = Buffer.alloc(0)] = layersOf();
      const user = { uid: 54_321, gid: 54_321 };
      const folder = tempDir();
      chmodSync(folder, 0o777);
      writeLayout(join(folder, 'layout'), 'amd64', [gzip], 'it');
      const env = { HOME: folder };
      const unpack = ['raw', 'unpack', '--rootless', '--image', 'layout:it', 'theirs'];
      await must('umoci', unpack, { cwd: folder, env, ...user });
      writeFileSync(join(folder, 'layer'), gzip, { mode: 0o644 });
      const diffId = sha256(gunzipSync(gzip));
      const args = [await bundled('unpack'), 'layer', MediaType.LayerGzip, diffId, 'ours'];
      const unkept: Unkept[] = JSON.parse(await must(process.execPath, args, { cwd: folder, ...user }));
      expectAlike(join(folder, 'ours'), join(folder, 'theirs'), withoutOwners);
      await unpackLayers([layerOf(gzip)], join(folder, 'true'));
      const others = Object.entries(listing(join(folder, 'true'), ownersOf)).filter(
        ([, own]) => own !== '0:0',
      );
      expect(unkept.map(({ path, uid, gid }) => [path, `${uid}:${gid}`])).toEqual(
        expect.arrayContaining(others),
      );
    });
  },
  asRoot,
);

const ownersOf = (path: string) => `${lstatSync(path).uid}:${lstatSync(path).gid}`;

describe.runIf(asRoot.met)('a disk that is full', () => {
  it('is named, and nothing is left on it', async () => {
    const full = join(tempDir(), 'full');
    mkdirSync(full);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=50', 'tmpfs', full]);
    try {
      const many = Array.from({ length: 100 }, (_, at) => file(`d/${at}`, 'x'));
      for (const parts of [[file('big', noise(3_000_000))], many, many.map((_, at) => fifo(`d/${at}`))]) {
        const failure = unpackLayers([rawLayer(parts)], join(full, 'root'));
        await expect(failure).rejects.toMatchObject({ code: 'OCISLIM_DISK_FULL' });
        expect(readdirSync(full)).toEqual([]);
      }
    } finally {
      execFileSync('umount', [full]);
    }
  });
});
