import { setImmediate } from 'node:timers/promises';
import type { PieceMemory } from './piece-memory.ts';
import type { WorkerPool } from './worker-pool.ts';

/** A part of a stream that is compressed by itself. */
export interface PieceBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a worker sends back: the memory that the piece came in, with what it was compressed to from its start on. */
interface Compressed {
  readonly memory: ArrayBuffer;
  /** In bytes. */
  readonly size: number;
}

/** How pieces of a stream are compressed. */
export interface PieceWork<Piece extends PieceBytes> {
  /** What a worker runs, and what it gets for that; see {@link WorkerPool}. */
  readonly script: string;
  readonly data: unknown;
  /** Pieces that this thread compresses by itself: in that time a worker would just have started. */
  readonly alone: number;
  /** Pieces underway for each worker: the one that it compresses, and those that wait for it. */
  readonly aWorker: number;
  /** Where the memory of pieces comes from, and goes back to. */
  readonly memory: PieceMemory;
  /** Compresses a piece on this thread. */
  compress(piece: Piece): Uint8Array;
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
export async function* inOrder<Piece extends PieceBytes>(
  pieces: AsyncIterable<Piece>,
  work: PieceWork<Piece>,
  { workers, signal }: Omit<CompressorOptions, 'level'>,
): AsyncGenerator<Uint8Array> {
  let pool: WorkerPool<Piece, Compressed> | undefined;
  const underway: Promise<Uint8Array>[] = [];
  const compress = async (piece: Piece): Promise<Uint8Array> => {
    // A source that never waits would keep the event loop from learning that a worker has started.
    if (pool?.isReady === false) await setImmediate();
    if (pool?.isReady) {
      const { memory, size } = await pool.run(piece, [piece.bytes.buffer]);
      const compressed = new Uint8Array(memory).slice(0, size);
      work.memory.giveBack(memory);
      return compressed;
    }
    const compressed = work.compress(piece);
    work.memory.giveBack(piece.bytes.buffer);
    return compressed;
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
