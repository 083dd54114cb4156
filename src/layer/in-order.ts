import { setImmediate } from 'node:timers/promises';
import type { WorkerPool } from './worker-pool.ts';

/** How pieces of a stream are compressed, each by itself. */
export interface PieceWork<Piece, Result> {
  /** What a worker runs, and what it gets for that; see {@link WorkerPool}. */
  readonly script: string;
  readonly data: unknown;
  /** Pieces that this thread compresses by itself: in that time a worker would just have started. */
  readonly alone: number;
  /** Pieces underway for each worker: the one that it compresses, and those that wait for it. */
  readonly aWorker: number;
  /** Compresses a piece on this thread. */
  here(piece: Piece): Uint8Array;
  /** Memory of a piece that a worker gets for good. */
  moved(piece: Piece): readonly ArrayBuffer[];
  /** What a worker has made of a piece. */
  made(result: Result): Uint8Array;
}

export interface CompressorOptions {
  readonly level: number;
  /** Threads beside this one; 0 for none. They change no byte. */
  readonly workers: number;
  /** Ends the workers at once when nobody wants the result any more. */
  readonly signal: AbortSignal;
}

/**
 * Compresses pieces, on several threads if there are many, and gives what they come to in their order.
 * @throws OCISLIM_INTERNAL when a worker fails at work (those that do not come up are done without), and what `pieces` throws
 */
export async function* inOrder<Piece, Result>(
  pieces: AsyncIterable<Piece>,
  work: PieceWork<Piece, Result>,
  { workers, signal }: Omit<CompressorOptions, 'level'>,
): AsyncGenerator<Uint8Array> {
  let pool: WorkerPool<Piece, Result> | undefined;
  const underway: Promise<Uint8Array>[] = [];
  const compress = async (piece: Piece): Promise<Uint8Array> => {
    // A source that never waits would keep the event loop from learning that a worker has started.
    if (pool?.isReady === false) await setImmediate();
    return pool?.isReady ? work.made(await pool.run(piece, work.moved(piece))) : work.here(piece);
  };
  let count = 0;
  try {
    for await (const piece of pieces) {
      count++;
      if (count > work.alone && workers > 0 && pool === undefined) {
        const { workerPool } = await import('./worker-pool.ts');
        pool = workerPool(work.script, work.data, workers, signal);
      }
      const compressed = compress(piece);
      // It is looked at in its turn; until then its failure is nobody's surprise.
      compressed.catch(() => {});
      underway.push(compressed);
      if (underway.length > work.aWorker * workers) yield* oldest(underway);
    }
    while (underway.length > 0) yield* oldest(underway);
  } finally {
    pool?.end();
  }
}

async function* oldest(underway: Promise<Uint8Array>[]): AsyncGenerator<Uint8Array> {
  const compressed = await underway.shift();
  if (compressed !== undefined) yield compressed;
}
