/** What one reads, what a stream holds ready for it, and what is read meanwhile; and one to spare. */
const CHUNKS = 4;

/**
 * Memory for the chunks of a stream that are done with once the next is asked for: what is allocated for each piles up
 * faster than it is collected.
 * @param size of each, in bytes
 * @returns gives the next; it is good until three others were taken
 */
export function chunkRing(size: number): () => Buffer {
  const chunks: Buffer[] = [];
  let turn = 0;
  return () => {
    const at = turn++ % CHUNKS;
    chunks[at] ??= Buffer.allocUnsafeSlow(size);
    return chunks[at];
  };
}
