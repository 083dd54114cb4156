import { Worker } from 'node:worker_threads';
import { OcislimError } from '../lib/errors.ts';
import { signalled } from '../lib/signalled.ts';

/** Threads that do one kind of job. They do not keep the process alive unless there is something to do. */
export interface WorkerPool<Job, Result> {
  /** Whether a worker has started. What is given to the pool before waits for one. */
  readonly isReady: boolean;
  /** Whether one does start, or all have come to nothing. */
  comesUp(): Promise<boolean>;
  /**
   * Results come as they are done. `moved` is memory of the job that the worker gets for good.
   * @throws OCISLIM_INTERNAL when a worker ends before its time, OCISLIM_INTERRUPTED after the end of the pool
   */
  run(job: Job, moved: readonly ArrayBuffer[]): Promise<Result>;
  /** Ends all workers at once; what they have not done yet fails. */
  end(): void;
}

interface Task<Job, Result> {
  readonly job: Job;
  readonly moved: readonly ArrayBuffer[];
  resolve(result: Result): void;
  reject(error: Error): void;
}

/**
 * Starts `count` workers. `script` is a whole program in CommonJS that gets `data` as its workerData, sends one message
 * once it is ready, and from then on one for each that it gets.
 */
export function workerPool<Job, Result>(
  script: string,
  data: unknown,
  count: number,
  signal?: AbortSignal,
): WorkerPool<Job, Result> {
  const queue: Task<Job, Result>[] = [];
  const busy = new Map<Worker, Task<Job, Result>>();
  const idle: Worker[] = [];
  let isReady = false;
  let ended: Error | undefined;
  const decided = signalled();
  let isAwaited = false;

  const stop = (error: Error) => {
    if (ended !== undefined) return;
    ended = error;
    signal?.removeEventListener('abort', end);
    decided.give();
    for (const task of [...busy.values(), ...queue]) task.reject(error);
    busy.clear();
    queue.length = 0;
    for (const worker of workers) worker.terminate().catch(() => {});
  };
  const end = () => stop(new OcislimError('OCISLIM_INTERRUPTED', 'nobody waits for the workers any more'));
  const failed = (cause?: Error) =>
    stop(
      new OcislimError('OCISLIM_INTERNAL', `a worker thread ended${cause ? `: ${cause.message}` : ''}`, {
        hint: 'OCISLIM_WORKERS=0 does without',
        cause,
      }),
    );
  const holdProcess = () => {
    const isAtWork = busy.size + queue.length > 0 || (isAwaited && !isReady);
    for (const worker of workers) isAtWork ? worker.ref() : worker.unref();
  };
  const handOut = () => {
    for (let worker = idle.pop(); worker !== undefined; worker = idle.pop()) {
      const task = queue.shift();
      if (task === undefined) {
        idle.push(worker);
        return;
      }
      busy.set(worker, task);
      worker.postMessage(task.job, task.moved);
    }
  };
  const start = (): Worker => {
    // Options of Node that are for the main thread, such as modules to load first, would only slow it down.
    const worker = new Worker(script, { eval: true, workerData: data, execArgv: [], env: {} });
    worker.on('message', (result: Result) => {
      isReady = true;
      decided.give();
      busy.get(worker)?.resolve(result);
      busy.delete(worker);
      idle.push(worker);
      handOut();
      holdProcess();
    });
    worker.on('error', failed);
    worker.on('exit', () => failed());
    worker.unref();
    return worker;
  };

  const workers: Worker[] = [];
  try {
    while (workers.length < count) workers.push(start());
  } catch (error) {
    // Where there may be no more threads.
    failed(error as Error);
  }
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  return {
    get isReady() {
      return isReady;
    },
    comesUp: async () => {
      isAwaited = true;
      if (ended === undefined) holdProcess();
      await decided.given;
      return ended === undefined;
    },
    run: (job, moved) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        queue.push({ job, moved, resolve, reject });
        handOut();
        holdProcess();
      }),
    end,
  };
}
