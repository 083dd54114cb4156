import type { ReadAt } from '../elf/file.ts';

/** A value of a row; numbers beyond 2^53 are not exact. */
export type SqliteValue = null | number | Buffer;

const MAGIC = 'SQLite format 3\0';
/** Pages that are looked at: 2 GiB of the usual size. */
const PAGE_LIMIT = 524_288;
/** Bytes of one row; a package's header with a hundred thousand files is below. */
const ROW_LIMIT = 64 * 1024 * 1024;
const COLUMN_LIMIT = 64;

interface Database {
  readonly pageSize: number;
  /** Bytes of a page that hold content. */
  readonly usable: number;
  page(number: number): Promise<Buffer>;
}

/**
 * The rows of a table of an SQLite database (sqlite.org/fileformat2.html), in the order of their keys. What a
 * write-ahead log beside the file may hold is not seen.
 * @returns nothing for a file that is no database, or has no such table
 * @throws RangeError where it is damaged
 */
export async function* sqliteRows(read: ReadAt, table: string): AsyncGenerator<readonly SqliteValue[]> {
  const database = await openDatabase(read);
  if (database === undefined) return;
  const root = await rootOf(database, table);
  if (root !== undefined) yield* rows(database, root);
}

async function openDatabase(read: ReadAt): Promise<Database | undefined> {
  const header = await read(0, 100);
  if (header.length < 100 || header.toString('latin1', 0, 16) !== MAGIC) return undefined;
  const stored = header.readUInt16BE(16);
  const pageSize = stored === 1 ? 65536 : stored;
  const usable = pageSize - header.readUInt8(20);
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0 || usable < 480) return undefined;
  let left = PAGE_LIMIT;
  const page = async (number: number) => {
    if (number < 1 || --left < 0) throw new RangeError('more pages than there can be');
    const bytes = await read((number - 1) * pageSize, pageSize);
    if (bytes.length < pageSize) throw new RangeError(`page ${number} is not there`);
    return bytes;
  };
  return { pageSize, usable, page };
}

/** Where a table begins: the first page has a table of all of them (§ 2.6). */
async function rootOf(database: Database, table: string): Promise<number | undefined> {
  for await (const [type, name, , root] of rows(database, 1)) {
    if (String(type) === 'table' && String(name) === table && typeof root === 'number') return root;
  }
  return undefined;
}

const LEAF = 0x0d;
const INTERIOR = 0x05;

/** The cells of a table's tree, from left to right (§ 1.6). */
async function* rows(database: Database, root: number): AsyncGenerator<readonly SqliteValue[]> {
  const seen = new Set<number>();
  const left = [root];
  for (let number = left.pop(); number !== undefined; number = left.pop()) {
    if (seen.has(number)) throw new RangeError('a tree with a loop');
    seen.add(number);
    const page = await database.page(number);
    const start = number === 1 ? 100 : 0;
    const type = page.readUInt8(start);
    if (type !== LEAF && type !== INTERIOR) throw new RangeError(`page ${number} is of another kind`);
    const pointers = start + (type === LEAF ? 8 : 12);
    const cells = Array.from({ length: page.readUInt16BE(start + 3) }, (_, at) =>
      page.readUInt16BE(pointers + 2 * at),
    );
    if (type === INTERIOR) {
      const children = [...cells.map((at) => page.readUInt32BE(at)), page.readUInt32BE(start + 8)];
      left.push(...children.reverse());
      continue;
    }
    for (const at of cells) yield decodeRecord(await payload(database, page, at));
  }
}

/** A row's bytes, which may go on in pages of their own. */
async function payload(database: Database, page: Buffer, at: number): Promise<Buffer> {
  const { usable } = database;
  const size = varint(page, at);
  const key = varint(page, size.end);
  if (size.value > ROW_LIMIT) throw new RangeError('a row that is too large');
  const most = usable - 35;
  if (size.value <= most) return slice(page, key.end, size.value);
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const fitting = least + ((size.value - least) % (usable - 4));
  const local = fitting <= most ? fitting : least;
  const parts = [slice(page, key.end, local)];
  let rest = size.value - local;
  for (let next = page.readUInt32BE(key.end + local); rest > 0; ) {
    const overflow = await database.page(next);
    const part = overflow.subarray(4, Math.min(usable, 4 + rest));
    parts.push(part);
    rest -= part.length;
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts, size.value);
}

/** A header of types, and the values behind it (§ 2.1). */
function decodeRecord(bytes: Buffer): readonly SqliteValue[] {
  const header = varint(bytes, 0);
  const types: number[] = [];
  for (let at = header.end; at < header.value && types.length < COLUMN_LIMIT; ) {
    const type = varint(bytes, at);
    types.push(type.value);
    at = type.end;
  }
  let at = header.value;
  return types.map((type) => {
    const size = sizeOf(type);
    const value = slice(bytes, at, size);
    at += size;
    if (type === 0) return null;
    if (type === 8 || type === 9) return type - 8;
    if (type >= 12) return value;
    if (type === 7) return value.readDoubleBE();
    return size <= 6 ? value.readIntBE(0, size) : Number(value.readBigInt64BE());
  });
}

function sizeOf(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  const size = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type];
  if (size === undefined) throw new RangeError(`a value of the reserved type ${type}`);
  return size;
}

function slice(bytes: Buffer, at: number, size: number): Buffer {
  if (at + size > bytes.length) throw new RangeError('a value that does not end');
  return bytes.subarray(at, at + size);
}

/** Up to nine bytes with seven bits each, the ninth with eight (§ 1.6). */
function varint(bytes: Buffer, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let count = 0; count < 9; count++) {
    const byte = bytes.readUInt8(at + count);
    if (count === 8) return { value: value * 256 + byte, end: at + 9 };
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end: at + count + 1 };
  }
  throw new RangeError('a number that does not end');
}
