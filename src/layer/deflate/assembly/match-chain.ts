import { CHAINS, HEADS, MIN_MATCH, SHORT_BITS, SHORT_HEADS, WINDOW_SIZE } from './layout';
import { extend } from './match-length';
import { last, sequence, setLast } from './sequences';

const HASH_BITS: u32 = 16;
/** A match of three bytes pays only nearby: beyond, its distance alone costs more than the literals. */
const SHORT_REACH: u32 = 4096;

/** What {@link find} found. */
let foundLength: u32 = 0;
let foundAt: u32 = 0;

@inline
function headOf(bytes: u32): usize {
  return HEADS + 4 * usize((bytes * 0x9e3779b1) >> (32 - HASH_BITS));
}

@inline
function shortHeadOf(bytes: u32): usize {
  return SHORT_HEADS + 4 * usize(((bytes << 8) * 0x9e3779b1) >> (32 - SHORT_BITS));
}

@inline
function chainOf(position: u32): usize {
  return CHAINS + 2 * usize(position & (WINDOW_SIZE - 1));
}

/** Makes a position known, and returns the one before it with the same hash. */
@inline
function insert(position: u32, bytes: u32): u32 {
  const head = headOf(bytes);
  const before = load<u32>(head);
  store<u32>(head, position);
  const back = position - before;
  store<u16>(chainOf(position), back > WINDOW_SIZE ? 0 : u16(back));
  store<u32>(shortHeadOf(bytes), position);
  return before;
}

/** Makes positions of the window known. */
export function chainPrime(from: u32, to: u32): void {
  for (let position = from; position < to; position++) insert(position, load<u32>(position));
}

/** Looks for a match longer than `best` at `position`, and makes it known. At least 8 bytes of input must follow. */
function find(position: u32, best: u32, depth: u32, nice: u32, end: u32): void {
  const bytes = load<u32>(position);
  const short = load<u32>(shortHeadOf(bytes));
  let match = insert(position, bytes);
  let length = best;
  if (best < MIN_MATCH && position - short <= SHORT_REACH && ((load<u32>(short) ^ bytes) & 0xffffff) == 0) {
    length = MIN_MATCH;
    foundAt = short;
  }
  const enough = nice < end - position ? nice : end - position;
  for (let left = depth; left > 0 && position - match <= WINDOW_SIZE; left--) {
    // The last four bytes that a longer match must have, first: most candidates fail there.
    const tail = length < 4 ? 0 : length - 3;
    if (load<u32>(match + tail) == load<u32>(position + tail) && load<u32>(match) == bytes) {
      const reach = extend(position, match, 4, end);
      if (reach > length) {
        length = reach;
        foundAt = match;
        if (length >= enough) break;
      }
    }
    const back: u32 = load<u16>(chainOf(match));
    if (back == 0) break;
    match -= back;
  }
  foundLength = length > best ? length : 0;
}

/**
 * Takes a match only if none of the next `lazy` positions has a better one. Of candidates at most `depth` are looked at,
 * and none after one of `nice` bytes. `end` is where input ends. Returns the position behind the segment, which a match
 * may have moved.
 */
export function chainSegment(from: u32, to: u32, end: u32, depth: u32, nice: u32, lazy: u32): u32 {
  let position = from;
  let anchor = from;
  let out = last;
  const safe = end - 8 < to ? end - 8 : to;
  while (position < safe) {
    find(position, 0, depth, nice, end);
    if (foundLength == 0) {
      position++;
      continue;
    }
    let length = foundLength;
    let match = foundAt;
    let start = position;
    let tries: u32 = 0;
    while (tries < lazy && length < nice && position + 1 < safe) {
      position++;
      tries++;
      find(position, length, length >= 32 ? depth >> 2 : depth >> 1, nice, end);
      if (foundLength > 0 && gains(foundLength, position - foundAt, length, start - match, position - start)) {
        length = foundLength;
        match = foundAt;
        start = position;
        tries = 0;
      }
    }
    store<u64>(out, sequence(start - anchor, length, start - match));
    out += 8;
    anchor = start + length;
    const stop = anchor < safe ? anchor : safe;
    for (position++; position < stop; position++) insert(position, load<u32>(position));
    position = anchor;
  }
  if (anchor < to) {
    store<u64>(out, sequence(to - anchor, 0, 1));
    out += 8;
    anchor = to;
  }
  setLast(out);
  return anchor;
}

/** Whether a match `later` places behind another is worth the literals before it: a doubled distance costs a bit more. */
@inline
function gains(length: u32, distance: u32, than: u32, thanDistance: u32, later: u32): bool {
  const nearer = i32(clz(distance)) - i32(clz(thanDistance));
  return 4 * i32(length - than) + nearer > 4 * i32(later) - 2;
}
