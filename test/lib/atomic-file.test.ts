import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import {
  removeOnInterrupt,
  removePendingFiles,
  writeBytesAtomically,
  writeStreamAtomically,
} from '../../src/lib/atomic-file.ts';
import { tempDir } from '../support/temp.ts';

describe('writing a file atomically', () => {
  it('makes folders, and sets the mode whatever the umask', async () => {
    const path = join(tempDir(), 'a/b/file');
    const before = process.umask(0o077);
    try {
      await writeBytesAtomically(path, 'content', { mode: 0o644 });
    } finally {
      process.umask(before);
    }
    expect(readFileSync(path, 'utf8')).toBe('content');
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(readdirSync(join(path, '..'))).toEqual(['file']);
  });

  it('keeps the old file when the new one fails half-way', async () => {
    const folder = tempDir();
    const path = join(folder, 'file');
    writeFileSync(path, 'old');
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('new');
        throw new Error('lost');
      })(),
    );
    await expect(writeStreamAtomically(path, broken)).rejects.toThrow('lost');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  it('is not visible before it is whole', async () => {
    const folder = tempDir();
    const path = join(folder, 'file');
    const seen: boolean[] = [];
    const stream = Readable.from(
      (async function* () {
        for (let at = 0; at < 3; at++) {
          yield Buffer.from('x');
          seen.push(existsSync(path));
        }
      })(),
    );
    await writeStreamAtomically(path, stream);
    expect(seen).toEqual([false, false, false]);
    expect(readFileSync(path, 'utf8')).toBe('xxx');
  });

  it('stops when it is aborted, and leaves nothing', async () => {
    const folder = tempDir();
    const controller = new AbortController();
    const stream = Readable.from(
      (async function* () {
        yield Buffer.from('x');
        controller.abort(new Error('enough'));
        yield Buffer.from('y');
      })(),
    );
    await expect(
      writeStreamAtomically(join(folder, 'f'), stream, { signal: controller.signal }),
    ).rejects.toThrow('enough');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('names the path when a folder is in the way, or it may not write', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'taken/full'), { recursive: true });
    await expect(writeBytesAtomically(join(folder, 'taken'), 'x')).rejects.toMatchObject({
      code: 'OCISLIM_NOT_WRITABLE',
      message: expect.stringContaining('taken'),
    });
    writeFileSync(join(folder, 'plain'), '');
    await expect(writeBytesAtomically(join(folder, 'plain/x'), 'x')).rejects.toMatchObject({
      code: 'OCISLIM_NOT_WRITABLE',
    });
    if (process.getuid?.() === 0) return;
    chmodSync(folder, 0o500);
    await expect(writeBytesAtomically(join(folder, 'x'), 'x')).rejects.toMatchObject({
      code: 'OCISLIM_NOT_WRITABLE',
    });
    chmodSync(folder, 0o700);
  });
});

it('an interrupt removes what is pending, and nothing that was forgotten', () => {
  const folder = tempDir();
  for (const name of ['kept', 'pending', 'tree/file']) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), '');
  }
  removeOnInterrupt(join(folder, 'kept')).forget();
  removeOnInterrupt(join(folder, 'pending'));
  removeOnInterrupt(join(folder, 'tree'));
  removePendingFiles();
  expect(readdirSync(folder)).toEqual(['kept']);
});
