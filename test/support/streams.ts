import { Readable } from 'node:stream';

export async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** A stream of `bytes` in pieces of `size`. */
export function streamOf(bytes: Uint8Array, size: number = bytes.length || 1): Readable {
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    Buffer.from(bytes.subarray(at * size, (at + 1) * size)),
  );
  return Readable.from(pieces, { objectMode: false });
}
