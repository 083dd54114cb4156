/**
 * The records of a PAX header (pax(1p) § pax Extended Header), one character a byte: values may be binary, as those of
 * extended attributes are. A record without a value says that the tar header's own field counts, as in Go's reader.
 * @throws Error for what is no list of records
 */
export function parsePax(bytes: Uint8Array): Readonly<Record<string, string>> {
  const text = Buffer.from(bytes).toString('latin1');
  const records: Record<string, string> = Object.create(null);
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(' ', at);
    const digits = text.slice(at, Math.max(space, at));
    const end = at + (/^\d{1,8}$/.test(digits) ? Number(digits) : 0);
    const equals = text.indexOf('=', space);
    if (end > text.length || equals <= space + 1 || equals >= end - 1 || text[end - 1] !== '\n')
      throw new Error('damaged PAX header');
    const [key, value] = [text.slice(space + 1, equals), text.slice(equals + 1, end - 1)];
    if (value === '') delete records[key];
    else records[key] = value;
    at = end;
  }
  return records;
}

/** What {@link parsePax} reads: the length of each record in front of it, itself included, as decimal digits. */
export function encodePax(records: ReadonlyMap<string, Uint8Array>): Buffer {
  const encoded = [...records].map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
    let length = rest.length + 1;
    while (String(length).length + rest.length > length) length++;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return Buffer.concat(encoded);
}
