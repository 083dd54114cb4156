import { closeSync, openSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';

const writeSome = promisify(write);

/** Chunks at most this long are written at once; longer content is written while more of it is unpacked. */
const SMALL = 128 * 1024;

/**
 * Writes a file that is not there yet. Everything goes through its descriptor, so that it does not matter what becomes of
 * its name meanwhile.
 */
export async function writeFile(
  path: string | Buffer,
  content: AsyncIterable<Uint8Array>,
  size: number,
  finish: (file: number) => void = () => {},
): Promise<void> {
  const file = openSync(path, 'wx', 0o600);
  try {
    if (size > 0) for await (const chunk of content) await writeChunk(file, chunk, size);
    finish(file);
  } finally {
    closeSync(file);
  }
}

async function writeChunk(file: number, chunk: Uint8Array, size: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += size <= SMALL ? writeSync(file, chunk, at) : (await writeSome(file, chunk, at)).bytesWritten;
  }
}
