import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { crc32, deflateRawSync, gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { compress } from '../../../src/layer/compression.ts';
import { Random } from '../../support/random.ts';
import { bytesOf, streamOf } from '../../support/streams.ts';
import { watchWorkers } from '../../support/workers.ts';

const PIECE = 512 * 1024;
const WINDOW = 32 * 1024;
/** From so many bytes on there are workers. */
const WORKERS_FROM = 8 * PIECE;
const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
const numRuns = Number(process.env['OCISLIM_TEST_RANDOM'] ?? 200) / 10;

function gzip(bytes: Uint8Array, { level = 1, workers = 0, chunk = 65_536 } = {}): Promise<Buffer> {
  return bytesOf(compress(streamOf(bytes, chunk), { kind: 'gzip', level }, { workers }));
}

function random(length: number, seed = 1): Buffer {
  const numbers = new Random(seed);
  return Buffer.from(Uint8Array.from({ length }, () => numbers.below(256)));
}

/** Words of a small vocabulary, which is about how text and programs repeat themselves. */
function words(length: number, seed = 1): Buffer {
  const numbers = new Random(seed);
  const vocabulary = Array.from({ length: 400 }, (_, at) => random(1 + numbers.below(12), at));
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const word = vocabulary[Math.floor(400 * numbers.next() ** 2)] ?? Buffer.alloc(1);
    at += word.copy(bytes, at);
  }
  return bytes;
}

/** One after the other: a run, words, noise. */
function mixed(length: number): Buffer {
  const part = Math.ceil(length / 6);
  const parts = [words(part, 1), Buffer.alloc(part), random(part), words(part, 2), Buffer.alloc(part, 'ab')];
  return Buffer.concat([...parts, words(part, 3)]).subarray(0, length);
}

const noise = random(3 * PIECE);
const content = { noise, words: words(3 * PIECE), mixed: mixed(3 * PIECE), zeros: Buffer.alloc(3 * PIECE) };

/** Not toEqual, which takes a minute to say that megabytes differ. */
function expectSame(one: Buffer, other: Uint8Array): void {
  expect(Buffer.compare(one, other)).toBe(0);
}

describe('gzip', () => {
  it.each(LEVELS)('at level %i unpacks to what it was made of, at every limit', async (level) => {
    const sizes = [0, 1, 2, 3, 4, 7, 8, 9, 257, 258, 259, 65_535, 65_536, 65_537];
    const limits = [WINDOW, PIECE, PIECE + WINDOW, 2 * PIECE].flatMap((size) => [size - 1, size, size + 1]);
    for (const size of [...sizes, ...limits])
      for (const bytes of [content.mixed, content.words])
        expectSame(gunzipSync(await gzip(bytes.subarray(0, size), { level })), bytes.subarray(0, size));
  });

  it.each(LEVELS)('at level %i unpacks to what it was made of, of any kind', async (level) => {
    for (const bytes of Object.values(content)) expectSame(gunzipSync(await gzip(bytes, { level })), bytes);
  });

  it('unpacks to what it was made of, whatever that is', async () => {
    const letters = (max: number) => fc.array(fc.integer({ min: 0, max }), { maxLength: 300 });
    const phrase = fc.oneof(letters(1), letters(3), letters(255)).map((values) => Buffer.from(values));
    const repeated = fc
      .array(fc.tuple(phrase, fc.integer({ min: 1, max: 40 })), { maxLength: 30 })
      .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array<Buffer>(times).fill(bytes))));
    const chunks = fc.integer({ min: 1, max: 5000 });
    await fc.assert(
      fc.asyncProperty(repeated, fc.constantFrom(...LEVELS), chunks, async (bytes, level, chunk) => {
        expectSame(gunzipSync(await gzip(bytes, { level, chunk })), bytes);
      }),
      { numRuns },
    );
  });

  it.each(LEVELS)('at level %i takes nothing in front of the input for part of it', async (level) => {
    // There are zeros.
    const start = Buffer.from('one more time');
    const more = Buffer.concat([Buffer.alloc(1), start, noise.subarray(0, 40)]);
    const bytes = Buffer.concat([start, more, more]);
    expectSame(gunzipSync(await gzip(bytes, { level })), bytes);
  });

  it.each(LEVELS)('at level %i finds in a piece what was in the one before', async (level) => {
    const phrase = noise.subarray(0, 1000);
    const bytes = Buffer.concat([random(PIECE - 1000, 2), phrase, phrase]);
    expect((await gzip(bytes, { level })).length).toBeLessThan(PIECE + 300);
  });

  it('finds what is as far away as a match may be', async () => {
    const block = noise.subarray(0, WINDOW);
    const bytes = Buffer.concat([block, block, block]);
    const packed = await gzip(bytes, { level: 3 });
    expectSame(gunzipSync(packed), bytes);
    // Two times 32 KiB in matches of at most 258 bytes, which take up to 8 bytes each.
    expect(packed.length).toBeLessThan(WINDOW + 2 * 128 * 8 + 100);
  });

  it('has a header without name, time and system, and a trailer with checksum and size (RFC 1952)', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('x'), content.mixed]) {
      const packed = await gzip(bytes);
      expect(packed.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff');
      expect(packed.readUInt32LE(packed.length - 8)).toBe(crc32(bytes));
      expect(packed.readUInt32LE(packed.length - 4)).toBe(bytes.length);
    }
  });

  it('grows what cannot be compressed by what stored blocks take (RFC 1951 § 3.2.4)', async () => {
    for (const level of LEVELS) {
      const { length } = await gzip(noise, { level });
      // Of a piece 9 of at most 65,535 bytes, since none goes beyond 240 KiB, and the one that ends it; header and trailer.
      expect(length).toBeLessThanOrEqual(noise.length + 3 * 10 * 5 + 18);
    }
  });

  it.each([
    ['a program', () => readFileSync(process.execPath).subarray(0, 2_000_000)],
    [
      'text',
      () =>
        Buffer.concat(
          ['package-lock.json', 'docs/architecture.md', 'docs/cli.md'].map((name) => readFileSync(name)),
        ),
    ],
  ])('is as small as zlib makes %s, within two per cent', async (_, read) => {
    const bytes = read();
    for (const level of [1, 6, 9]) {
      const { length } = await gzip(bytes, { level });
      expect(length).toBeLessThan(1.02 * deflateRawSync(bytes, { level }).length);
    }
  });

  it('is smaller with every level', async () => {
    const bytes = Buffer.concat([readFileSync('package-lock.json'), readFileSync('docs/cli.md')]);
    const sizes = [];
    for (const level of LEVELS) sizes.push((await gzip(bytes, { level })).length);
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
  });
});

describe('workers', () => {
  const watched = watchWorkers();
  const much = mixed(WORKERS_FROM + 9 * PIECE + 12_345);

  const { allEnded } = watched;
  const unhurried = (bytes: Buffer, workers: number) =>
    watched.unhurried(bytes, WORKERS_FROM + PIECE + 1, workers);

  it.each([1, 2, 4])('change no byte: %i', async (workers) => {
    const alone = await gzip(much, { level: 4 });
    expectSame(gunzipSync(alone), much);
    expect(watched.started).toHaveLength(0);
    const stream = compress(unhurried(much, workers), { kind: 'gzip', level: 4 }, { workers });
    expectSame(await bytesOf(stream), alone);
    expect(watched.started).toHaveLength(workers);
    // What there is beyond the nine pieces before, and the ninth where a worker was up as soon as it was started.
    expect([9, 10]).toContain(watched.results);
  });

  it('give this digest: a change would change the digest of every image, and has to raise COMPRESSORS', async () => {
    const digest = sha256(await bytesOf(compress(unhurried(much, 2), { kind: 'gzip' }, { workers: 2 })));
    expect(digest).toBe('sha256:418320cddc24904598b6c4ac4d9b5ce1a66daae23c038cbe9ffc7d648cb269ec');
  });

  it('are not started for little', async () => {
    await gzip(much.subarray(0, WORKERS_FROM), { workers: 4 });
    expect(watched.started).toHaveLength(0);
  });

  it('that do not come up are done without', async () => {
    const hinder = (worker: Worker) => worker.terminate();
    process.on('worker', hinder);
    try {
      expectSame(await gzip(much, { workers: 2 }), await gzip(much));
    } finally {
      process.off('worker', hinder);
    }
    expect(watched.started).toHaveLength(2);
    expect(watched.results).toBe(0);
  });

  it('end when the stream is destroyed, and when its source fails', async () => {
    const stream = compress(endless(), { kind: 'gzip' }, { workers: 2 });
    for await (const _ of stream) if (watched.results > 0) break;
    expect(stream.destroyed).toBe(true);
    await allEnded();
    const failure = new Error('gone');
    const failing = async function* () {
      yield much;
      throw failure;
    };
    await expect(bytesOf(compress(failing(), { kind: 'gzip' }, { workers: 2 }))).rejects.toBe(failure);
    await allEnded();
    expect(watched.started).toHaveLength(4);
  });

  it('end when the stream is destroyed while its source says nothing', async () => {
    let silent = () => {};
    const isSilent = new Promise<void>((resolve) => {
      silent = resolve;
    });
    const stalled = async function* () {
      yield* unhurried(much, 2);
      silent();
      await new Promise(() => {});
    };
    const stream = compress(stalled(), { kind: 'gzip' }, { workers: 2 });
    stream.resume();
    await isSilent;
    expect(watched.started).toHaveLength(2);
    stream.destroy();
    await allEnded();
  });

  it('that die at work end the stream with an error', async () => {
    const stream = compress(endless(), { kind: 'gzip' }, { workers: 2 });
    const read = async () => {
      for await (const _ of stream) if (watched.results > 0) await watched.started[0]?.terminate();
    };
    await expect(read()).rejects.toMatchObject({ code: 'OCISLIM_INTERNAL' });
  });

  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) yield content.words;
  }
});
