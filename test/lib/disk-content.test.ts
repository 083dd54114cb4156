import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  fstatSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DiskFile, diskContent } from '../../src/lib/disk-content.ts';
import { bytesOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';

const KIB = 1024;

function fileOf(size: number) {
  const path = join(tempDir(), 'file');
  const bytes = Buffer.from(Array.from({ length: size }, (_, at) => (at * 7 + (at >> 8)) % 256));
  writeFileSync(path, bytes);
  const { ino } = statSync(path);
  const file: DiskFile = {
    path,
    size,
    follow: false,
    check: (descriptor) => {
      const now = fstatSync(descriptor);
      if (now.ino !== ino || now.size !== size) throw new Error('another file');
    },
    refusal: () => new Error('refused'),
  };
  return { path, bytes, file };
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('diskContent', () => {
  it.each([0, 1, 64 * KIB, 64 * KIB + 1, 256 * KIB, 256 * KIB + 1, 1024 * KIB + 5])(
    'gives all of %d bytes, in both ways',
    async (size) => {
      const { bytes, file } = fileOf(size);
      expect((await joined(diskContent(file).chunks())).equals(bytes)).toBe(true);
      expect((await bytesOf(await diskContent(file).open())).equals(bytes)).toBe(true);
    },
  );

  it.each([100, 300 * KIB])('fails when a file of %d bytes grows, is replaced or is gone', async (size) => {
    const grown = fileOf(size);
    appendFileSync(grown.path, 'x');
    await expect(joined(diskContent(grown.file).chunks())).rejects.toThrow('another file');

    const { path, bytes, file } = fileOf(size);
    rmSync(path);
    await expect(joined(diskContent(file).chunks())).rejects.toThrow('refused');
    writeFileSync(`${path}.new`, bytes);
    symlinkSync(`${path}.new`, path);
    await expect(joined(diskContent(file).chunks())).rejects.toThrow('refused');
    expect(
      (await joined(diskContent({ ...file, follow: true, check: () => {} }).chunks())).equals(bytes),
    ).toBe(true);
    rmSync(path);
    execFileSync('mkfifo', [path]);
    await expect(joined(diskContent(file).chunks())).rejects.toThrow('another file');
  });

  it('fails when a file changes while it is read', async () => {
    const { path, file } = fileOf(1024 * KIB);
    const reading = diskContent(file).chunks();
    await reading.next();
    appendFileSync(path, 'x');
    await expect(joined(reading)).rejects.toThrow('another file');
  });

  it.runIf(process.platform === 'linux')('closes the file however it ends', async () => {
    const { path, file } = fileOf(1024 * KIB);
    const before = openFiles();
    for await (const _ of diskContent(file).chunks()) break;
    for await (const _ of await diskContent(file).open()) break;
    await joined(diskContent({ ...file, size: 10 }).chunks());
    appendFileSync(path, 'x');
    await joined(diskContent(file).chunks()).catch(() => {});
    // A stream that was left is closed on its own time.
    await expect.poll(openFiles).toBe(before);
  });
});
