import { OUTPUT } from './layout';

/** Where the next whole byte goes, and the bits that are none yet, lowest first (RFC 1951 § 3.1.1). */
export let at: usize = OUTPUT;
export let bits: u64 = 0;
export let count: u64 = 0;

export function start(): void {
  at = OUTPUT;
  bits = 0;
  count = 0;
}

@inline
export function resume(to: usize, pending: u64, pendingCount: u64): void {
  at = to;
  bits = pending;
  count = pendingCount;
}

/** At most 56 bits. */
export function put(value: u64, length: u64): void {
  bits |= value << count;
  count += length;
  store<u64>(at, bits);
  at += usize(count >> 3);
  bits >>= count & ~7;
  count &= 7;
}

/** Fills the byte that is begun with zeros. */
export function align(): void {
  if (count > 0) put(0, 8 - count);
}

/** Whole bytes, from a byte's start. */
export function copy(from: usize, size: usize): void {
  memory.copy(at, from, size);
  at += size;
}
