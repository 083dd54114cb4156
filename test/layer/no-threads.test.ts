import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compress } from '../../src/layer/compression.ts';
import { workerPool } from '../../src/layer/worker-pool.ts';
import { noise } from '../support/scene.ts';
import { bytesOf, streamOf } from '../support/streams.ts';

const { Worker } = threads;

function setWorker(replacement: unknown): void {
  Object.assign(threads, { Worker: replacement });
  syncBuiltinESMExports();
}

// As Node does where a container's limit on processes is reached.
beforeAll(() => {
  setWorker(
    class {
      constructor() {
        throw Object.assign(new Error('Worker initialization failure: EAGAIN'), {
          code: 'ERR_WORKER_INIT_FAILED',
        });
      }
    },
  );
});
afterAll(() => setWorker(Worker));

describe('where there may be no more threads', () => {
  it('no worker comes up', async () => {
    const pool = workerPool('', undefined, 2);
    expect(await pool.comesUp()).toBe(false);
    await expect(pool.run(1, [])).rejects.toMatchObject({
      code: 'OCISLIM_INTERNAL',
      message: 'a worker thread ended: Worker initialization failure: EAGAIN',
    });
  });

  it('compressing does without', async () => {
    const much = noise(6 * 1024 * 1024);
    const compressed = (workers: number) =>
      bytesOf(compress(streamOf(much, 65_536), { kind: 'gzip', level: 1 }, { workers }));
    expect((await compressed(2)).equals(await compressed(0))).toBe(true);
  });
});
