import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Compression, layerMediaType, sha256 } from '#oci-spec-types';
import {
  compress,
  compressionOf,
  decompress,
  detectCompression,
  parseCompression,
} from '../../src/layer/compression.ts';
import { bytesOf, streamOf } from '../support/streams.ts';

/** Compressible, several chunks long, and the same everywhere. */
function sample(length = 5_000_000): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    bytes[at] = at % 7 === 0 ? state >> 16 : at >> 9;
  }
  return bytes;
}

const KINDS: readonly Compression[] = ['gzip', 'zstd', 'none'];

describe('compress', () => {
  it.each(KINDS)('%s comes back as it was', async (kind) => {
    for (const bytes of [sample(), Buffer.alloc(0), Buffer.from('x')]) {
      const packed = await bytesOf(compress(streamOf(bytes, 10_000), { kind }));
      expect(Buffer.compare(await bytesOf(decompress(streamOf(packed, 3000), kind)), bytes)).toBe(0);
      expect(detectCompression(packed)).toBe(kind);
    }
  });

  it.each(KINDS)('%s gives the same bytes however its input is cut', async (kind) => {
    const bytes = sample(1_000_000);
    const digests = [];
    for (const size of [999, 65_536, 1_000_000])
      digests.push(sha256(await bytesOf(compress(streamOf(bytes, size), { kind }))));
    expect(new Set(digests).size).toBe(1);
  });

  it('promises these digests, on every machine and every version of Node', async () => {
    const digest = async (kind: Compression, level?: number) =>
      sha256(await bytesOf(compress(streamOf(sample(1_000_000), 65_536), { kind, level })));
    // They are users' image digests: a change belongs under "digests change" in the changelog.
    expect(await digest('gzip')).toMatchInlineSnapshot(
      `"sha256:109dabd64123e8b675ff99c1a82d874c53a84126803751cb740cfa31f2f36ffb"`,
    );
    expect(await digest('gzip', 1)).toBe(await digest('gzip'));
    expect(await digest('gzip', 6)).toMatchInlineSnapshot(
      `"sha256:803b4934ec493a533f8d5c672832e4f48aa41692dd32d20aa6d9730080b2d253"`,
    );
    expect(await digest('zstd')).toMatchInlineSnapshot(
      `"sha256:db150829176baaa844071b93ca28d18fced1d629568813c5f4e01cdde6c81d53"`,
    );
  });

  it('writes a gzip header without name, time and operating system', async () => {
    const packed = await bytesOf(compress(streamOf(sample(100)), { kind: 'gzip' }));
    expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    expect(gunzipSync(packed)).toEqual(sample(100));
  });

  it('takes a level', async () => {
    const size = async (level: number) =>
      (await bytesOf(compress(streamOf(sample(1_000_000)), { kind: 'gzip', level }))).length;
    expect(await size(9)).toBeLessThan(await size(1));
  });

  it('passes on what the source fails with', async () => {
    const failure = new Error('gone');
    const source = async function* () {
      yield Buffer.alloc(10);
      throw failure;
    };
    for (const kind of KINDS) await expect(bytesOf(compress(source(), { kind }))).rejects.toBe(failure);
  });
});

describe('decompress', () => {
  it('reads gzip of several members', async () => {
    const packed = Buffer.concat([gzipSync('one '), gzipSync('two')]);
    expect((await bytesOf(decompress(streamOf(packed, 5), 'gzip'))).toString()).toBe('one two');
  });

  it.each(['gzip', 'zstd'] as const)('refuses what is no %s', async (kind) => {
    const other = Buffer.from('not compressed at all');
    await expect(bytesOf(decompress(streamOf(other), kind))).rejects.toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
    });
  });

  it('refuses gzip that is cut', async () => {
    const packed = await bytesOf(compress(streamOf(sample(200_000)), { kind: 'gzip' }));
    const half = packed.subarray(0, packed.length >> 1);
    await expect(bytesOf(decompress(streamOf(half), 'gzip'))).rejects.toThrow('damaged gzip data');
  });

  it('refuses gzip with a wrong checksum', async () => {
    const packed = await bytesOf(compress(streamOf(sample(200_000)), { kind: 'gzip' }));
    packed.writeUInt32LE(1, packed.length - 8);
    await expect(bytesOf(decompress(streamOf(packed), 'gzip'))).rejects.toThrow('damaged gzip data');
  });

  it.each(['gzip', 'zstd'] as const)('passes on what the source of %s fails with', async (kind) => {
    const packed = await bytesOf(compress(streamOf(sample(200_000)), { kind }));
    const source = streamOf(packed, 100);
    const failure = new Error('connection lost');
    source.once('data', () => source.destroy(failure)).pause();
    await expect(bytesOf(decompress(source, kind))).rejects.toBe(failure);
  });
});

describe('parseCompression', () => {
  it('reads kinds and levels', () => {
    expect(parseCompression('gzip')).toEqual({ kind: 'gzip' });
    expect(parseCompression('zstd:19')).toEqual({ kind: 'zstd', level: 19 });
    expect(parseCompression('none')).toEqual({ kind: 'none' });
  });

  it.each(['', 'lz4', 'gzip:0', 'gzip:10', 'zstd:20', 'none:1', 'gzip:x', 'gzip:1:2', '__proto__'])(
    'refuses %j',
    (text) => {
      expect(() => parseCompression(text)).toThrow(expect.objectContaining({ code: 'OCISLIM_USAGE' }));
    },
  );
});

describe('compressionOf', () => {
  it('knows the media types of layers', () => {
    for (const kind of KINDS) expect(compressionOf(layerMediaType(kind))).toBe(kind);
    expect(compressionOf('application/vnd.docker.image.rootfs.diff.tar.gzip')).toBe('gzip');
    expect(compressionOf('application/vnd.docker.image.rootfs.diff.tar')).toBe('none');
    expect(compressionOf('application/vnd.in-toto+json')).toBeUndefined();
  });
});
