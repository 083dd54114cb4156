import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/layer/entry.ts';
import { readTar, type TarMember } from '../../src/layer/tar-reader.ts';
import { tarStream } from '../../src/layer/tar-writer.ts';
import { file, folder, symlink } from '../support/entries.ts';
import { bytesOf, streamOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';

async function written(entries: readonly Entry[]): Promise<Buffer> {
  return bytesOf(tarStream(entries));
}

async function membersOf(tar: Buffer): Promise<TarMember[]> {
  const members: TarMember[] = [];
  await readTar(streamOf(tar), (member) => void members.push(member));
  return members;
}

async function roundTrip(entry: Entry): Promise<TarMember | undefined> {
  return (await membersOf(await written([entry])))[0];
}

describe('tarStream', () => {
  it('writes what the system tar reads', async () => {
    const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`;
    const tar = await written([
      folder('bin'),
      file('bin/hello', 'hello world\n', { mode: 0o755 }),
      symlink('bin/hi', 'hello'),
      file('tmp/ünïcode', 'ü'),
      file(long, 'long'),
      { path: 'bin/hard', type: 'hardlink', mode: 0o755, uid: 0, gid: 0, mtime: 0, linkname: 'bin/hello' },
    ]);
    const out = tempDir();
    writeFileSync(join(out, 'a.tar'), tar);
    mkdirSync(join(out, 'x'));
    execFileSync('tar', ['-xf', 'a.tar', '-C', 'x', '--no-same-owner'], { cwd: out });
    expect(readFileSync(join(out, 'x/bin/hello'), 'utf8')).toBe('hello world\n');
    expect(readFileSync(join(out, 'x/bin/hi'), 'utf8')).toBe('hello world\n');
    expect(readFileSync(join(out, 'x/tmp/ünïcode'), 'utf8')).toBe('ü');
    expect(readFileSync(join(out, 'x', long), 'utf8')).toBe('long');
    expect(statSync(join(out, 'x/bin/hard')).ino).toBe(statSync(join(out, 'x/bin/hello')).ino);
  });

  it('gives the same bytes in whatever order the entries come', async () => {
    const entries = [file('b', '1'), folder('a'), file('a/b', '2'), file('a-b', '3'), file('a.c', '4')];
    const forward = await written(entries);
    expect(await written([...entries].reverse())).toEqual(forward);
    expect((await membersOf(forward)).map((member) => member.path)).toEqual(['a', 'a/b', 'a-b', 'a.c', 'b']);
  });

  it('keeps values that do not fit into a header', async () => {
    expect(await roundTrip(file('f', '', { mode: 0 }))).toMatchObject({ mode: 0, mtime: 0 });
    expect(await roundTrip(file('f', '', { mode: 0o4755 }))).toMatchObject({ mode: 0o4755 });
    expect(await roundTrip(file('f', '', { uid: 262_144, gid: 4_000_000_000 }))).toMatchObject({
      uid: 262_144,
      gid: 4_000_000_000,
    });
    const after2038 = 2 ** 31 + 5;
    expect(await roundTrip(file('f', '', { mtime: after2038 }))).toMatchObject({ mtime: after2038 });
  });

  it('keeps any legal path', async () => {
    const part = fc
      .string({ minLength: 1, maxLength: 130, unit: 'grapheme' })
      .filter(
        (text) =>
          !/[/\0]/.test(text) && text !== '.' && text !== '..' && Buffer.from(text).toString() === text,
      );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 4 }), async (parts) => {
        const path = parts.join('/');
        expect((await roundTrip(file(path, 'x')))?.path).toBe(path);
        expect((await roundTrip(folder(path)))?.type).toBe('directory');
        expect((await roundTrip(symlink('link', path)))?.linkname).toBe(path);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps extended attributes, whatever bytes they are', async () => {
    const xattrs = new Map([
      ['user.b', Buffer.from([0, 255, 10, 61])],
      ['security.capability', Buffer.alloc(20, 128)],
    ]);
    expect(await roundTrip(file('f', 'content', { xattrs, mtime: 5, mode: 0o4711 }))).toMatchObject({
      path: 'f',
      size: 7,
      mtime: 5,
      mode: 0o4711,
      xattrs,
    });
    const long = `${'d'.repeat(200)}/${'ü'.repeat(100)}`;
    const uid = 3_000_000_000;
    expect(await roundTrip(folder(long, { xattrs, uid }))).toMatchObject({ path: long, uid, xattrs });
    const link = { ...symlink('s', 't'.repeat(300)), xattrs };
    expect(await roundTrip(link)).toMatchObject({ path: 's', linkname: 't'.repeat(300), xattrs });
  });

  it('gives a member after one with attributes none of them', async () => {
    const xattrs = new Map([['user.a', Buffer.from('1')]]);
    const members = await membersOf(await written([file('a', 'x', { xattrs }), file('b', 'y')]));
    expect(members.map((member) => member.xattrs)).toEqual([xattrs, undefined]);
  });

  it('keeps names that are not UTF-8', async () => {
    const path = 'd\udcff/\udc80';
    expect(await roundTrip(file(path, 'x'))).toMatchObject({ path, size: 1 });
    expect(await roundTrip(symlink('s', path))).toMatchObject({ linkname: path });
    const tar = await written([file('\udc80', 'x'), file('\udc81', 'y')]);
    expect((await membersOf(tar)).map((member) => member.path)).toEqual(['\udc80', '\udc81']);
  });

  it('keeps FIFOs and devices', async () => {
    const plain = { path: 'd', mode: 0o620, uid: 1, gid: 5, mtime: 9 } as const;
    const device = { kind: 'character', major: 5, minor: 300 } as const;
    expect(await roundTrip({ ...plain, type: 'device', device })).toMatchObject({ ...plain, device });
    const block = { kind: 'block', major: 8, minor: 1 } as const;
    expect(await roundTrip({ ...plain, type: 'device', device: block })).toMatchObject({ device: block });
    expect(await roundTrip({ ...plain, type: 'fifo' })).toMatchObject({ ...plain, type: 'fifo', size: 0 });
  });

  it('writes attributes, devices and bytes in names that the system tar reads', async () => {
    const xattrs = new Map([['user.note', Buffer.from('kept')]]);
    const device = { kind: 'character', major: 1, minor: 3 } as const;
    const plain = { mode: 0o600, uid: 0, gid: 0, mtime: 0 } as const;
    const tar = await written([
      file('a', 'a', { xattrs }),
      { path: 'null', type: 'device', device, ...plain },
      { path: 'pipe', type: 'fifo', ...plain },
      file('\udcff', 'b'),
    ]);
    const list = (...more: string[]) =>
      execFileSync('tar', ['--numeric-owner', '--quoting-style=escape', ...more, '-f', '-'], {
        input: tar,
        env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      }).toString();
    expect(list('-t')).toBe('a\nnull\npipe\n\\377\n');
    const long = list('-tv', '--xattrs', '-v');
    expect(long).toMatch(/user\.note/);
    expect(long).toMatch(/^crw------- +0\/0 +1,3 .* null$/m);
    expect(long).toMatch(/^prw------- .* pipe$/m);
  });

  it('collects what comes in small pieces, and hands on large ones, with the same bytes', async () => {
    const content = Buffer.alloc(300_000, 7);
    const pieces = (size: number): Entry => file('f', content, { open: async () => streamOf(content, size) });
    const sizesOf = async (entries: readonly Entry[]) => {
      const sizes: number[] = [];
      for await (const chunk of tarStream(entries)) sizes.push((chunk as Buffer).length);
      return sizes;
    };
    const small = await sizesOf([pieces(7)]);
    expect(small.slice(0, -1).every((size) => size > 65_536 - 512 && size <= 65_536)).toBe(true);
    const large = await sizesOf([pieces(100_000)]);
    expect([large[0], large.at(-1)]).toEqual([512, 1024 + 32]);
    expect(large.slice(1, -1).every((size) => size >= 100_000)).toBe(true);
    const many = Array.from({ length: 1000 }, (_, at) => file(`f${at}`, 'x'));
    expect((await sizesOf(many)).length).toBe(Math.ceil((1000 * 1024 + 1024) / 65_536));
    expect(await written([pieces(7)])).toEqual(await written([pieces(100_000)]));
  });

  it('reads through memory that is used again where an entry has such a way', async () => {
    const content = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 251));
    const chunks = async function* () {
      const memory = Buffer.alloc(100);
      for (let at = 0; at < content.length; at += 100) {
        content.copy(memory, 0, at, at + 100);
        yield memory;
        memory.fill(255);
      }
    };
    const open = () => Promise.reject(new Error('not asked for'));
    expect(await written([file('f', content, { chunks, open })])).toEqual(
      await written([file('f', content)]),
    );
  });

  it('ends with two blocks of zeros', async () => {
    const tar = await written([file('f', 'x')]);
    expect(tar.length % 512).toBe(0);
    expect(tar.subarray(-1024).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ['shorter', 'x'.repeat(9)],
    ['longer', 'x'.repeat(11)],
  ])('fails when a file is %s than it was', async (_, content) => {
    const entry = file('bin/app', 'x'.repeat(10), { open: async () => streamOf(Buffer.from(content)) });
    await expect(written([entry])).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
  });

  it('passes on what a file fails with', async () => {
    const failure = new Error('disk gone');
    const entry = file('f', 'abc', {
      open: async () =>
        Readable.from(
          (async function* () {
            yield Buffer.from('a');
            throw failure;
          })(),
        ),
    });
    await expect(written([entry])).rejects.toBe(failure);
    await expect(written([file('f', 'abc', { open: () => Promise.reject(failure) })])).rejects.toBe(failure);
  });

  it('closes the file it reads when nobody wants the rest', async () => {
    const content = streamOf(Buffer.alloc(1 << 20), 1000);
    for await (const _ of tarStream([file('f', Buffer.alloc(1 << 20), { open: async () => content })])) break;
    await new Promise((resolve) => (content.closed ? resolve(undefined) : content.once('close', resolve)));
    expect(content.destroyed).toBe(true);
  });

  it('stops when it is aborted at any point, before the first byte is read too', async () => {
    const pieces = 100;
    const slowly = async function* () {
      for (let at = 0; at < pieces; at++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield Buffer.alloc(1000);
      }
    };
    const entry = file('f', Buffer.alloc(pieces * 1000), { open: async () => Readable.from(slowly()) });
    for (const delay of [0, 1, 2, 5, 20]) {
      const controller = new AbortController();
      const reading = bytesOf(tarStream([entry], { signal: controller.signal }));
      for (let turn = 0; turn < delay; turn++) await new Promise((resolve) => setImmediate(resolve));
      controller.abort(new Error('enough'));
      await expect(reading).rejects.toThrow('enough');
    }
  });

  it.each([
    ['an absolute path', file('/etc/passwd', '')],
    ['a path that climbs', file('a/../b', '')],
    ['an empty part', file('a//b', '')],
    ['a NUL', file('a\0b', '')],
    ['a fraction of a second', file('a', '', { mtime: 1.5 })],
    ['a time before 1970', file('a', '', { mtime: -1 })],
    ['a file type in the mode', file('a', '', { mode: 0o100644 })],
    ['a link to nothing', symlink('a', '')],
    ['a negative owner', file('a', '', { uid: -1 })],
  ])('refuses %s', (_, entry) => {
    expect(() => tarStream([entry])).toThrow(expect.objectContaining({ code: 'OCISLIM_INTERNAL' }));
  });

  it('refuses two entries for one path', () => {
    expect(() => tarStream([file('a', '1'), file('b', ''), file('a', '2')])).toThrow('"a" is there twice');
  });
});
