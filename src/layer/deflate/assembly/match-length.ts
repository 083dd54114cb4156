import { MAX_MATCH } from './layout';

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
