/** A header block as it stands (pax(1p) § ustar Interchange Format, and GNU's of the same shape). */
export interface TarHeader {
  /** One character a byte, as the link's target. */
  readonly name: string;
  readonly linkname: string;
  /** The type flag; `'0'` for the NUL of old tars. */
  readonly flag: string;
  /** These are NaN where the field holds no number. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

export const BLOCK = 512;

const CHECKSUM = { from: 148, to: 156 } as const;
const SPACE = 0x20;
const ZERO = 0x30;

/** What follows the checksum in `ustar` headers, and in GNU's. */
const USTAR = 'ustar\0';
const GNU = 'ustar  \0';

/** @returns undefined for a block that is no header: its checksum is another, or its format unknown */
export function decodeHeader(block: Buffer): TarHeader | undefined {
  if (checksumOf(block) !== numberAt(block, CHECKSUM.from, 8)) return undefined;
  const magic = block.toString('latin1', 257, 265);
  const isUstar = magic.startsWith(USTAR);
  if (!isUstar && magic !== GNU) return undefined;
  const prefix = isUstar ? textAt(block, 345, 155) : '';
  const name = prefix === '' ? textAt(block, 0, 100) : `${prefix}/${textAt(block, 0, 100)}`;
  return {
    name,
    linkname: textAt(block, 157, 100),
    flag: block[156] === 0 ? '0' : block.toString('latin1', 156, 157),
    mode: numberAt(block, 100, 8),
    uid: numberAt(block, 108, 8),
    gid: numberAt(block, 116, 8),
    size: numberAt(block, 124, 12),
    mtime: numberAt(block, 136, 12),
    major: numberAt(block, 329, 8),
    minor: numberAt(block, 337, 8),
  };
}

/** The sum of all bytes, where those of the checksum itself count as spaces. */
function checksumOf(block: Buffer): number {
  let sum = 0;
  // An iterator would take many times as long, and there is a block for every file.
  for (let at = 0; at < block.length; at++) sum += block[at] ?? 0;
  for (let at: number = CHECKSUM.from; at < CHECKSUM.to; at++) sum += SPACE - (block[at] ?? 0);
  return sum;
}

/** A field up to its NUL, one character a byte. */
export function textAt(bytes: Buffer, at: number, length: number): string {
  if (bytes[at] === 0) return '';
  const end = bytes.indexOf(0, at);
  return bytes.toString('latin1', at, end < 0 ? at + length : Math.min(end, at + length));
}

/** Octal digits between spaces and NULs, or where the first bit is set a number in two's complement, as GNU tar has it. */
function numberAt(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  if (first >= 0x80) {
    let value = first >= 0xc0 ? first - 0x100 : first - 0x80;
    for (let next = at + 1; next < at + length; next++) value = value * 256 + (block[next] ?? 0);
    return value;
  }
  const end = at + length;
  let next = at;
  while (next < end && isPadding(block[next])) next++;
  let value = 0;
  for (; next < end && !isPadding(block[next]); next++) {
    const digit = (block[next] ?? 0) - ZERO;
    if (digit < 0 || digit > 7) return Number.NaN;
    value = value * 8 + digit;
  }
  return value;
}

function isPadding(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0;
}
