import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Worker } from 'node:worker_threads';
import { init, compress as reference } from '@bokuweb/zstd-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { compress, decompress } from '../../src/layer/compression.ts';
import { bytesOf, streamOf } from '../support/streams.ts';
import { watchWorkers } from '../support/workers.ts';

const FRAME = 2 * 1024 * 1024;

/** Content of which some repeats. */
function contentOf(size: number): Buffer {
  const block = randomBytes(1000);
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 1500) bytes.set(block.subarray(0, Math.min(1000, size - at)), at);
  return bytes;
}

/** What the package itself makes of the frames. */
function framesOf(content: Buffer, level: number): Buffer {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < content.length || at === 0; at += FRAME)
    frames.push(reference(content.subarray(at, at + FRAME), level));
  return Buffer.concat(frames);
}

const packed = (content: Buffer, level: number, workers: number) =>
  bytesOf(compress(streamOf(content, 100_000), { kind: 'zstd', level }, { workers }));

// Once: the package mixes up its instances.
beforeAll(() => init());

describe('zstd', () => {
  it.each([0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME + 7])(
    'is of %i bytes what its package makes of each frame, with any number of workers',
    async (size) => {
      const content = contentOf(size);
      const expected = framesOf(content, 3);
      for (const workers of [0, 1, 2, 4])
        expect((await packed(content, 3, workers)).equals(expected), `${workers} workers`).toBe(true);
      expect((await bytesOf(decompress(Readable.from([expected]), 'zstd'))).equals(content)).toBe(true);
    },
  );

  it.each([1, 9, 19])('has the level %i', async (level) => {
    const content = contentOf(FRAME + 1000);
    expect((await packed(content, level, 1)).equals(framesOf(content, level))).toBe(true);
  });
});

describe('workers of zstd', () => {
  const watched = watchWorkers();

  it.each([1, 2, 4])('change no byte: %i', async (workers) => {
    const content = contentOf(6 * FRAME + 7);
    const source = watched.unhurried(content, 2 * FRAME + 1, workers);
    const frames = await bytesOf(compress(source, { kind: 'zstd', level: 1 }, { workers }));
    expect(frames.equals(framesOf(content, 1))).toBe(true);
    expect(watched.started).toHaveLength(workers);
    // What there is beyond the two frames before, and the second where a worker was up as soon as it was started.
    expect([5, 6]).toContain(watched.results);
  });

  it('are not started for one frame', async () => {
    await packed(contentOf(FRAME), 1, 4);
    expect(watched.started).toHaveLength(0);
  });

  it('end when nobody wants more', async () => {
    const endless = async function* () {
      for (;;) yield contentOf(1_000_000);
    };
    const stream = compress(endless(), { kind: 'zstd', level: 1 }, { workers: 2 });
    for await (const _ of stream) if (watched.results > 0) break;
    expect(stream.destroyed).toBe(true);
    await watched.allEnded();
    expect(watched.started).toHaveLength(2);
  });

  it('end when the source fails, which is passed on', async () => {
    const failure = new Error('gone');
    const failing = async function* () {
      yield* watched.unhurried(contentOf(4 * FRAME), 2 * FRAME + 1, 2);
      throw failure;
    };
    await expect(bytesOf(compress(failing(), { kind: 'zstd' }, { workers: 2 }))).rejects.toBe(failure);
    await watched.allEnded();
    expect(watched.started).toHaveLength(2);
  });

  it('that do not come up are done without', async () => {
    const hinder = (worker: Worker) => worker.terminate();
    process.on('worker', hinder);
    try {
      const content = contentOf(3 * FRAME + 7);
      expect((await packed(content, 1, 2)).equals(framesOf(content, 1))).toBe(true);
    } finally {
      process.off('worker', hinder);
    }
    expect(watched.started).toHaveLength(2);
    expect(watched.results).toBe(0);
  });

  it('that die at work end the stream with an error', async () => {
    const content = contentOf(1_000_000);
    const endless = async function* () {
      for (;;) yield content;
    };
    const stream = compress(endless(), { kind: 'zstd', level: 1 }, { workers: 2 });
    const read = async () => {
      for await (const _ of stream) if (watched.results > 0) await watched.started[0]?.terminate();
    };
    await expect(read()).rejects.toMatchObject({ code: 'OCISLIM_INTERNAL' });
  });
});
