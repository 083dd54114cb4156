import { SEQUENCES } from './layout';

/** Behind the last sequence of the open block. */
export let last: usize = SEQUENCES;

export function clear(): void {
  last = SEQUENCES;
}

export function setLast(to: usize): void {
  last = to;
}

@inline
export function sequence(literals: u32, length: u32, distance: u32): u64 {
  return u64(literals) | (u64(length) << 32) | (u64(distance - 1) << 48);
}

@inline
export function literalsOf(sequence: u64): u32 {
  return u32(sequence);
}

@inline
export function lengthOf(sequence: u64): u32 {
  return u32(sequence >> 32) & 0xffff;
}

/** One less than the distance. */
@inline
export function farOf(sequence: u64): u32 {
  return u32(sequence >> 48);
}
