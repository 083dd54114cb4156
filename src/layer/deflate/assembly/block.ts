import { align, at, bits, copy, count, put, resume } from './bits';
import { assignCodes, codeLengths } from './huffman';
import {
  BLOCK_COUNTS,
  CODE_LENGTHS,
  CODES,
  DISTANCE_SYMBOLS,
  END_OF_BLOCK,
  FIXED_LENGTHS,
  HEADER_CODES,
  HEADER_COUNTS,
  HEADER_LENGTHS,
  HEADER_TOKENS,
  LENGTH_CODES,
  LENGTH_SLOTS,
  LITLEN_SYMBOLS,
  MAX_MATCH,
  MIN_MATCH,
  SEQUENCES,
  SYMBOLS,
} from './layout';
import { farOf, last, lengthOf, literalsOf } from './sequences';
import { distanceExtra, distanceSlot, lengthBase, lengthExtra } from './slots';

/** Four literals of at most 14 bits and the 7 that wait are less than 64. */
const LITLEN_LIMIT: u32 = 14;
const DISTANCE_LIMIT: u32 = 15;
const HEADER_LIMIT: u32 = 7;
const DISTANCE_CODES: usize = CODES + 4 * LITLEN_SYMBOLS;
const DISTANCE_LENGTHS: usize = CODE_LENGTHS + LITLEN_SYMBOLS;

/** The lengths that every decoder knows (RFC 1951 § 3.2.6). */
export function makeFixedLengths(): void {
  for (let symbol: u32 = 0; symbol < LITLEN_SYMBOLS; symbol++)
    store<u8>(FIXED_LENGTHS + symbol, symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8);
  memory.fill(FIXED_LENGTHS + LITLEN_SYMBOLS, 5, DISTANCE_SYMBOLS);
}

/** Writes the sequences from `SEQUENCES` on, which stand for the input from `from` to `to`, in the form that takes least. */
export function writeBlock(from: u32, to: u32, isLast: bool): void {
  store<u32>(BLOCK_COUNTS + 4 * END_OF_BLOCK, 1);
  codeLengths(BLOCK_COUNTS, LITLEN_SYMBOLS - 2, LITLEN_LIMIT, CODE_LENGTHS);
  codeLengths(BLOCK_COUNTS + 4 * LITLEN_SYMBOLS, DISTANCE_SYMBOLS - 2, DISTANCE_LIMIT, DISTANCE_LENGTHS);
  store<u16>(CODE_LENGTHS + LITLEN_SYMBOLS - 2, 0);
  store<u16>(DISTANCE_LENGTHS + DISTANCE_SYMBOLS - 2, 0);
  const tokens = headerTokens();
  codeLengths(HEADER_COUNTS, 19, HEADER_LIMIT, HEADER_LENGTHS);
  const extra = extraBits();
  const dynamic = headerBits(tokens) + codedBits(CODE_LENGTHS) + extra;
  const fixed = codedBits(FIXED_LENGTHS) + extra;
  const size = to - from;
  // Three bits and what fills the byte, then lengths, for each piece of at most 65,535.
  const stored: u32 = 8 * size + 40 * ((size + 65534) / 65535);
  if (stored <= dynamic && stored <= fixed) {
    writeStored(from, to, isLast);
    return;
  }
  put(u64(isLast), 1);
  if (fixed <= dynamic) {
    put(1, 2);
    memory.copy(CODE_LENGTHS, FIXED_LENGTHS, SYMBOLS);
  } else {
    put(2, 2);
    writeHeader(tokens);
  }
  assignCodes(CODE_LENGTHS, LITLEN_SYMBOLS, CODES);
  assignCodes(DISTANCE_LENGTHS, DISTANCE_SYMBOLS, DISTANCE_CODES);
  joinLengthCodes();
  writeSequences(from);
  const end = load<u32>(CODES + 4 * END_OF_BLOCK);
  put(end >> 8, end & 0xff);
}

/** RFC 1951 § 3.2.4. */
export function writeStored(from: u32, to: u32, isLast: bool): void {
  let position = from;
  do {
    const size = to - position < 65535 ? to - position : 65535;
    put(u64(isLast && position + size == to), 3);
    align();
    put(size | ((size ^ 0xffff) << 16), 32);
    copy(position, size);
    position += size;
  } while (position < to);
}

function codedBits(lengths: usize): u32 {
  let sum: u32 = 0;
  for (let symbol: u32 = 0; symbol < SYMBOLS; symbol++)
    sum += load<u32>(BLOCK_COUNTS + 4 * symbol) * load<u8>(lengths + symbol);
  return sum;
}

function extraBits(): u32 {
  let sum: u32 = 0;
  for (let slot: u32 = 0; slot < 29; slot++)
    sum += load<u32>(BLOCK_COUNTS + 4 * (257 + slot)) * lengthExtra(slot);
  for (let slot: u32 = 0; slot < 30; slot++)
    sum += load<u32>(BLOCK_COUNTS + 4 * (LITLEN_SYMBOLS + slot)) * distanceExtra(slot);
  return sum;
}

/** Order in which a header gives the lengths of its own codes (RFC 1951 § 3.2.7). */
@inline
function headerSymbol(place: u32): u32 {
  // 16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1 15
  if (place < 3) return 16 + place;
  if (place == 3) return 0;
  return place & 1 ? 9 - (place >> 1) : 6 + (place >> 1);
}

function usedLitlen(): u32 {
  let used: u32 = LITLEN_SYMBOLS - 2;
  while (used > 257 && load<u8>(CODE_LENGTHS + used - 1) == 0) used--;
  return used;
}

function usedDistances(): u32 {
  let used: u32 = DISTANCE_SYMBOLS - 2;
  while (used > 1 && load<u8>(DISTANCE_LENGTHS + used - 1) == 0) used--;
  return used;
}

function usedHeader(): u32 {
  let used: u32 = 19;
  while (used > 4 && load<u8>(HEADER_LENGTHS + headerSymbol(used - 1)) == 0) used--;
  return used;
}

let tokensEnd: usize = HEADER_TOKENS;

function token(symbol: u32, extra: u32): void {
  store<u16>(tokensEnd, u16(symbol | (extra << 8)));
  tokensEnd += 2;
  const counter = HEADER_COUNTS + 4 * symbol;
  store<u32>(counter, load<u32>(counter) + 1);
}

@inline
function lengthAt(i: u32, litlen: u32): u32 {
  return load<u8>(i < litlen ? CODE_LENGTHS + i : DISTANCE_LENGTHS + i - litlen);
}

/** Code lengths, runs of them joined (RFC 1951 § 3.2.7). Returns where they end. */
function headerTokens(): usize {
  tokensEnd = HEADER_TOKENS;
  memory.fill(HEADER_COUNTS, 0, 4 * 19);
  const litlen = usedLitlen();
  const all = litlen + usedDistances();
  for (let i: u32 = 0; i < all; ) {
    const length = lengthAt(i, litlen);
    let run: u32 = 1;
    while (i + run < all && lengthAt(i + run, litlen) == length) run++;
    i += run;
    if (length == 0) {
      while (run >= 11) {
        const part: u32 = run < 138 ? run : 138;
        token(18, part - 11);
        run -= part;
      }
      if (run >= 3) {
        token(17, run - 3);
        run = 0;
      }
    } else {
      token(length, 0);
      run--;
      while (run >= 3) {
        const part: u32 = run < 6 ? run : 6;
        token(16, part - 3);
        run -= part;
      }
    }
    while (run-- > 0) token(length, 0);
  }
  return tokensEnd;
}

@inline
function tokenExtra(symbol: u32): u32 {
  return symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
}

function headerBits(tokens: usize): u32 {
  let sum = 14 + 3 * usedHeader();
  for (let at: usize = HEADER_TOKENS; at < tokens; at += 2) {
    const symbol: u32 = load<u8>(at);
    sum += load<u8>(HEADER_LENGTHS + symbol) + tokenExtra(symbol);
  }
  return sum;
}

function writeHeader(tokens: usize): void {
  const used = usedHeader();
  put(usedLitlen() - 257, 5);
  put(usedDistances() - 1, 5);
  put(used - 4, 4);
  for (let place: u32 = 0; place < used; place++) put(load<u8>(HEADER_LENGTHS + headerSymbol(place)), 3);
  assignCodes(HEADER_LENGTHS, 19, HEADER_CODES);
  for (let from: usize = HEADER_TOKENS; from < tokens; from += 2) {
    const symbol: u32 = load<u8>(from);
    const code = load<u32>(HEADER_CODES + 4 * symbol);
    put(code >> 8, code & 0xff);
    put(load<u8>(from + 1), tokenExtra(symbol));
  }
}

/** At most 14 bits of a code and 5 extra ones. */
function joinLengthCodes(): void {
  for (let length: u32 = MIN_MATCH; length <= MAX_MATCH; length++) {
    const slot: u32 = load<u8>(LENGTH_SLOTS + length);
    const code = load<u32>(CODES + 4 * (257 + slot));
    const size = code & 0xff;
    const joined = (code >> 8) | ((length - lengthBase(slot)) << size);
    store<u32>(LENGTH_CODES + 4 * length, (joined << 8) | (size + lengthExtra(slot)));
  }
}

/** The code and its length; no bits where it is not wanted. */
@inline
function literalCode(literal: u32, isWanted: bool): u32 {
  return load<u32>(CODES + 4 * literal) & (0 - u32(isWanted));
}

function writeSequences(from: u32): void {
  let position: usize = from;
  let to = at;
  let pending = bits;
  let waiting = count;
  for (let next: usize = SEQUENCES; next < last; next += 8) {
    const sequence = load<u64>(next);
    const stop = position + literalsOf(sequence);
    for (; position + 4 <= stop; position += 4) {
      const four = load<u32>(position);
      const a = load<u32>(CODES + 4 * (four & 0xff));
      const b = load<u32>(CODES + 4 * ((four >> 8) & 0xff));
      const c = load<u32>(CODES + 4 * ((four >> 16) & 0xff));
      const d = load<u32>(CODES + 4 * (four >> 24));
      pending |= u64(a >> 8) << waiting;
      waiting += a & 0xff;
      pending |= u64(b >> 8) << waiting;
      waiting += b & 0xff;
      pending |= u64(c >> 8) << waiting;
      waiting += c & 0xff;
      pending |= u64(d >> 8) << waiting;
      waiting += d & 0xff;
      store<u64>(to, pending);
      to += usize(waiting >> 3);
      pending >>= waiting & ~7;
      waiting &= 7;
    }
    // Up to three more, without a branch: nobody can guess how many.
    const rest = u32(stop - position);
    const three = load<u32>(position);
    const a = literalCode(three & 0xff, rest > 0);
    const b = literalCode((three >> 8) & 0xff, rest > 1);
    const c = literalCode((three >> 16) & 0xff, rest > 2);
    pending |= u64(a >> 8) << waiting;
    waiting += a & 0xff;
    pending |= u64(b >> 8) << waiting;
    waiting += b & 0xff;
    pending |= u64(c >> 8) << waiting;
    waiting += c & 0xff;
    position = stop;
    const length = lengthOf(sequence);
    if (length > 0) {
      // At most 7 bits from before and 42 of three literals: they must go first.
      store<u64>(to, pending);
      to += usize(waiting >> 3);
      pending >>= waiting & ~7;
      waiting &= 7;
      const code = load<u32>(LENGTH_CODES + 4 * length);
      pending |= u64(code >> 8) << waiting;
      waiting += code & 0xff;
      const far = farOf(sequence);
      const slot = distanceSlot(far);
      const extra = distanceExtra(slot);
      const distance = load<u32>(DISTANCE_CODES + 4 * slot);
      pending |= u64(distance >> 8) << waiting;
      waiting += distance & 0xff;
      pending |= u64(far & ((1 << extra) - 1)) << waiting;
      waiting += extra;
      position += length;
    }
    store<u64>(to, pending);
    to += usize(waiting >> 3);
    pending >>= waiting & ~7;
    waiting &= 7;
  }
  resume(to, pending, waiting);
}
