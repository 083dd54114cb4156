import {
  DISTANCE_BITS,
  DISTANCE_MEANINGS,
  DISTANCE_SYMBOLS,
  DISTANCE_TABLE,
  INPUT,
  LENGTHS,
  LITLEN_BITS,
  LITLEN_MEANINGS,
  LITLEN_SYMBOLS,
  LITLEN_TABLE,
  OUTPUT,
  PRECODE_BITS,
  PRECODE_LENGTHS,
  PRECODE_MEANINGS,
  PRECODE_SYMBOLS,
  PRECODE_TABLE,
  WINDOW_SIZE,
} from './layout';
import { END_OF_BLOCK, EXCEPTIONAL, LITERAL, makeTable, SUBTABLE } from './table';

/** What {@link inflate} stopped at. */
export const NEEDS_INPUT: u32 = 0;
export const FULL: u32 = 1;
export const ENDED: u32 = 2;
export const DAMAGED: u32 = 3;

/** Where the next compressed byte is, those in `bits` not counted, and where the next byte of output goes. */
export let inputAt: usize = INPUT;
export let outputAt: usize = OUTPUT;

/** Input that must be there where more is to come: a block's header has at most 570 bytes. */
const AHEAD: usize = 1024;

const BETWEEN: u32 = 0;
const STORED: u32 = 1;
const CODED: u32 = 2;

let bits: u64 = 0;
let bitCount: u32 = 0;
let state: u32 = BETWEEN;
let isLastBlock: bool = false;
let storedLeft: u32 = 0;
/** No match may begin before it. */
let floor: usize = OUTPUT;

/** Begins a stream (RFC 1951) at `inputAt`. */
export function begin(): void {
  bits = 0;
  bitCount = 0;
  state = BETWEEN;
  isLastBlock = false;
  floor = outputAt;
}

/** Input goes on at another place. */
export function moveInput(to: usize): void {
  inputAt = to;
}

/** Output goes on at its beginning; what of it matches may reach goes to before that. */
export function rewindOutput(): void {
  const kept = min<usize>(outputAt - floor, WINDOW_SIZE);
  memory.copy(OUTPUT - kept, outputAt - kept, kept);
  outputAt = OUTPUT;
  floor = OUTPUT - kept;
}

/**
 * Decompresses, from `inputAt` to `outputAt`, until output is at `outputEnd` or up to `overrun` bytes behind it.
 * @param inputEnd behind the input that is there; if nothing follows, the 64 bytes from there on are zeros
 */
export function inflate(inputEnd: usize, isLast: bool, outputEnd: usize): u32 {
  while (outputAt < outputEnd) {
    if (state == STORED) {
      const count = min<usize>(min<usize>(storedLeft, inputEnd - inputAt), outputEnd - outputAt);
      memory.copy(outputAt, inputAt, count);
      inputAt += count;
      outputAt += count;
      storedLeft -= u32(count);
      if (storedLeft > 0) {
        if (inputAt < inputEnd) return FULL;
        return isLast ? DAMAGED : NEEDS_INPUT;
      }
      state = BETWEEN;
      continue;
    }
    if (!isLast && inputAt + AHEAD > inputEnd) return NEEDS_INPUT;
    if (state == BETWEEN) {
      if (isLastBlock) {
        unread();
        return inputAt > inputEnd ? DAMAGED : ENDED;
      }
      if (!readHeader(inputEnd)) return DAMAGED;
      continue;
    }
    // Behind the last input there are zeros, which may be read before the end of the stream is seen.
    const stop = isLast ? inputEnd + 16 : inputEnd - AHEAD;
    if (inputAt > stop || !decode(stop, outputEnd)) return DAMAGED;
    if (isLast && inputAt > stop) return DAMAGED;
  }
  return FULL;
}

/** Gives back whole bytes that were taken ahead, and leaves what is before them. */
function unread(): void {
  inputAt -= bitCount >> 3;
  bits = 0;
  bitCount = 0;
}

/** Fills up to at least 56 bits. Those above `bitCount` are right as well: they are what is read again. */
@inline
function refill(): void {
  bits |= load<u64>(inputAt) << bitCount;
  inputAt += (63 - bitCount) >> 3;
  bitCount |= 56;
}

@inline
function take(count: u32): u32 {
  const value = u32(bits) & ((1 << count) - 1);
  bits >>= count;
  bitCount -= count;
  return value;
}

/** Reads what is before a block's data (RFC 1951 § 3.2.3). @returns whether it is well formed */
function readHeader(inputEnd: usize): bool {
  refill();
  isLastBlock = take(1) != 0;
  const kind = take(2);
  if (kind == 0) {
    unread();
    if (inputAt + 4 > inputEnd) return false;
    storedLeft = load<u16>(inputAt);
    if ((storedLeft ^ load<u16>(inputAt + 2)) != 0xffff) return false;
    inputAt += 4;
    state = storedLeft > 0 ? STORED : BETWEEN;
    return true;
  }
  state = CODED;
  if (kind == 1) return readFixed();
  return kind == 2 && readDynamic();
}

function readFixed(): bool {
  memory.fill(LENGTHS, 8, 144);
  memory.fill(LENGTHS + 144, 9, 112);
  memory.fill(LENGTHS + 256, 7, 24);
  memory.fill(LENGTHS + 280, 8, 8);
  memory.fill(LENGTHS + LITLEN_SYMBOLS, 5, DISTANCE_SYMBOLS);
  return makeTables(LITLEN_SYMBOLS, DISTANCE_SYMBOLS);
}

/** RFC 1951 § 3.2.7. */
function readDynamic(): bool {
  const litlens = take(5) + 257;
  const distances = take(5) + 1;
  const precodes = take(4) + 4;
  if (litlens > 286 || distances > 30) return false;
  memory.fill(PRECODE_LENGTHS, 0, PRECODE_SYMBOLS);
  for (let at: u32 = 0; at < precodes; at++) {
    if (bitCount < 3) refill();
    store<u8>(PRECODE_LENGTHS + usize(precodeSymbol(at)), u8(take(3)));
  }
  if (!makeTable(PRECODE_TABLE, PRECODE_LENGTHS, PRECODE_SYMBOLS, PRECODE_MEANINGS, PRECODE_BITS)) return false;
  const all = litlens + distances;
  for (let at: u32 = 0; at < all; ) {
    refill();
    const entry = load<u32>(PRECODE_TABLE + 4 * (usize(bits) & ((1 << PRECODE_BITS) - 1)));
    if ((entry & EXCEPTIONAL) != 0) return false;
    take(entry & 31);
    const symbol = entry >> 16;
    if (symbol < 16) {
      store<u8>(LENGTHS + at++, u8(symbol));
      continue;
    }
    if (symbol == 16 && at == 0) return false;
    const value = symbol == 16 ? load<u8>(LENGTHS + at - 1) : 0;
    const count = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7);
    if (at + count > all) return false;
    memory.fill(LENGTHS + at, value, count);
    at += count;
  }
  // Without it there is no way out of the block.
  if (load<u8>(LENGTHS + 256) == 0) return false;
  return makeTables(litlens, distances);
}

/** In a header the lengths of the precode's codes are in this order. */
function precodeSymbol(at: u32): u32 {
  if (at < 3) return 16 + at;
  if (at == 3) return 0;
  return at & 1 ? 8 - ((at - 3) >> 1) : 8 + ((at - 4) >> 1);
}

function makeTables(litlens: u32, distances: u32): bool {
  return (
    makeTable(LITLEN_TABLE, LENGTHS, litlens, LITLEN_MEANINGS, LITLEN_BITS) &&
    makeTable(DISTANCE_TABLE, LENGTHS + litlens, distances, DISTANCE_MEANINGS, DISTANCE_BITS)
  );
}

/**
 * Decodes a block to its end, or for as long as input and output are before theirs, which both are at first. The first code
 * that comes next is looked up before what came last is copied. Shifts take the lowest bits of their count alone, so that
 * entries and `count` need no mask.
 * @returns whether it is well formed
 */
function decode(inputStop: usize, outputEnd: usize): bool {
  let at = inputAt;
  let to = outputAt;
  let held = bits;
  let count = bitCount;
  const lowest = floor;
  let isRight = true;
  held |= load<u64>(at) << count;
  at += (~count & 63) >> 3;
  count |= 56;
  let entry = litlenAt(held);
  do {
    // Three codes of a first look are 33 bits at most, and leave enough for a length.
    if ((entry & LITERAL) != 0) {
      held >>= entry;
      count -= entry;
      store<u8>(to++, u8(entry >> 16));
      entry = litlenAt(held);
      if ((entry & LITERAL) != 0) {
        held >>= entry;
        count -= entry;
        store<u8>(to++, u8(entry >> 16));
        entry = litlenAt(held);
        if ((entry & LITERAL) != 0) {
          held >>= entry;
          count -= entry;
          store<u8>(to++, u8(entry >> 16));
          entry = litlenAt(held);
          held |= load<u64>(at) << count;
          at += (~count & 63) >> 3;
          count |= 56;
          continue;
        }
      }
    }
    if ((entry & EXCEPTIONAL) != 0) {
      if ((entry & SUBTABLE) != 0) {
        held >>= LITLEN_BITS;
        count -= LITLEN_BITS;
        entry = furtherAt(LITLEN_TABLE, entry, held);
      }
      if ((entry & LITERAL) != 0) {
        held >>= entry;
        count -= entry;
        store<u8>(to++, u8(entry >> 16));
        held |= load<u64>(at) << count;
        at += (~count & 63) >> 3;
        count |= 56;
        entry = litlenAt(held);
        continue;
      }
      if ((entry & EXCEPTIONAL) != 0) {
        isRight = (entry & END_OF_BLOCK) != 0;
        held >>= entry;
        count -= entry;
        state = BETWEEN;
        break;
      }
    }
    const length = valueOf(entry, held);
    held >>= entry;
    count -= entry;
    held |= load<u64>(at) << count;
    at += (~count & 63) >> 3;
    count |= 56;
    entry = load<u32>(4 * (usize(held) & ((1 << DISTANCE_BITS) - 1)), DISTANCE_TABLE);
    if ((entry & EXCEPTIONAL) != 0) {
      if ((entry & SUBTABLE) != 0) {
        held >>= DISTANCE_BITS;
        count -= DISTANCE_BITS;
        entry = furtherAt(DISTANCE_TABLE, entry, held);
      }
      if ((entry & EXCEPTIONAL) != 0) {
        isRight = false;
        break;
      }
    }
    const distance = valueOf(entry, held);
    held >>= entry;
    count -= entry;
    if (distance > to - lowest) {
      isRight = false;
      break;
    }
    const match = to;
    to += length;
    entry = litlenAt(held);
    held |= load<u64>(at) << count;
    at += (~count & 63) >> 3;
    count |= 56;
    copyMatch(match, distance, length);
  } while (at <= inputStop && to < outputEnd);
  inputAt = at;
  outputAt = to;
  bits = held;
  bitCount = count & 63;
  return isRight;
}

/** What the first look finds: a literal, a length, or an exception. */
@inline
function litlenAt(held: u64): u32 {
  return load<u32>(4 * (usize(held) & ((1 << LITLEN_BITS) - 1)), LITLEN_TABLE);
}

/** What the second look finds, in the table behind the first that `entry` says. */
@inline
function furtherAt(table: usize, entry: u32, held: u64): u32 {
  return load<u32>(table + 4 * usize((entry >> 16) + (u32(held) & ((1 << entry) - 1))));
}

/** A length or a distance: the least that the code stands for, and the extra bits behind the code. */
@inline
function valueOf(entry: u32, held: u64): usize {
  return usize((entry >> 16) + ((u32(held) & ((1 << entry) - 1)) >> (entry >> 8)));
}

/** Copies what may overlap, byte for byte as it were; up to 31 bytes behind the match are written as well. */
@inline
function copyMatch(to: usize, distance: usize, length: usize): void {
  const end = to + length;
  let from = to - distance;
  if (distance >= 16) {
    // Most are no longer than this.
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    for (to += 32, from += 32; to < end; to += 16, from += 16) v128.store(to, v128.load(from));
  } else if (distance >= 8) {
    do {
      store<u64>(to, load<u64>(from));
      to += 8;
      from += 8;
    } while (to < end);
  } else if (distance == 1) {
    const run = v128.splat<u8>(load<u8>(from));
    do {
      v128.store(to, run);
      to += 16;
    } while (to < end);
  } else {
    do {
      store<u8>(to++, load<u8>(from++));
    } while (to < end);
  }
}
