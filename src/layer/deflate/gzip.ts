import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { type WorkerPool, workerPool } from '../worker-pool.ts';
import { DEFLATE_WORKER, type DeflateResult, loadDeflate, type Piece } from './deflate.ts';
import { cutPieces, pieceMemory } from './pieces.ts';

/** No name, no time, no operating system: nothing in the header but that it is gzip (RFC 1952 § 2.3). */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/** Pieces that this thread compresses by itself: in that time a worker would just have started. */
const PIECES_WITHOUT_WORKERS = 8;

/** For each worker one piece that it compresses and one that waits for it. */
const PIECES_A_WORKER = 2;

export interface GzipOptions {
  /** 1 to 9. */
  readonly level: number;
  /** Threads beside this one; 0 for none. They change no byte. */
  readonly workers: number;
  /** Ends the workers at once when nobody wants the result any more. */
  readonly signal: AbortSignal;
}

/**
 * One gzip member (RFC 1952). Pieces of a fixed size are compressed independently of each other, on several threads if
 * there is much, and joined in order.
 * @throws OCISLIM_INTERNAL when a worker fails at work (those that do not come up are done without), and what `source` throws
 */
export async function* gzip(
  source: AsyncIterable<Uint8Array>,
  { level, workers, signal }: GzipOptions,
): AsyncGenerator<Uint8Array> {
  const deflate = loadDeflate();
  const memory = pieceMemory(deflate);
  let pool: WorkerPool<Piece, DeflateResult> | undefined;
  const underway: Promise<Uint8Array>[] = [];
  const compress = async (piece: Piece): Promise<Uint8Array> => {
    // A source that never waits would keep the event loop from learning that a worker has started.
    if (pool?.isReady === false) await setImmediate();
    if (pool?.isReady) {
      const result = await pool.run(piece, [piece.bytes.buffer]);
      const compressed = new Uint8Array(result.memory).slice(0, result.size);
      memory.giveBack(result.memory);
      return compressed;
    }
    const compressed = deflate.compress(piece);
    memory.giveBack(piece.bytes.buffer);
    return compressed;
  };
  let checksum = 0;
  let size = 0;
  let pieces = 0;
  try {
    yield HEADER;
    for await (const piece of cutPieces(source, level, deflate, memory)) {
      const content = piece.bytes.subarray(piece.window);
      checksum = crc32(content, checksum);
      size += content.length;
      pieces++;
      if (pieces > PIECES_WITHOUT_WORKERS && workers > 0)
        pool ??= workerPool(DEFLATE_WORKER, deflate.module, workers, signal);
      const compressed = compress(piece);
      // It is looked at in its turn; until then its failure is nobody's surprise.
      compressed.catch(() => {});
      underway.push(compressed);
      if (underway.length > PIECES_A_WORKER * workers) yield* oldest(underway);
    }
    while (underway.length > 0) yield* oldest(underway);
  } finally {
    pool?.end();
  }
  yield trailer(checksum, size);
}

async function* oldest(underway: Promise<Uint8Array>[]): AsyncGenerator<Uint8Array> {
  const compressed = await underway.shift();
  if (compressed !== undefined) yield compressed;
}

function trailer(checksum: number, size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(checksum, 0);
  bytes.writeUInt32LE(size % 2 ** 32, 4);
  return bytes;
}
