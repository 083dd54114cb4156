import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach } from 'vitest';

/** What becomes of the worker threads that each test of a suite starts; at its end all of them must have ended. */
export interface Workers {
  readonly started: readonly Worker[];
  /** How many pieces they have compressed. */
  readonly results: number;
  /** Fails by the test's time limit if a worker goes on. */
  allEnded(): Promise<void>;
  /** The rest comes once all workers wait for it, since a quick main thread might else be done before. */
  unhurried(bytes: Buffer, first: number, workers: number): AsyncGenerator<Buffer>;
}

export function watchWorkers(): Workers {
  let started: Worker[] = [];
  let ready: Promise<unknown>[] = [];
  let results = 0;
  const watch = (worker: Worker) => {
    started.push(worker);
    ready.push(once(worker, 'message'));
    worker.on('message', ({ size }: { size?: number }) => {
      if (size !== undefined) results++;
    });
  };
  const allEnded = async () => {
    for (const worker of started) if (worker.threadId !== -1) await once(worker, 'exit');
  };
  beforeEach(() => {
    started = [];
    ready = [];
    results = 0;
    process.on('worker', watch);
  });
  afterEach(async () => {
    process.off('worker', watch);
    await allEnded();
  });
  return {
    get started() {
      return started;
    },
    get results() {
      return results;
    },
    allEnded,
    async *unhurried(bytes, first, workers) {
      yield bytes.subarray(0, first);
      while (ready.length < workers) await setImmediate();
      await Promise.all(ready);
      yield bytes.subarray(first);
    },
  };
}
