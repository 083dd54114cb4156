import { describe, expect, it } from 'vitest';
import type { ReadAt } from '../../src/elf/file.ts';
import { sqliteRows } from '../../src/sbom/sqlite.ts';
import { PAGE, sqliteDatabase } from '../support/sqlite.ts';

const reader =
  (bytes: Buffer): ReadAt =>
  async (offset, length) =>
    bytes.subarray(offset, offset + length);

async function blobs(bytes: Buffer, table = 'Packages') {
  const found: unknown[] = [];
  for await (const [, blob] of sqliteRows(reader(bytes), table)) found.push(blob);
  return found;
}

const large = Buffer.alloc(5000, 'large');

describe('an SQLite database', () => {
  it('gives the rows of a table in order, also those that go on in other pages', async () => {
    const { bytes } = sqliteDatabase('Packages', [Buffer.from('one'), large, Buffer.from('three')]);
    expect(await blobs(bytes)).toEqual([Buffer.from('one'), large, Buffer.from('three')]);
  });

  it('has no rows of a table that is not there, and none where it is no database', async () => {
    const { bytes } = sqliteDatabase('Packages', [Buffer.from('one')]);
    expect(await blobs(bytes, 'Other')).toEqual([]);
    expect(await blobs(Buffer.from('no database'))).toEqual([]);
    expect(await blobs(Buffer.alloc(4096))).toEqual([]);
  });

  it('that loops is refused: in its tree, and in the pages of a row', async () => {
    const tree = sqliteDatabase('Packages', [Buffer.from('one')]);
    tree.bytes.writeUInt32BE(tree.root, (tree.root - 1) * PAGE + 8);
    await expect(blobs(tree.bytes)).rejects.toThrow('a tree with a loop');
    const row = sqliteDatabase('Packages', [large]);
    const at = ((row.overflow ?? 0) - 1) * PAGE;
    // A row's own length ends it, whatever its pages say.
    row.bytes.writeUInt32BE(row.overflow ?? 0, at);
    expect(await blobs(row.bytes)).toHaveLength(1);
  });

  it('that is cut is refused at any place, and never read beyond', async () => {
    const { bytes } = sqliteDatabase('Packages', [Buffer.from('one'), large]);
    for (let size = 100; size < bytes.length; size += 97)
      await expect(blobs(bytes.subarray(0, size))).rejects.toThrow(RangeError);
  });

  it('with a row that claims a gigabyte is refused before anything is allocated', async () => {
    const { bytes } = sqliteDatabase('Packages', [Buffer.from('one')]);
    const page = 2 * PAGE;
    const cell = page + bytes.readUInt16BE(page + 8);
    Buffer.from([0x84, 0x80, 0x80, 0x80, 0x00]).copy(bytes, cell);
    await expect(blobs(bytes)).rejects.toThrow('a row that is too large');
  });

  it('with any one byte changed is read or refused, and nothing else', async () => {
    const { bytes } = sqliteDatabase('Packages', [Buffer.from('one'), large]);
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      await blobs(changed).catch((error: unknown) => expect(error).toBeInstanceOf(RangeError));
    }
  });
});
