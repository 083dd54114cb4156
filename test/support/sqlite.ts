/** An SQLite database by hand (sqlite.org/fileformat2.html): pages of 512 bytes, one table, rows of a key and a blob. */

export const PAGE = 512;
const LOCAL_MOST = PAGE - 35;
const LOCAL_LEAST = Math.floor(((PAGE - 12) * 32) / 255) - 23;

function varint(value: number): Buffer {
  const bytes = [value & 0x7f];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    bytes.unshift((left & 0x7f) | 0x80);
  return Buffer.from(bytes);
}

/** A record of NULL (for the key), texts, small numbers and blobs. */
function record(values: readonly (null | number | string | Buffer)[]): Buffer {
  const types = values.map((value) => {
    if (value === null) return varint(0);
    if (typeof value === 'number') return varint(1);
    return varint(2 * Buffer.byteLength(value) + (Buffer.isBuffer(value) ? 12 : 13));
  });
  const body = values.map((value) => {
    if (value === null) return Buffer.alloc(0);
    return typeof value === 'number' ? Buffer.from([value]) : Buffer.from(value);
  });
  const header = Buffer.concat(types);
  return Buffer.concat([varint(header.length + 1), header, ...body]);
}

/** A leaf page; on the first page the tree begins behind the file's header. */
function leaf(cells: readonly Buffer[], start = 0): Buffer {
  const page = Buffer.alloc(PAGE);
  page.writeUInt8(0x0d, start);
  page.writeUInt16BE(cells.length, start + 3);
  let end = PAGE;
  cells.forEach((cell, at) => {
    end -= cell.length;
    cell.copy(page, end);
    page.writeUInt16BE(end, start + 8 + 2 * at);
  });
  return page;
}

export interface Database {
  readonly bytes: Buffer;
  /** Numbers of pages: of the table's root, and of the first that a row goes on in. */
  readonly root: number;
  readonly overflow: number | undefined;
}

/** A database with a table; each row has a leaf of its own below one interior page. */
export function sqliteDatabase(table: string, blobs: readonly Buffer[]): Database {
  const pages: Buffer[] = [];
  const root = 2;
  const children = blobs.map((_, at) => root + 1 + at);
  let next = root + 1 + blobs.length;
  const overflow: Buffer[] = [];
  let firstOverflow: number | undefined;
  const leaves = blobs.map((blob, at) => {
    const payload = record([null, blob]);
    const head = Buffer.concat([varint(payload.length), varint(at + 1)]);
    if (payload.length <= LOCAL_MOST) return leaf([Buffer.concat([head, payload])]);
    const fitting = LOCAL_LEAST + ((payload.length - LOCAL_LEAST) % (PAGE - 4));
    const local = fitting <= LOCAL_MOST ? fitting : LOCAL_LEAST;
    const first = Buffer.alloc(4);
    first.writeUInt32BE(next);
    firstOverflow ??= next;
    for (let from = local; from < payload.length; from += PAGE - 4) {
      const page = Buffer.alloc(PAGE);
      payload.copy(page, 4, from, from + PAGE - 4);
      next++;
      if (from + PAGE - 4 < payload.length) page.writeUInt32BE(next);
      overflow.push(page);
    }
    return leaf([Buffer.concat([head, payload.subarray(0, local), first])]);
  });
  const interior = Buffer.alloc(PAGE);
  interior.writeUInt8(0x05, 0);
  interior.writeUInt16BE(Math.max(0, children.length - 1), 3);
  children.slice(0, -1).forEach((child, at) => {
    const cell = PAGE - 5 * (at + 1);
    interior.writeUInt32BE(child, cell);
    interior.writeUInt8(at + 1, cell + 4);
    interior.writeUInt16BE(cell, 12 + 2 * at);
  });
  interior.writeUInt32BE(children.at(-1) ?? 0, 8);
  const schema = record([
    'table',
    table,
    table,
    root,
    `CREATE TABLE ${table} (hnum INTEGER PRIMARY KEY, blob BLOB)`,
  ]);
  const first = leaf([Buffer.concat([varint(schema.length), varint(1), schema])], 100);
  first.write('SQLite format 3\0', 'latin1');
  first.writeUInt16BE(PAGE, 16);
  pages.push(first, interior, ...leaves, ...overflow);
  return { bytes: Buffer.concat(pages), root, overflow: firstOverflow };
}
