import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '#oci-spec-types';
import { sha256 } from '#oci-spec-types';
import { stampOf } from '../../src/lib/file-memo.ts';
import { checkBlob } from '../../src/store/check-blob.ts';
import { Notes } from '../../src/store/notes.ts';
import { tempDir } from '../support/temp.ts';

const LARGE = Buffer.alloc(1024 * 1024, 5);

function notes(): Notes {
  const folder = tempDir();
  return new Notes(folder, async (path, bytes) =>
    writeFileSync(join(folder, path.split('/').at(-1) ?? ''), bytes),
  );
}

function blob(bytes: Uint8Array) {
  const path = join(tempDir(), 'blob');
  writeFileSync(path, bytes);
  return { path, expected: { digest: sha256(bytes), size: bytes.length } };
}

function stamp(path: string): Buffer {
  return Buffer.from(stampOf(statSync(path, { bigint: true })));
}

describe('checkBlob', () => {
  it.each([0, 5, LARGE.length])('tells %d bytes that are right from others', async (size) => {
    const { path, expected } = blob(LARGE.subarray(0, size));
    expect(await checkBlob(path, expected, notes())).toBe('intact');
    expect(await checkBlob(`${path}.none`, expected, notes())).toBe('absent');
    const other = { ...expected, digest: sha256('other') };
    expect(await checkBlob(path, other, notes())).toBe('damaged');
    expect(await checkBlob(path, { ...expected, size: size + 1 }, notes())).toBe('damaged');
  });

  it('does not hash again what was found right and has not changed since', async () => {
    const { path, expected } = blob(LARGE);
    const found = notes();
    const wrong = { ...expected, digest: sha256('not what is there') };
    await found.set(wrong.digest, stamp(path));
    expect(await checkBlob(path, wrong, found)).toBe('intact');
    writeFileSync(path, LARGE);
    expect(await checkBlob(path, wrong, found)).toBe('damaged');
  });

  it('hashes again what is small, whatever is noted', async () => {
    const { path, expected } = blob(LARGE.subarray(1));
    const found = notes();
    const wrong = { ...expected, digest: sha256('not what is there') };
    await found.set(wrong.digest, stamp(path));
    expect(await checkBlob(path, wrong, found)).toBe('damaged');
  });

  it('notes what has been left alone for a while, and not what was just written', async () => {
    const path = process.execPath;
    const digest = `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}` as Digest;
    const found = notes();
    expect(await checkBlob(path, { digest, size: statSync(path).size }, found)).toBe('intact');
    expect(await found.get(digest)).toEqual(stamp(path));

    const fresh = blob(LARGE);
    expect(await checkBlob(fresh.path, fresh.expected, found)).toBe('intact');
    expect(await found.get(fresh.expected.digest)).toBeUndefined();
  });

  it('is as right where the notes cannot be written', async () => {
    const path = process.execPath;
    const bytes = readFileSync(path);
    const refusing = new Notes(tempDir(), async () => {
      const { OcislimError } = await import('../../src/lib/errors.ts');
      throw new OcislimError('OCISLIM_NOT_WRITABLE', 'read-only');
    });
    const expected = { digest: sha256(bytes), size: bytes.length };
    expect(await checkBlob(path, expected, refusing)).toBe('intact');
  });
});
