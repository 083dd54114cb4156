import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openTarStream } from '../../src/dockerfile/archive-content.ts';
import { tarChunks } from '../../src/layer/tar-writer.ts';
import { streamOf } from '../support/streams.ts';

/** Much more than is looked at to see what it is. */
async function tar(): Promise<Buffer> {
  const content = randomBytes(4 * 1024 * 1024);
  const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  const open = async () => Readable.from([content]);
  const entry = { path: 'a', type: 'file', size: content.length, open, ...common } as const;
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarChunks([entry])) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe('an archive that is only looked at', () => {
  it.each([
    ['as it is', (bytes: Buffer) => bytes],
    ['with gzip', (bytes: Buffer) => gzipSync(bytes)],
  ])(
    '%s lets go of the file',
    async (_, pack) => {
      const source = streamOf(pack(await tar()), 64 * 1024);
      const found = await openTarStream(source, 'a.tar');
      expect(found).toBeDefined();
      const closed = once(source, 'close');
      found?.stream.destroy();
      await closed;
      expect(source.readableEnded).toBe(false);
    },
    5000,
  );
});
