import { LENGTH_SLOTS, MAX_MATCH, MIN_MATCH } from './layout';

// Lengths and distances as they are coded: RFC 1951 § 3.2.5. Slots come in fours (lengths) and twos (distances), and each
// such group has one extra bit more than the one before it.

@inline
export function lengthExtra(slot: u32): u32 {
  return slot < 8 || slot == 28 ? 0 : (slot >> 2) - 1;
}

export function lengthBase(slot: u32): u32 {
  if (slot == 28) return MAX_MATCH;
  if (slot < 8) return MIN_MATCH + slot;
  return MIN_MATCH + ((4 + (slot & 3)) << ((slot >> 2) - 1));
}

/** `far` is one less than the distance. */
@inline
export function distanceSlot(far: u32): u32 {
  if (far < 2) return far;
  const top = 31 - clz(far);
  return 2 * top + ((far >> (top - 1)) & 1);
}

@inline
export function distanceExtra(slot: u32): u32 {
  return slot < 4 ? 0 : (slot >> 1) - 1;
}

export function makeLengthSlots(): void {
  let slot: u32 = 0;
  for (let length: u32 = MIN_MATCH; length <= MAX_MATCH; length++) {
    while (slot < 28 && lengthBase(slot + 1) <= length) slot++;
    store<u8>(LENGTH_SLOTS + length, u8(slot));
  }
}
