import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemPath } from '../../src/layer/byte-text.ts';
import { cleanPath } from '../../src/layer/clean-path.ts';
import { readTar, type TarMember } from '../../src/layer/tar-reader.ts';
import { tarStream } from '../../src/layer/tar-writer.ts';
import { file, folder } from '../support/entries.ts';
import { bytesOf, streamOf } from '../support/streams.ts';
import { block, END, header, member, pax } from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';

async function read(tar: Uint8Array, size?: number): Promise<{ members: TarMember[]; ended: boolean }> {
  const members: TarMember[] = [];
  const { ended } = await readTar(streamOf(tar, size), (member) => void members.push(member));
  return { members, ended };
}

/** A header that was changed, with the checksum that it then has. */
function summed(bytes: Buffer): Buffer {
  bytes.fill(' ', 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}

describe('readTar', () => {
  it('reads what the system tar writes, in each of its formats', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'in/bin'), { recursive: true });
    writeFileSync(join(folder, 'in/bin/hello'), 'hello', { mode: 0o755 });
    writeFileSync(join(folder, 'in', 'n'.repeat(150)), 'long');
    symlinkSync('hello', join(folder, 'in/bin/hi'));
    for (const format of ['ustar', 'gnu', 'pax']) {
      const names = format === 'ustar' ? ['bin'] : ['.'];
      const tar = execFileSync('tar', [`--format=${format}`, '-C', 'in', '-c', ...names], { cwd: folder });
      const { members, ended } = await read(tar);
      expect(ended).toBe(true);
      expect(members.find((each) => each.path === 'bin/hello')).toMatchObject({
        type: 'file',
        size: 5,
        mode: 0o755,
      });
      expect(members.find((each) => each.path === 'bin/hi')).toMatchObject({
        type: 'symlink',
        linkname: 'hello',
      });
      expect(members.some((each) => each.path === 'n'.repeat(150))).toBe(format !== 'ustar');
    }
  });

  it('goes on whether the content is read or not', async () => {
    const tar = await bytesOf(tarStream([file('a', 'A'.repeat(100_000)), file('b', 'B'), file('c', '')]));
    const contents: string[] = [];
    await readTar(streamOf(tar, 1000), async (each, content) => {
      if (each.path !== 'a') contents.push((await bytesOf(content)).toString());
    });
    expect(contents).toEqual(['B', '']);
  });

  it('says where contents begin', async () => {
    const tar = await bytesOf(tarStream([file('a', 'first'), file('n'.repeat(300), 'second')]));
    const { members } = await read(tar);
    expect(members.map(({ offset, size }) => tar.subarray(offset, offset + size).toString())).toEqual([
      'first',
      'second',
    ]);
  });

  it('reads every byte of the source, also behind the end marker', async () => {
    let seen = 0;
    const tar = Buffer.concat([member('a', 'x'), END, Buffer.alloc(50_000)]);
    const source = streamOf(tar, 777);
    source.on('data', (chunk: Buffer) => {
      seen += chunk.length;
    });
    await readTar(source, () => {});
    expect(seen).toBe(tar.length);
  });

  it('does not see members hidden behind the end marker', async () => {
    const tar = Buffer.concat([member('a', 'x'), END, member('hidden', 'y'), END]);
    for (const size of [1, 100, 512, 1000, tar.length]) {
      const { members, ended } = await read(tar, size);
      expect(members.map((each) => each.path)).toEqual(['a']);
      expect(ended).toBe(true);
    }
  });

  it('does not take zeros inside a file for the end', async () => {
    const tar = await bytesOf(tarStream([file('zeros', Buffer.alloc(10_000)), file('zz', 'after')]));
    for (const size of [64, 512, 5000, tar.length]) {
      expect((await read(tar, size)).members.map((each) => each.path)).toEqual(['zeros', 'zz']);
    }
  });

  it('tells when the end marker is missing', async () => {
    expect((await read(member('a', 'x'))).ended).toBe(false);
    expect((await read(Buffer.concat([member('a', 'x'), Buffer.alloc(512)]))).ended).toBe(false);
    expect((await read(Buffer.concat([member('a', 'x'), END]))).ended).toBe(true);
    expect((await read(Buffer.alloc(0))).ended).toBe(false);
    expect((await read(END)).ended).toBe(true);
  });

  it('refuses a lone block of zeros, which readers do not agree on', async () => {
    const tar = Buffer.concat([member('a', 'x'), Buffer.alloc(512), member('b', 'y'), END]);
    await expect(read(tar)).rejects.toMatchObject({ code: 'OCISLIM_ARCHIVE_INVALID' });
  });

  it('ends at the marker also where a header stands before it', async () => {
    const tar = Buffer.concat([member('a', 'x'), pax({ path: 'b' }), END, member('c', 'y'), END]);
    const { members, ended } = await read(tar);
    expect(members.map((each) => each.path)).toEqual(['a']);
    expect(ended).toBe(true);
  });

  it('reads numbers in octal, with what may stand round them, and those of GNU in two’s complement', async () => {
    const tar = header('a');
    // uid, gid, mtime: -1 hour, as GNU tar writes it.
    tar.write('  17 \0\0\0', 108, 'latin1');
    tar.set([0x80, 0, 0, 0, 0x01, 0, 0, 0x02], 116);
    tar.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf1, 0xf0], 136);
    const { members } = await read(Buffer.concat([summed(tar), END]));
    expect(members[0]).toMatchObject({ uid: 0o17, gid: 2 ** 24 + 2, mtime: -3600 });
  });

  it.each([
    ['mode', 100, '00x0644'],
    ['uid', 108, '-000001'],
    ['gid', 116, '0000009'],
    ['size', 124, '0000000001z'],
    ['mtime', 136, '1 2 3 4 . 5'],
  ])('refuses a %s that is no number', async (field, at, text) => {
    const tar = header('a');
    tar.write(text.replaceAll(' ', '_'), at);
    await expect(read(Buffer.concat([summed(tar), block('x'), END]))).rejects.toThrow(
      `"a" has a ${field} of no number`,
    );
  });

  it('refuses sizes that no file has, and headers of more bytes than any has', async () => {
    const negative = header('a');
    negative.fill(0xff, 124, 136);
    await expect(read(Buffer.concat([summed(negative), END]))).rejects.toThrow('a size that no file has');
    const long = header('a', { type: 'L', size: 4 * 1024 * 1024 + 1 });
    await expect(read(Buffer.concat([long, Buffer.alloc(1024)]))).rejects.toThrow('more bytes than any has');
  });

  it('gives the content of a member only while nothing behind it is read', async () => {
    const tar = Buffer.concat([member('a', 'x'), member('b', 'y'), END]);
    const contents: AsyncIterable<Uint8Array>[] = [];
    await readTar(streamOf(tar), (_, content) => void contents.push(content));
    for (const content of contents) expect((await bytesOf(content)).toString()).toBe('');
  });

  it('refuses a tar that is cut inside a member, and what is no tar', async () => {
    const tar = member('a', 'x'.repeat(2000));
    await expect(read(tar.subarray(0, 1000))).rejects.toThrow('cut short');
    await expect(read(Buffer.alloc(2048, 'junk'))).rejects.toThrow('not a tar');
  });

  it('applies owner and time of PAX records', async () => {
    const tar = Buffer.concat([
      pax({ uid: '3000000', gid: '4000000', mtime: '4102444800.5' }),
      member('a', 'x'),
      END,
    ]);
    expect((await read(tar)).members[0]).toMatchObject({
      uid: 3_000_000,
      gid: 4_000_000,
      mtime: 4_102_444_800.5,
    });
  });

  it('applies no global PAX header, as engines do', async () => {
    const tar = Buffer.concat([pax({ path: 'b', uid: '7' }, 'g'), member('a', 'x'), END]);
    expect((await read(tar)).members[0]).toMatchObject({ path: 'a', uid: 0 });
  });

  it('gives extended attributes as the bytes they are, and the numbers of devices', async () => {
    const value = Buffer.from([1, 0, 0, 2, 0x80, 0xff, 0x3d, 10]);
    const tar = Buffer.concat([
      pax({ 'SCHILY.xattr.security.capability': value, 'SCHILY.xattr.user.ä': 'ö' }),
      member('a', 'x'),
      header('null', { type: '3', device: [1, 3] }),
      END,
    ]);
    const [first, second] = (await read(tar)).members;
    expect([...(first?.xattrs ?? [])]).toEqual([
      ['security.capability', value],
      ['user.ä', Buffer.from('ö')],
    ]);
    expect(second).toMatchObject({ type: 'device', device: { kind: 'character', major: 1, minor: 3 } });
  });

  it('keeps the bytes of names that are not UTF-8', async () => {
    const names = [Buffer.from([0x61, 0xff, 0xc3]), Buffer.from('ü😀'), Buffer.from([0xed, 0xb2, 0x80])];
    const parts = names.flatMap((name) => [header(name), pax({ path: name }), header('short')]);
    const { members } = await read(Buffer.concat([...parts, END]));
    expect(members.map(({ path }) => Buffer.from(systemPath(path)))).toEqual(
      names.flatMap((name) => [name, name]),
    );
    expect(members[2]?.path).toBe('ü😀');
  });

  it.each([
    ['names with a NUL', [pax({ path: 'a\0b' }), member('a', 'x')]],
    ['link targets with a NUL', [pax({ linkpath: 'a\0b' }), header('l', { type: '2', linkname: 'x' })]],
    [
      'PAX records that are cut',
      [header('x', { type: 'x', size: 9 }), block('30 path=a\n'), member('a', 'x')],
    ],
    ['PAX records of no length', [header('x', { type: 'x', size: 9 }), block('-1 path=a'), member('a', 'x')]],
    ['PAX numbers that are none', [pax({ uid: 'root' }), member('a', 'x')]],
    ['sparse files', [pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }), member('a', 'x')]],
    ['members of unknown type', [header('a', { type: 'S' })]],
    ['links with content', [header('a', { type: '1', size: 3, linkname: 'b' }), Buffer.alloc(512)]],
  ])('refuses %s', async (_, parts) => {
    await expect(read(Buffer.concat([...parts, END]))).rejects.toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
    });
  });

  it('does not wait for the content that a folder claims', async () => {
    const tar = Buffer.concat([header('d/', { type: '5', size: 4096 }), member('a', 'x'), END]);
    expect((await read(tar)).members.map((each) => each.path)).toEqual(['d', 'a']);
  });

  it('passes on what the visitor and the source fail with', async () => {
    const tar = await bytesOf(tarStream([folder('d'), file('a', 'x')]));
    const failure = new Error('no');
    await expect(readTar(streamOf(tar), () => Promise.reject(failure))).rejects.toBe(failure);
    const source = streamOf(tar, 100);
    source.once('data', () => source.destroy(failure)).pause();
    await expect(readTar(source, () => {})).rejects.toBe(failure);
  });

  it('fails, but never hangs or crashes, on damaged input', async () => {
    const tar = await bytesOf(tarStream([folder('d'), file('d/a', 'content'), file('e', 'x'.repeat(3000))]));
    await fc.assert(
      fc.asyncProperty(fc.nat(tar.length - 1), fc.nat(255), fc.nat(tar.length), async (at, byte, length) => {
        const damaged = Buffer.from(tar.subarray(0, length));
        if (at < length) damaged[at] = byte;
        await read(damaged, 700).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'OCISLIM_ARCHIVE_INVALID' });
        });
      }),
      { numRuns: 150 },
    );
  });
});

describe('cleanPath', () => {
  it.each([
    ['./a/./b//c/', 'a/b/c'],
    ['/etc/passwd', 'etc/passwd'],
    ['../../etc/passwd', 'etc/passwd'],
    ['a/../../b', 'b'],
    ['./', ''],
  ])('makes %s of %s', (path, clean) => {
    expect(cleanPath(path)).toBe(clean);
  });
});
