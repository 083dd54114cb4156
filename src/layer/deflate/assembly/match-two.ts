import { HEADS, INPUT, MAX_MATCH } from './layout';
import { extend, isMatch } from './match-length';
import { last, sequence, setLast } from './sequences';

const HASH_BITS: u64 = 15;

@inline
function entryOf(bytes: u64): usize {
  return HEADS + 8 * usize(((bytes << 24) * 0x9e3779b185ebca87) >> (64 - HASH_BITS));
}

/** Makes positions of the window known. */
export function twoPrime(from: u32, to: u32): void {
  for (let position = from; position < to; position++) {
    const entry = entryOf(load<u64>(position));
    store<u64>(entry, (load<u64>(entry) << 32) | position);
  }
}

/**
 * Takes the longer of two candidates wherever there is one, and looks at ever fewer places the longer it finds none.
 * `end` is where input ends. Returns the position behind the segment, which a match may have moved.
 */
export function twoSegment(from: u32, to: u32, end: u32): u32 {
  let position = from;
  let anchor = from;
  let out = last;
  // Hashes take 8 bytes.
  const safe = end - 8 < to ? end - 8 : to;
  while (position < safe) {
    const bytes = load<u64>(position);
    const entry = entryOf(bytes);
    const known = load<u64>(entry);
    store<u64>(entry, (known << 32) | position);
    const newer = u32(known);
    const older = u32(known >> 32);
    const isNewer = isMatch(position, newer, u32(bytes));
    const isOlder = isMatch(position, older, u32(bytes));
    if (!(isNewer | isOlder)) {
      position += 1 + ((position - anchor) >> 6);
      continue;
    }
    let length = isNewer ? extend(position, newer, 4, end) : 0;
    let match = newer;
    if (isOlder) {
      const other = extend(position, older, 4, end);
      if (other > length) {
        length = other;
        match = older;
      }
    }
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
    const stop = anchor < safe ? anchor : safe;
    for (position++; position < stop; position++) {
      const passed = entryOf(load<u64>(position));
      store<u64>(passed, (load<u64>(passed) << 32) | position);
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
