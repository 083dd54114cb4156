import { crc32 } from 'node:zlib';
import { type CompressorOptions, inOrder } from '../in-order.ts';
import { pieceMemory } from '../piece-memory.ts';
import { DEFLATE_WORKER, loadDeflate } from './deflate.ts';
import { cutPieces } from './pieces.ts';

/** No name, no time, no operating system: nothing in the header but that it is gzip (RFC 1952 § 2.3). */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/**
 * One gzip member (RFC 1952). Pieces of a fixed size are compressed independently of each other, on several threads if
 * there is much, and joined in order.
 * @param options level 1 to 9
 * @throws OCISLIM_INTERNAL when a worker fails at work, and what `source` throws
 */
export async function* gzip(
  source: AsyncIterable<Uint8Array>,
  options: CompressorOptions,
): AsyncGenerator<Uint8Array> {
  const deflate = loadDeflate();
  const memory = pieceMemory(deflate.windowSize + deflate.pieceSize);
  let checksum = 0;
  let size = 0;
  const measured = async function* () {
    for await (const piece of cutPieces(source, options.level, deflate, memory)) {
      const content = piece.bytes.subarray(piece.window);
      checksum = crc32(content, checksum);
      size += content.length;
      yield piece;
    }
  };
  yield HEADER;
  const { module, compress } = deflate;
  const work = { script: DEFLATE_WORKER, data: module, alone: 8, aWorker: 2, memory, compress };
  yield* inOrder(measured(), work, options);
  yield trailer(checksum, size);
}

function trailer(checksum: number, size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(checksum, 0);
  bytes.writeUInt32LE(size % 2 ** 32, 4);
  return bytes;
}
