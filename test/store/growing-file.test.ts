import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GrowingFile } from '../../src/store/growing-file.ts';
import { transientChunks } from '../../src/store/transient-chunks.ts';
import { tempDir } from '../support/temp.ts';

function growing() {
  const path = join(tempDir(), 'file');
  writeFileSync(path, '');
  const file = new GrowingFile(path);
  const write = (text: string) => {
    appendFileSync(path, text);
    file.grow(Buffer.byteLength(text));
  };
  return { path, file, write };
}

describe('a file that is being written', () => {
  it('is read as it comes', async () => {
    const { file, write } = growing();
    const chunks = transientChunks(file);
    for (const text of ['one', 'two']) {
      const next = chunks.next();
      write(text);
      expect((await next).value?.toString()).toBe(text);
    }
    const last = chunks.next();
    file.end();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  it('gives what it has to one that comes late, also once it has another name', async () => {
    const { path, file, write } = growing();
    const large = 'x'.repeat(600_000);
    write(large);
    const chunks = transientChunks(file);
    const first = await chunks.next();
    renameSync(path, `${path}.done`);
    file.end();
    const read = [Buffer.from(first.value ?? Buffer.alloc(0))];
    for await (const chunk of chunks) read.push(Buffer.from(chunk));
    expect(Buffer.concat(read).toString()).toBe(large);
  });

  it('fails where the writing fails, after what came before', async () => {
    const { file, write } = growing();
    write('one');
    file.end({ error: new Error('disk full') });
    const chunks = transientChunks(file);
    expect((await chunks.next()).value?.toString()).toBe('one');
    await expect(chunks.next()).rejects.toThrow('disk full');
  });

  it('tells why it was not written to one that comes after it is gone', () => {
    const { path, file, write } = growing();
    write('one');
    file.end({ error: new Error('disk full') });
    rmSync(path);
    expect(() => file.open()).toThrow('disk full');
  });

  it('may turn out wrong once all of it is there: then that is why it is gone', () => {
    const { path, file, write } = growing();
    write('one');
    file.end();
    file.end({ error: new Error('another digest') });
    rmSync(path);
    expect(() => file.open()).toThrow('another digest');
  });
});
