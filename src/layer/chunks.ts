/**
 * The same bytes in chunks of exactly `size`, the last one excepted: a compressor whose output depends on its calls gets
 * the same calls for the same content.
 */
export async function* fixedChunks(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let chunk = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + size - filled);
      chunk.set(bytes.subarray(at, end), filled);
      filled += end - at;
      at = end;
      if (filled === size) {
        yield chunk;
        chunk = Buffer.allocUnsafe(size);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}
