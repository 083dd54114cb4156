import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/layer/entry.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { readBundle } from '../../src/pack/bundle.ts';
import { bytesOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';
import { type ZipMember, zip64Claiming, zipOf } from '../support/zip.ts';

function write(zip: Buffer | readonly ZipMember[]): string {
  const path = join(tempDir(), 'app.zip');
  writeFileSync(path, Buffer.isBuffer(zip) ? zip : zipOf(zip as readonly ZipMember[]));
  return path;
}

const read = (zip: Buffer | readonly ZipMember[], prefix = 'app') =>
  readBundle(write(zip), { prefix, mtime: 7 });

const opened = async (entry: Entry | undefined) => {
  if (entry?.open === undefined) throw new Error('no such file');
  return (await bytesOf(await entry.open())).toString();
};

const at = (entries: readonly Entry[], path: string) => entries.find((entry) => entry.path === path);

const shape = (entries: readonly Entry[]) =>
  entries.map(({ path, type, mode, linkname }) => [
    path,
    type,
    mode.toString(8),
    ...(linkname ? [linkname] : []),
  ]);

/** The error that refuses a zip, which must name the zip whatever else it says. */
async function refusal(zip: Buffer | readonly ZipMember[]): Promise<OcislimError> {
  const error = await read(zip).then(
    (entries) => new Error(`accepted: ${JSON.stringify(shape(entries))}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof OcislimError)) throw error;
  expect(error.code).toBe('OCISLIM_ARCHIVE_INVALID');
  expect(error.message).toContain('app.zip: ');
  return error;
}

const LINK = 0o120777;

describe('a bundle', () => {
  it('is its files below the prefix, in the order of their paths, with every folder on the way', async () => {
    const entries = await read([
      { name: 'lib/data/a.txt', content: 'a' },
      { name: 'bin/', mode: 0o040700 },
      { name: 'bin/hello', content: 'run', mode: 0o100700 },
      { name: 'README', content: 'read', mode: 0o100600 },
    ]);
    expect(shape(entries)).toEqual([
      ['app', 'directory', '755'],
      ['app/README', 'file', '644'],
      ['app/bin', 'directory', '755'],
      ['app/bin/hello', 'file', '755'],
      ['app/lib', 'directory', '755'],
      ['app/lib/data', 'directory', '755'],
      ['app/lib/data/a.txt', 'file', '644'],
    ]);
    for (const { uid, gid, mtime } of entries) expect([uid, gid, mtime]).toEqual([0, 0, 7]);
  });

  it('goes to the root without a prefix', async () => {
    expect(shape(await read([{ name: 'srv/x', content: 'x' }], ''))).toEqual([
      ['srv', 'directory', '755'],
      ['srv/x', 'file', '644'],
    ]);
  });

  it('gives the content of stored and deflated members, as often as asked', async () => {
    const text = 'hello world\n'.repeat(20_000);
    const entries = await read([
      { name: 'deflated', content: text },
      { name: 'stored', content: text, method: 0 },
      { name: 'empty', content: '', method: 0 },
    ]);
    expect(at(entries, 'app/deflated')?.size).toBe(text.length);
    expect(await opened(at(entries, 'app/deflated'))).toBe(text);
    expect(await opened(at(entries, 'app/deflated'))).toBe(text);
    expect(await opened(at(entries, 'app/stored'))).toBe(text);
    expect(await opened(at(entries, 'app/empty'))).toBe('');
  });

  it('drops setuid and the like', async () => {
    const entries = await read([{ name: 'su', content: 'x', mode: 0o106755 }]);
    expect(at(entries, 'app/su')?.mode).toBe(0o755);
  });

  it('may list a folder twice, or after what is in it', async () => {
    const entries = await read([
      { name: 'd/f', content: 'x' },
      { name: 'd/', mode: 0o040755 },
      { name: 'd/' },
    ]);
    expect(entries.map(({ path }) => path)).toEqual(['app', 'app/d', 'app/d/f']);
  });

  it('keeps links that stay inside', async () => {
    const entries = await read([
      { name: 'lib/x.so.1', content: 'x' },
      { name: 'lib/x.so', content: 'x.so.1', mode: LINK },
      { name: 'bin/deep/x', content: '../../lib/x.so', mode: LINK },
      { name: 'bin/home', content: '..', mode: LINK },
    ]);
    expect(at(entries, 'app/lib/x.so')).toMatchObject({ type: 'symlink', linkname: 'x.so.1' });
    expect(at(entries, 'app/bin/deep/x')?.linkname).toBe('../../lib/x.so');
    expect(at(entries, 'app/bin/home')?.linkname).toBe('..');
  });

  it('has names in UTF-8 where the zip says so, in its flag or in its Unicode field, and in CP437 elsewhere', async () => {
    const raw = Buffer.from('gr\x81n', 'latin1');
    const unicode = Buffer.from('grün!');
    const field = Buffer.alloc(9);
    field.writeUInt16LE(0x7075, 0);
    field.writeUInt16LE(5 + unicode.length, 2);
    field.writeUInt8(1, 4);
    field.writeUInt32LE(crc32(raw), 5);
    const entries = await read([
      { name: 'Ωmega', content: 'x' },
      { name: raw, content: 'x' },
      { name: raw, content: 'x', extra: Buffer.concat([field, unicode]) },
    ]);
    expect(entries.map(({ path }) => path)).toEqual(['app', 'app/grün', 'app/grün!', 'app/Ωmega']);
  });

  it.runIf(process.platform === 'linux')(
    'does not keep the zip open, also when its files are left unread',
    async () => {
      const path = write([{ name: 'f', content: Buffer.alloc(1 << 20, 'x'), method: 0 }]);
      const descriptors = () => readdirSync('/proc/self/fd').length;
      const before = descriptors();
      const entry = at(await readBundle(path, { prefix: '', mtime: 0 }), 'f');
      for (let time = 0; time < 20; time++) {
        const stream = await entry?.open?.();
        if (time % 2 === 0) stream?.read(1);
        await new Promise((resolve) => stream?.on('close', resolve).destroy());
      }
      await expect.poll(descriptors).toBeLessThanOrEqual(before + 1);
    },
  );

  it('stops when it is interrupted', async () => {
    const signal = AbortSignal.abort();
    const path = write([{ name: 'f', content: 'x' }]);
    await expect(readBundle(path, { prefix: '', mtime: 0, signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

describe('a hostile name', () => {
  it.each<[string, string | Buffer, RegExp]>([
    ['that climbs', '../evil', /"\.\.\/evil" leads out/],
    ['that climbs later', 'a/../../evil', /leads out/],
    ['that climbs only inside', 'a/../b', /leads out/],
    ['that is the folder above', '..', /leads out/],
    ['that is absolute', '/etc/passwd', /leads out/],
    ['with a drive', 'C:/evil', /leads out/],
    ['that is empty', '', /"" is an empty name/],
    ['that is a slash', '/', /leads out/],
    ['that is a dot', '.', /plain path/],
    ['that begins with a dot folder', './a', /"\.\/a" is not a plain path/],
    ['with a dot folder inside', 'a/./b', /plain path/],
    ['with two slashes', 'a//b', /plain path/],
    ['with two slashes at the end', 'a//', /plain path/],
    ['with a NUL', 'a\0.txt', /control character/],
    ['with a NUL, in CP437', Buffer.from('a\0.txt'), /control character/],
    ['with an escape sequence', 'a\x1b[2J', /control character/],
    ['with a backslash', 'a\\b', /backslash/],
    ['that climbs by backslashes', '..\\evil', /backslash/],
    ['that is a whiteout', 'etc/.wh.passwd', /deleted files/],
    ['that is an opaque whiteout', 'etc/.wh..wh..opq', /deleted files/],
    ['with a whiteout as folder', '.wh.etc/x', /deleted files/],
    ['that is too long for a file', 'n'.repeat(256), /too long/],
    ['that is too long for a path', `${'n'.repeat(200)}/`.repeat(21), /too long/],
  ])('%s is refused', async (_, name, message) => {
    const members = [
      { name: 'hello', content: 'x' },
      { name, content: '' },
    ];
    expect((await refusal(members)).message).toMatch(message);
  });

  it('that claims to be UTF-8 and is not is refused', async () => {
    const error = await refusal([{ name: Buffer.from([0x61, 0xff]), content: 'x', flags: 0x800 }]);
    expect(error.message).toMatch(/not UTF-8/);
  });

  it('does not get into a message as it is', async () => {
    const error = await refusal([{ name: `\x1b]0;${'x'.repeat(10_000)}`, content: 'x' }]);
    expect(error.message).not.toContain('\x1b');
    expect(error.message.length).toBeLessThan(600);
  });
});

describe('names that fold into each other', () => {
  const file = (name: string) => ({ name, content: 'x' });
  it.each<[string, readonly ZipMember[]]>([
    ['two files', [file('a'), file('a')]],
    ['a file and a folder', [file('a'), { name: 'a/' }]],
    ['a folder and a file', [{ name: 'a/' }, file('a')]],
    ['a folder nobody listed and a file', [file('a/b'), file('a')]],
    ['a file and a file in it', [file('a'), file('a/b')]],
    ['a file and a file far below it', [file('a'), file('a/b/c/d')]],
    ['a link and a file behind it', [{ name: 'a', content: '.', mode: LINK }, file('a/b')]],
    ['a file and a link of its name', [file('a/b'), { name: 'a', content: '.', mode: LINK }]],
    [
      'a file and the same name in another encoding',
      [file('é'), { name: Buffer.from([0x82]), content: 'x' }],
    ],
  ])('are refused: %s', async (_, members) => {
    expect((await refusal(members)).message).toMatch(/in it twice|in a folder that is a file/);
  });
});

describe('a link', () => {
  it.each([
    ['', 'x'],
    ['/etc/passwd', 'x'],
    ['..', 'x'],
    ['../x', 'x'],
    ['../../x', 'a/x'],
    ['a/../../x', 'x'],
    ['a/..', 'x'],
    ['../l/..', 'a/x'],
    ['..\\x', 'a/x'],
    ['a\0b', 'x'],
  ])('to %j is refused at %s', async (target, name) => {
    const error = await refusal([{ name, content: target, mode: LINK }]);
    expect(error.message).toContain(`"${name}" is a link that leads out of the zip`);
  });

  it('that is longer than any path is refused before it is read', async () => {
    const error = await refusal([{ name: 'l', content: 'x', size: 4097, mode: LINK }]);
    expect(error.message).toContain('"l" is a link that is too long');
  });
});

describe('a member', () => {
  it.each([
    ['a FIFO', 0o010644],
    ['a device', 0o020644],
    ['a socket', 0o140755],
  ])('that is %s is refused', async (_, mode) => {
    expect((await refusal([{ name: 'x', mode }])).message).toContain('"x" is neither a file');
  });

  it('that is encrypted is refused with what to do', async () => {
    for (const flags of [1, 0x41]) {
      expect((await refusal([{ name: 'x', content: 'x', flags }])).message).toMatch(/encrypt/);
    }
    expect((await refusal([{ name: 'x', content: 'x', flags: 1 }])).hint).toMatch(/without a password/);
  });

  it('that is compressed in another way is refused with what to do', async () => {
    const error = await refusal([{ name: 'x', content: 'x', method: 93 }]);
    expect(error.message).toContain('"x" is compressed with method 93');
    expect(error.hint).toMatch(/deflate/);
  });

  it('that is a folder with content is refused', async () => {
    expect((await refusal([{ name: 'x/', content: 'x' }])).message).toContain(
      '"x/" is a folder with content',
    );
  });

  it.each<[string, Partial<ZipMember>]>([
    ['has a wrong checksum', { crc: 1 }],
    ['has a wrong checksum though it is stored', { crc: 1, method: 0 }],
    ['is shorter than it says', { size: 100 }],
    ['is longer than it says', { size: 3 }],
    ['is not deflated data', { packed: Buffer.from('\xff\xff\xff\xff', 'latin1') }],
    ['is cut', { packed: Buffer.alloc(0) }],
  ])('that %s fails when it is read, by name', async (_, lie) => {
    const entries = await read([{ name: 'x', content: 'some content', ...lie }]);
    await expect(opened(at(entries, 'app/x'))).rejects.toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
      message: expect.stringMatching(/app\.zip: "x" (is damaged|has a wrong checksum)/),
    });
  });

  it('whose data is not where the zip says fails when it is read, by name', async () => {
    const zip = zipOf([{ name: 'x', content: 'some content' }]);
    zip.write('XX', 0);
    const entries = await read(zip);
    await expect(opened(at(entries, 'app/x'))).rejects.toThrow(/"x" is damaged/);
  });
});

describe('a bomb', () => {
  it('by the ratio of one member is refused', async () => {
    const error = await refusal([{ name: 'zeros', content: 'x', size: 65 * 2 ** 20 }]);
    expect(error.message).toContain('more than 200 times its size');
  });

  it('by the ratio of many members, none of them remarkable, is refused', async () => {
    const members = Array.from({ length: 20 }, (_, at) => ({
      name: `${at}`,
      content: 'x',
      size: 10 * 2 ** 20,
    }));
    expect((await refusal(members)).message).toContain('more than 200 times its size');
  });

  it('by the total is refused', async () => {
    const members = Array.from({ length: 5 }, (_, at) => ({
      name: `${at}`,
      content: 'x',
      size: 2 ** 32 - 2,
    }));
    const padding = { name: 'padding', content: Buffer.alloc(90 * 2 ** 20), method: 0 };
    expect((await refusal([padding, ...members])).message).toContain(
      'unpacks to more than 17179869184 bytes',
    );
  });

  it('by members that share their data is refused', async () => {
    const shared = Buffer.alloc(20_000, 'x');
    const members = [
      { name: 'a', content: shared, method: 0 },
      { name: 'b', content: shared, method: 0, sharesDataOf: 0 },
    ];
    expect((await refusal(members)).message).toContain('"b" overlaps');
  });

  it('by the number of members is refused before they are read', async () => {
    expect((await refusal(zip64Claiming(1_000_000n))).message).toContain('more than 100000 files');
  });

  it('by the number of folders that a few names imply is refused', async () => {
    const members = Array.from({ length: 60 }, (_, at) => ({
      name: `${at}/${'f/'.repeat(2000)}x`,
      content: 'x',
    }));
    expect((await refusal(members)).message).toContain('more than 100000 files and folders');
  });
});

describe('a file that is no zip', () => {
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a text', Buffer.from('hello\n'.repeat(100))],
    ['a zip that is cut', zipOf([{ name: 'x', content: 'x' }]).subarray(0, -30)],
    [
      'a zip with something behind it',
      Buffer.concat([zipOf([{ name: 'x', content: 'x' }]), Buffer.from('more')]),
    ],
    ['a zip that claims more than it has', zipOf([{ name: 'x', content: 'x' }], { count: 9 })],
  ])('is refused: %s', async (_, bytes) => {
    expect((await refusal(bytes)).message).toContain('not a zip that can be read');
  });

  it('is refused where it is missing', async () => {
    const path = join(tempDir(), 'app.zip');
    await expect(readBundle(path, { prefix: '', mtime: 0 })).rejects.toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
      message: expect.stringContaining('ENOENT'),
    });
  });

  it('is refused where there are only folders', async () => {
    expect((await refusal([{ name: 'empty/' }])).message).toContain('holds no file');
  });
});

describe('a zip that changes after it was looked at', () => {
  it('gives an error, not the other content', async () => {
    const path = write([{ name: 'x', content: 'one' }]);
    const entries = await readBundle(path, { prefix: '', mtime: 0 });
    writeFileSync(`${path}.new`, zipOf([{ name: 'x', content: 'two' }]));
    renameSync(`${path}.new`, path);
    await expect(opened(at(entries, 'x'))).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
  });
});

describe('any bytes', () => {
  it('are read or refused, and never bring out a path that is not below the prefix', async () => {
    const zip = zipOf([
      { name: 'bin/hello', content: 'hello world', mode: 0o100755 },
      { name: 'lib/', mode: 0o040755 },
      { name: 'lib/l', content: '../bin/hello', mode: LINK },
    ]);
    const change = fc.tuple(fc.nat({ max: zip.length - 1 }), fc.nat({ max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(zip);
        for (const [offset, value] of changes) bytes[offset] = value;
        try {
          for (const entry of await read(bytes)) {
            expect(`${entry.path}/`).toMatch(/^app\//);
            expect(entry.path.split('/')).not.toContain('..');
            if (entry.open !== undefined) expect((await bytesOf(await entry.open())).length).toBe(entry.size);
          }
        } catch (error) {
          if (!(error instanceof OcislimError)) throw error;
          expect(error.code).toBe('OCISLIM_ARCHIVE_INVALID');
        }
      }),
      { numRuns: 400 },
    );
  });
});
