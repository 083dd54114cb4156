import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { workerCount } from '../../src/layer/worker-count.ts';
import { workerPool } from '../../src/layer/worker-pool.ts';

const never = new AbortController().signal;

/** Doubles numbers; text is an error. */
const DOUBLE = `
const { parentPort, workerData } = require('node:worker_threads');
parentPort.on('message', (number) => {
  if (typeof number === 'string') throw new Error(number);
  parentPort.postMessage(workerData * number);
});
parentPort.postMessage('ready');
`;

describe('workerPool', () => {
  it.each([1, 3])('gives each job of many its own result, with %i workers', async (count) => {
    const pool = workerPool<number, number>(DOUBLE, 2, count, never);
    const results = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((number) => pool.run(number, [])));
    expect(results).toEqual([2, 4, 6, 8, 10, 12, 14]);
    expect(pool.isReady).toBe(true);
    pool.end();
  });

  it('fails all that is to do when one worker throws', async () => {
    const pool = workerPool<number | string, number>(DOUBLE, 2, 1, never);
    const results = [pool.run('out of breath', []), pool.run(1, [])];
    for (const result of await Promise.allSettled(results))
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'OCISLIM_INTERNAL', message: 'a worker thread ended: out of breath' },
      });
    await expect(pool.run(1, [])).rejects.toMatchObject({ code: 'OCISLIM_INTERNAL' });
  });

  it.each(['process.exit(0)', 'no program at all'])('fails when no worker comes up: %s', async (script) => {
    const pool = workerPool<number, number>(script, 2, 2, never);
    await expect(pool.run(1, [])).rejects.toMatchObject({ code: 'OCISLIM_INTERNAL' });
    expect(pool.isReady).toBe(false);
    expect(await pool.comesUp()).toBe(false);
  });

  it('tells that a worker comes up', async () => {
    const pool = workerPool<number, number>(DOUBLE, 2, 1, never);
    expect([pool.isReady, await pool.comesUp(), pool.isReady]).toEqual([false, true, true]);
    pool.end();
    expect(await pool.comesUp()).toBe(false);
  });

  it('is interrupted by its signal, also one that came before', async () => {
    const abort = new AbortController();
    const pool = workerPool<number, number>(DOUBLE, 2, 1, abort.signal);
    const result = pool.run(1, []);
    abort.abort();
    await expect(result).rejects.toMatchObject({ code: 'OCISLIM_INTERRUPTED' });
    const late = workerPool<number, number>(DOUBLE, 2, 1, abort.signal);
    await expect(late.run(1, [])).rejects.toMatchObject({ code: 'OCISLIM_INTERRUPTED' });
  });
});

describe('workerCount', () => {
  it('is one a core up to three, and none beside a single one', () => {
    const cores = availableParallelism();
    expect(workerCount({})).toBe(cores === 1 ? 0 : Math.min(cores, 3));
  });

  it('is what OCISLIM_WORKERS says', () => {
    expect(workerCount({ OCISLIM_WORKERS: '0' })).toBe(0);
    expect(workerCount({ OCISLIM_WORKERS: '12' })).toBe(12);
    for (const wish of ['many', '-1', '1.5', '100'])
      expect(() => workerCount({ OCISLIM_WORKERS: wish })).toThrow(
        expect.objectContaining({ code: 'OCISLIM_USAGE' }),
      );
  });
});
