import { MAX_MATCH, WINDOW_SIZE } from './layout';

/** How many bytes are equal from `position` and `match` on, of which `known` are known to be; at most 258, none from `end` on. */
@inline
export function extend(position: u32, match: u32, known: u32, end: u32): u32 {
  const most = end - position < MAX_MATCH ? end - position : MAX_MATCH;
  let length = known;
  while (length < most) {
    const differ = load<u64>(position + length) ^ load<u64>(match + length);
    if (differ != 0) {
      length += u32(ctz(differ) >> 3);
      return length < most ? length : most;
    }
    length += 8;
  }
  return length < most ? length : most;
}

/**
 * Whether `match` is in reach of `position` and has its first four bytes. One condition, since a processor guesses one branch
 * better than two of which each is a matter of chance.
 */
@inline
export function isMatch(position: u32, match: u32, bytes: u32): bool {
  return bool(u32(position - match <= WINDOW_SIZE) & u32(load<u32>(match) == bytes));
}
