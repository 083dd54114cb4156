import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { transientChunks } from '../../src/store/transient-chunks.ts';
import { tempDir } from '../support/temp.ts';

it('a file that is read without waiting hears of an abort all the same', async () => {
  const size = 16 * 1024 * 1024;
  const path = join(tempDir(), 'file');
  writeFileSync(path, Buffer.alloc(size));
  const stop = new AbortController();
  const chunks = transientChunks(
    { open: () => openSync(path, 'r'), ready: async () => size },
    undefined,
    stop.signal,
  );
  // What comes from outside, a Ctrl-C for one, is seen between turns of the event loop alone.
  setImmediate(() => stop.abort(new Error('enough')));
  let read = 0;
  const reading = async () => {
    for await (const chunk of chunks) read += chunk.length;
  };
  await expect(reading()).rejects.toThrow('enough');
  expect(read).toBeGreaterThan(0);
});
