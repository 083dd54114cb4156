/** A package's header as rpm's database keeps it: counts, entries, values (rpm's file format, "Header"). */
export function rpmHeader(tags: Readonly<Record<number, string | number>>): Buffer {
  const values: Buffer[] = [];
  let size = 0;
  const entries = Object.entries(tags).map(([tag, value]) => {
    const padding = typeof value === 'number' ? (4 - (size % 4)) % 4 : 0;
    const bytes = typeof value === 'number' ? Buffer.alloc(4) : Buffer.from(`${value}\0`);
    if (typeof value === 'number') bytes.writeUInt32BE(value);
    const entry = Buffer.alloc(16);
    entry.writeUInt32BE(Number(tag), 0);
    entry.writeUInt32BE(typeof value === 'number' ? 4 : 6, 4);
    entry.writeUInt32BE(size + padding, 8);
    entry.writeUInt32BE(1, 12);
    values.push(Buffer.alloc(padding), bytes);
    size += padding + bytes.length;
    return entry;
  });
  const counts = Buffer.alloc(8);
  counts.writeUInt32BE(entries.length, 0);
  counts.writeUInt32BE(size, 4);
  return Buffer.concat([counts, ...entries, ...values]);
}
