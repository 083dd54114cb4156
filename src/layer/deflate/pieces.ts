import type { PieceMemory } from '../piece-memory.ts';
import type { Deflate, Piece } from './deflate.ts';

/**
 * Cuts a stream into pieces, each behind a copy of what came before it. There is always a last one, empty if there is
 * nothing to compress. The memory of a piece belongs to whoever gets it.
 */
export async function* cutPieces(
  source: AsyncIterable<Uint8Array>,
  level: number,
  { pieceSize, windowSize }: Pick<Deflate, 'pieceSize' | 'windowSize'>,
  memory: PieceMemory,
): AsyncGenerator<Piece> {
  let bytes = new Uint8Array(memory.take());
  let window = 0;
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      // Only now is it known not to be the last.
      if (filled === window + pieceSize) {
        const next = new Uint8Array(memory.take());
        const kept = Math.min(windowSize, filled);
        next.set(bytes.subarray(filled - kept, filled));
        yield { bytes: bytes.subarray(0, filled), window, isLast: false, level };
        bytes = next;
        window = kept;
        filled = kept;
      }
      const end = Math.min(chunk.length, at + window + pieceSize - filled);
      bytes.set(chunk.subarray(at, end), filled);
      filled += end - at;
      at = end;
    }
  }
  yield { bytes: bytes.subarray(0, filled), window, isLast: true, level };
}
