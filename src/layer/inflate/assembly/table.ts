import { COUNTS, MAX_BITS, OFFSETS, SORTED } from './layout';

/*
 * An entry of a table, which the next bits of the stream find:
 *
 *     bits 0-4    how many bits code and extra bits have, together
 *     bits 8-11   how many of these are the code's
 *     bit 12      exceptional: an end of block, a table behind this one, or what no code stands for
 *     bit 13      an end of block
 *     bit 14      a table: bits 16-31 are where it begins, 0-4 how many further bits find an entry there
 *     bit 15      a literal
 *     bits 16-31  a literal; the least length or distance
 *
 * Bits 5 to 7 are zeros, so that an entry can say how far to shift, and be subtracted from a count of fewer than 64.
 */
export const EXCEPTIONAL: u32 = 1 << 12;
export const END_OF_BLOCK: u32 = 1 << 13;
export const SUBTABLE: u32 = 1 << 14;
export const LITERAL: u32 = 1 << 15;

/** What an entry says of a symbol whose code has `length` bits of all that found it. */
@inline
function entryOf(meaning: u32, length: u32): u32 {
  return meaning + (length << 8) + length;
}

/**
 * Makes the table of a canonical prefix code (RFC 1951 § 3.2.2). Like zlib it takes a code that leaves bits unused only
 * where it has one symbol, of one bit, or none at all.
 * @param lengths of the symbols' codes, a byte each
 * @param meanings of the symbols: entries without bits of the code
 * @param bits that the first look takes
 * @returns whether it is a code
 */
export function makeTable(table: usize, lengths: usize, symbols: u32, meanings: usize, bits: u32): bool {
  memory.fill(COUNTS, 0, 4 * 16);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = COUNTS + 4 * usize(load<u8>(lengths + symbol));
    store<u32>(count, load<u32>(count) + 1);
  }
  store<u32>(COUNTS, 0);
  let longest: u32 = MAX_BITS;
  while (longest > 0 && load<u32>(COUNTS + 4 * longest) == 0) longest--;
  let left: i32 = 1;
  let offset: u32 = 0;
  for (let length: u32 = 1; length <= MAX_BITS; length++) {
    const count = load<u32>(COUNTS + 4 * length);
    left = (left << 1) - i32(count);
    if (left < 0) return false;
    store<u32>(OFFSETS + 4 * length, offset);
    offset += count;
  }
  if (left > 0 && longest > 1) return false;
  // What no code stands for: an exception that is nothing else.
  if (left > 0) for (let at: u32 = 0; at < 1 << bits; at++) store<u32>(table + 4 * at, EXCEPTIONAL);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length = u32(load<u8>(lengths + symbol));
    if (length == 0) continue;
    const place = OFFSETS + 4 * length;
    const at = load<u32>(place);
    store<u32>(place, at + 1);
    store<u16>(SORTED + 2 * at, u16(symbol));
  }
  fill(table, meanings, bits, longest);
  return true;
}

function fill(table: usize, meanings: usize, bits: u32, longest: u32): void {
  const size: u32 = 1 << bits;
  let code: u32 = 0;
  let sorted = SORTED;
  let subtable: u32 = 0;
  let subtableBits: u32 = 0;
  let prefix: u32 = u32.MAX_VALUE;
  let end = size;
  for (let length: u32 = 1; length <= longest; length++) {
    for (let left = load<u32>(COUNTS + 4 * length); left > 0; left--) {
      const meaning = load<u32>(meanings + 4 * usize(load<u16>(sorted)));
      sorted += 2;
      const reversed = reverse(code, length);
      code++;
      if (length <= bits) {
        const entry = entryOf(meaning, length);
        for (let at = reversed; at < size; at += 1 << length) store<u32>(table + 4 * at, entry);
        continue;
      }
      if ((reversed & (size - 1)) != prefix) {
        prefix = reversed & (size - 1);
        subtable = end;
        subtableBits = length - bits;
        // Codes are in order, so that those left of this length and all longer ones fill it.
        for (let room: i32 = (1 << subtableBits) - i32(left); room > 0 && bits + subtableBits < longest; ) {
          subtableBits++;
          room = (room << 1) - i32(load<u32>(COUNTS + 4 * (bits + subtableBits)));
        }
        end += 1 << subtableBits;
        store<u32>(table + 4 * prefix, EXCEPTIONAL | SUBTABLE | (subtable << 16) | subtableBits);
      }
      const entry = entryOf(meaning, length - bits);
      for (let at = reversed >> bits; at < 1 << subtableBits; at += 1 << (length - bits))
        store<u32>(table + 4 * (subtable + at), entry);
    }
    code <<= 1;
  }
}

/** Codes are written from their highest bit on, all else from its lowest. */
@inline
function reverse(code: u32, length: u32): u32 {
  let bits = ((code >> 1) & 0x5555) | ((code & 0x5555) << 1);
  bits = ((bits >> 2) & 0x3333) | ((bits & 0x3333) << 2);
  bits = ((bits >> 4) & 0x0f0f) | ((bits & 0x0f0f) << 4);
  bits = ((bits >> 8) & 0x00ff) | ((bits & 0x00ff) << 8);
  return bits >> (16 - length);
}
