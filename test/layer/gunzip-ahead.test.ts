import { openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import type { LocalFile } from '../../src/image/model.ts';
import { GunzipAhead } from '../../src/layer/gunzip-ahead.ts';
import { GrowingFile } from '../../src/store/growing-file.ts';
import { noise } from '../support/scene.ts';
import { bytesOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';
import { watchWorkers } from '../support/workers.ts';

/** More than all the pieces that may be ready at once. */
const large = noise(6 * 1024 * 1024);
const packed = gzipSync(large, { level: 1 });

function stored(bytes: Buffer): LocalFile & { readonly path: string; readonly size: number } {
  const path = join(tempDir(), 'layer');
  writeFileSync(path, bytes);
  return { path, size: bytes.length, open: () => openSync(path, 'r'), ready: async () => bytes.length };
}

/** How many descriptors of a file this process has. */
function descriptorsOf(path: string): number {
  const all = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return undefined;
    }
  });
  return all.filter((target) => target === path).length;
}

describe('files that are decompressed ahead', () => {
  const workers = watchWorkers();

  it('give what they hold, in the order in which they were opened, from one thread', async () => {
    const ahead = new GunzipAhead();
    const contents = [large, noise(1000), Buffer.alloc(0), Buffer.from(large).reverse()];
    const open = contents.map((content) => {
      const file = stored(gzipSync(content, { level: 1 }));
      let read = 0;
      const opened = ahead.open(file, file.size, (count) => {
        read += count;
      });
      return { ...opened, content, size: file.size, read: () => read };
    });
    for (const { tar, meter, content, size, read } of open) {
      expect(Buffer.compare(await bytesOf(tar), content)).toBe(0);
      expect(meter).toEqual({ size: content.length, digest: sha256(content) });
      expect(read()).toBe(size);
    }
    ahead.end();
    expect(workers.started.length).toBe(1);
    await workers.allEnded();
  });

  it('may be one file, opened twice', async () => {
    const content = noise(3000);
    const file = stored(gzipSync(content));
    const ahead = new GunzipAhead();
    const open = [ahead.open(file, file.size), ahead.open(file, file.size)];
    for (const { tar } of open) expect(Buffer.compare(await bytesOf(tar), content)).toBe(0);
    ahead.end();
  });

  it('are read while they are written', async () => {
    const path = join(tempDir(), 'layer');
    writeFileSync(path, '');
    const growing = new GrowingFile(path);
    const ahead = new GunzipAhead();
    const { tar, meter } = ahead.open(growing, packed.length);
    let read = 0;
    let written = 0;
    const grow = (to: number) => {
      writeFileSync(path, packed.subarray(written, to), { flag: 'a' });
      growing.grow(to - written);
      written = to;
    };
    grow(packed.length >> 1);
    for await (const chunk of tar) {
      expect(Buffer.compare(chunk, large.subarray(read, read + chunk.length))).toBe(0);
      read += chunk.length;
      // Only once something of the first half was read is there a second.
      if (written < packed.length) grow(Math.min(written + 300_000, packed.length));
      if (written === packed.length) growing.end();
    }
    expect(meter).toEqual({ size: large.length, digest: sha256(large) });
    ahead.end();
  });

  it('fail with what keeps them from being written', async () => {
    const path = join(tempDir(), 'layer');
    writeFileSync(path, packed.subarray(0, 1000));
    const growing = new GrowingFile(path);
    const ahead = new GunzipAhead();
    const { tar } = ahead.open(growing, packed.length);
    expect(descriptorsOf(path)).toBe(1);
    const next = ahead.open(stored(gzipSync('next')), 10);
    growing.grow(1000);
    growing.end({ error: new Error('the line is dead') });
    await expect(bytesOf(tar)).rejects.toThrow('the line is dead');
    await expect(bytesOf(next.tar)).rejects.toThrow('the line is dead');
    expect(descriptorsOf(path)).toBe(0);
    ahead.end();
  });

  it('fail where less is written than was said', async () => {
    const path = join(tempDir(), 'layer');
    writeFileSync(path, packed.subarray(0, 1000));
    const growing = new GrowingFile(path);
    const ahead = new GunzipAhead();
    const { tar } = ahead.open(growing, packed.length);
    growing.grow(1000);
    growing.end();
    await expect(bytesOf(tar)).rejects.toMatchObject({ code: 'OCISLIM_ARCHIVE_INVALID' });
    ahead.end();
  });

  it.each([
    ['is damaged', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('something else')])],
    ['was cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 9)],
    ['is none', () => Buffer.from('no gzip at all')],
  ])('say where one %s, and go on with the next', async (_, damage) => {
    const file = stored(damage(packed));
    const good = stored(gzipSync('good'));
    const ahead = new GunzipAhead();
    const [wrong, next] = [ahead.open(file, file.size), ahead.open(good, good.size)];
    await expect(bytesOf(wrong.tar)).rejects.toMatchObject({ code: 'OCISLIM_ARCHIVE_INVALID' });
    expect((await bytesOf(next.tar)).toString()).toBe('good');
    ahead.end();
  });

  it('end with it: nothing is left open, and nothing can be read any more', async () => {
    const file = stored(packed);
    const ahead = new GunzipAhead();
    const { tar } = ahead.open(file, file.size);
    const second = ahead.open(file, file.size);
    await tar[Symbol.asyncIterator]().next();
    ahead.end();
    await expect(bytesOf(second.tar)).rejects.toMatchObject({ code: 'OCISLIM_INTERRUPTED' });
    expect(() => ahead.open(file, file.size)).toThrow('nobody reads');
    expect(descriptorsOf(file.path)).toBe(0);
    await workers.allEnded();
  });
});
