import { closeSync, openSync } from 'node:fs';
import { writeAll } from '../lib/atomic-file.ts';

/**
 * Writes a file that is not there yet. Everything goes through its descriptor, so that it does not matter what becomes of
 * its name meanwhile; and at once, since to have another thread write takes longer than to copy it to the kernel's memory.
 */
export async function writeFile(
  path: string | Buffer,
  content: AsyncIterable<Uint8Array>,
  size: number,
  finish: (file: number) => void = () => {},
): Promise<void> {
  const file = openSync(path, 'wx', 0o600);
  try {
    if (size > 0) for await (const chunk of content) writeAll(file, chunk);
    finish(file);
  } finally {
    closeSync(file);
  }
}
