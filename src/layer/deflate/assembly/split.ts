import {
  BLOCK_COUNTS,
  DISTANCE_SYMBOLS,
  LENGTH_SLOTS,
  LITERAL_COUNTS,
  LITLEN_SYMBOLS,
  LOGARITHMS,
  SEGMENT_COUNTS,
  SYMBOLS,
} from './layout';
import { farOf, last, lengthOf, literalsOf } from './sequences';
import { distanceSlot } from './slots';

/** What a block must save to be one, in bits: about twice its header, since making codes takes time as well. */
const HEADER_BITS: i64 = 1500;
const ONE_BIT: i64 = 65536;

/** Binary logarithms bit by bit, in whole numbers: the same on every machine. */
export function makeLogarithms(): void {
  for (let number: u64 = 1; number < 1024; number++) {
    let logarithm: u32 = 63 - u32(clz(number));
    let fraction = number << (31 - logarithm);
    for (let bit = 0; bit < 16; bit++) {
      fraction = (fraction * fraction) >> 31;
      logarithm <<= 1;
      if (fraction >> 32) {
        fraction >>= 1;
        logarithm |= 1;
      }
    }
    store<u32>(LOGARITHMS + 4 * usize(number), logarithm);
  }
}

@inline
function weight(number: u32): i64 {
  const shift: u32 = number < 1024 ? 0 : 22 - u32(clz(number));
  return i64(number) * (load<u32>(LOGARITHMS + 4 * (number >> shift)) + (shift << 16));
}

/** Counts the sequences from `first` on, whose input begins at `from`. */
export function countSegment(first: usize, from: u32): void {
  memory.fill(SEGMENT_COUNTS, 0, 4 * SYMBOLS);
  memory.fill(LITERAL_COUNTS, 0, 4 * 4 * 256);
  let position: usize = from;
  for (let next = first; next < last; next += 8) {
    const sequence = load<u64>(next);
    const stop = position + literalsOf(sequence);
    for (; position + 4 <= stop; position += 4) {
      const four = load<u32>(position);
      add(LITERAL_COUNTS + 4 * (four & 0xff), 1);
      add(LITERAL_COUNTS + 1024 + 4 * ((four >> 8) & 0xff), 1);
      add(LITERAL_COUNTS + 2048 + 4 * ((four >> 16) & 0xff), 1);
      add(LITERAL_COUNTS + 3072 + 4 * (four >> 24), 1);
    }
    // Up to three more, without a branch: nobody can guess how many.
    const rest = u32(stop - position);
    const three = load<u32>(position);
    add(LITERAL_COUNTS + 4 * (three & 0xff), u32(rest > 0));
    add(LITERAL_COUNTS + 1024 + 4 * ((three >> 8) & 0xff), u32(rest > 1));
    add(LITERAL_COUNTS + 2048 + 4 * ((three >> 16) & 0xff), u32(rest > 2));
    position = stop;
    const length = lengthOf(sequence);
    if (length == 0) continue;
    add(SEGMENT_COUNTS + 4 * (257 + usize(load<u8>(LENGTH_SLOTS + length))), 1);
    add(SEGMENT_COUNTS + 4 * (LITLEN_SYMBOLS + distanceSlot(farOf(sequence))), 1);
    position += length;
  }
  for (let literal: usize = 0; literal < 1024; literal += 4)
    store<u32>(
      SEGMENT_COUNTS + literal,
      load<u32>(LITERAL_COUNTS + literal) +
        load<u32>(LITERAL_COUNTS + 1024 + literal) +
        load<u32>(LITERAL_COUNTS + 2048 + literal) +
        load<u32>(LITERAL_COUNTS + 3072 + literal),
    );
}

@inline
function add(counter: usize, count: u32): void {
  store<u32>(counter, load<u32>(counter) + count);
}

/** Whether the segment takes less in a block of its own than in the open one, by the entropy of both. */
export function isAnother(): bool {
  return excess(0, LITLEN_SYMBOLS) + excess(LITLEN_SYMBOLS, DISTANCE_SYMBOLS) > HEADER_BITS * ONE_BIT;
}

/** Bits in 1/65536 that one code for both takes more than one for each. */
function excess(first: usize, symbols: usize): i64 {
  let open: u32 = 0;
  let added: u32 = 0;
  let sum: i64 = 0;
  for (let symbol = first; symbol < first + symbols; symbol++) {
    const a = load<u32>(BLOCK_COUNTS + 4 * symbol);
    const b = load<u32>(SEGMENT_COUNTS + 4 * symbol);
    open += a;
    added += b;
    sum += weight(a) + weight(b) - weight(a + b);
  }
  return sum + weight(open + added) - weight(open) - weight(added);
}

/** The segment becomes part of the open block. */
export function joinSegment(): void {
  for (let symbol: usize = 0; symbol < SYMBOLS; symbol++) {
    const counter = BLOCK_COUNTS + 4 * symbol;
    store<u32>(counter, load<u32>(counter) + load<u32>(SEGMENT_COUNTS + 4 * symbol));
  }
}

export function clearBlock(): void {
  memory.fill(BLOCK_COUNTS, 0, 4 * SYMBOLS);
}
