import { HEADS, INPUT, MAX_MATCH } from './layout';
import { extend, isMatch } from './match-length';
import { last, sequence, setLast } from './sequences';

const HASH_BITS: u64 = 15;
/** Literals in a row after which each second position is passed over, and so on. */
const PATIENCE_BITS: u32 = 6;

@inline
function entryOf(bytes: u64): usize {
  return HEADS + 4 * usize(((bytes << 24) * 0x9e3779b185ebca87) >> (64 - HASH_BITS));
}

/** Makes positions of the window known. */
export function fastPrime(from: u32, to: u32): void {
  for (let position = from; position < to; position += 2) store<u32>(entryOf(load<u64>(position)), position);
}

/**
 * Takes what the last position with the same hash offers, and looks at ever fewer places the longer it finds nothing.
 * `end` is where input ends. Returns the position behind the segment, which a match may have moved.
 */
export function fastSegment(from: u32, to: u32, end: u32): u32 {
  let position = from;
  let anchor = from;
  let out = last;
  // Hashes take 8 bytes.
  const safe = end - 8 < to ? end - 8 : to;
  while (position < safe) {
    const bytes = load<u64>(position);
    const entry = entryOf(bytes);
    const match = load<u32>(entry);
    store<u32>(entry, position);
    if (!isMatch(position, match, u32(bytes))) {
      position += 1 + ((position - anchor) >> PATIENCE_BITS);
      continue;
    }
    let length = extend(position, match, 4, end);
    // What skipping left out in front of the match, as far as there is input.
    const distance = position - match;
    let start = position;
    const lowest = anchor > u32(INPUT) + distance ? anchor : u32(INPUT) + distance;
    while (start > lowest && length < MAX_MATCH && load<u8>(start - 1) == load<u8>(start - 1 - distance)) {
      start--;
      length++;
    }
    store<u64>(out, sequence(start - anchor, length, distance));
    out += 8;
    anchor = start + length;
    // Of what the match covers, its second place and its last but one: more of them cost more time than they save space.
    if (anchor < safe) {
      store<u32>(entryOf(load<u64>(position + 1)), position + 1);
      store<u32>(entryOf(load<u64>(anchor - 2)), anchor - 2);
    }
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
