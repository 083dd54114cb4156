import { compress, init } from '@bokuweb/zstd-wasm';
import { fixedChunks } from './chunks.ts';

/** Content of one frame; frames joined are one stream (RFC 8878 § 3). */
const FRAME_SIZE = 4 * 1024 * 1024;

let ready: Promise<void> | undefined;

/** Compresses with the zstd library itself, compiled to WebAssembly: the same bytes on every machine. */
export async function* zstdFrames(
  source: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array> {
  ready ??= init();
  await ready;
  let empty = true;
  for await (const chunk of fixedChunks(source, FRAME_SIZE)) {
    yield compress(chunk, level);
    empty = false;
  }
  if (empty) yield compress(new Uint8Array(0), level);
}
