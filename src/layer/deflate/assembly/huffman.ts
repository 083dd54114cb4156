import { LENGTH_NUMBERS, SORTED, TREE } from './layout';

/**
 * Lengths of an optimal prefix code, none above `limit`, for symbols that occur as often as `counts` says; 0 for those that
 * do not. One symbol alone gets a second beside it, so that the code is complete: some decoders want that.
 */
export function codeLengths(counts: usize, symbols: u32, limit: u32, lengths: usize): void {
  memory.fill(lengths, 0, symbols);
  let used = sortByCount(counts, symbols);
  if (used < 2) {
    const only: u32 = used == 1 ? load<u32>(SORTED) & 511 : 0;
    store<u8>(lengths + only, 1);
    store<u8>(lengths + (only == 0 ? 1 : 0), 1);
    return;
  }
  treeDepths(used);
  limitDepths(used, limit);
  let place = SORTED + 4 * used;
  for (let length: u32 = 1; length <= limit; length++) {
    for (let left = load<u32>(LENGTH_NUMBERS + 4 * length); left > 0; left--) {
      place -= 4;
      store<u8>(lengths + (load<u32>(place) & 511), u8(length));
    }
  }
}

/** `count << 9 | symbol` of all that occur, rarest first: no two are equal, so there is one order only. */
function sortByCount(counts: usize, symbols: u32): u32 {
  let used: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + 4 * symbol);
    if (count > 0) store<u32>(SORTED + 4 * used++, (count << 9) | symbol);
  }
  for (let gap: u32 = 132; gap > 0; gap = (gap * 10 + 7) / 31) {
    for (let i = gap; i < used; i++) {
      const key = load<u32>(SORTED + 4 * i);
      let j = i;
      for (; j >= gap; j -= gap) {
        const before = load<u32>(SORTED + 4 * (j - gap));
        if (before <= key) break;
        store<u32>(SORTED + 4 * j, before);
      }
      store<u32>(SORTED + 4 * j, key);
    }
    if (gap == 1) break;
  }
  return used;
}

/**
 * Joins the two rarest again and again. Inner nodes come out rarest first, so two queues do; then from the root down
 * each node is one deeper than its parent, and what is left of each depth are leaves. (Moffat and Katajainen, In-place
 * calculation of minimum-redundancy codes, 1995.)
 */
function treeDepths(used: u32): void {
  let leaf: u32 = 0;
  let node: u32 = 0;
  for (let made: u32 = 0; made < used - 1; made++) {
    let sum: u32 = 0;
    for (let side = 0; side < 2; side++) {
      const leafCount = leaf < used ? load<u32>(SORTED + 4 * leaf) >> 9 : u32.MAX_VALUE;
      if (node < made && load<u32>(TREE + 4 * node) < leafCount) {
        sum += load<u32>(TREE + 4 * node);
        store<u32>(TREE + 4 * node++, made);
      } else {
        sum += leafCount;
        leaf++;
      }
    }
    store<u32>(TREE + 4 * made, sum);
  }
  memory.fill(LENGTH_NUMBERS, 0, 4 * 64);
  // A parent's index becomes its depth; the root is the last.
  store<u32>(TREE + 4 * (used - 2), 0);
  for (let i = i32(used) - 3; i >= 0; i--) {
    const parent = load<u32>(TREE + 4 * i);
    store<u32>(TREE + 4 * i, load<u32>(TREE + 4 * parent) + 1);
  }
  let open: u32 = 1;
  let inner = i32(used) - 2;
  for (let depth: u32 = 0; open > 0; depth++) {
    let nodes: u32 = 0;
    while (inner >= 0 && load<u32>(TREE + 4 * inner) == depth) {
      nodes++;
      inner--;
    }
    store<u32>(LENGTH_NUMBERS + 4 * depth, open - nodes);
    open = 2 * nodes;
  }
}

/** Moves leaves that are too deep up to `limit`, and makes room for them by moving others, as few and as low, down. */
function limitDepths(used: u32, limit: u32): void {
  let tooDeep: u32 = 0;
  for (let depth = limit + 1; depth < 64; depth++) {
    tooDeep += load<u32>(LENGTH_NUMBERS + 4 * depth);
    store<u32>(LENGTH_NUMBERS + 4 * depth, 0);
  }
  if (tooDeep == 0) return;
  store<u32>(LENGTH_NUMBERS + 4 * limit, load<u32>(LENGTH_NUMBERS + 4 * limit) + tooDeep);
  let room: u32 = 0;
  for (let depth: u32 = 1; depth <= limit; depth++)
    room += load<u32>(LENGTH_NUMBERS + 4 * depth) << (limit - depth);
  // Kraft's sum, in leaves of the deepest level, must be met.
  while (room > 1 << limit) {
    let depth = limit - 1;
    while (load<u32>(LENGTH_NUMBERS + 4 * depth) == 0) depth--;
    store<u32>(LENGTH_NUMBERS + 4 * depth, load<u32>(LENGTH_NUMBERS + 4 * depth) - 1);
    store<u32>(LENGTH_NUMBERS + 4 * (depth + 1), load<u32>(LENGTH_NUMBERS + 4 * (depth + 1)) + 2);
    store<u32>(LENGTH_NUMBERS + 4 * limit, load<u32>(LENGTH_NUMBERS + 4 * limit) - 1);
    room--;
  }
}

/** Codes for lengths (RFC 1951 § 3.2.2), bit-reversed as they are written: `code << 8 | length`. */
export function assignCodes(lengths: usize, symbols: u32, codes: usize): void {
  memory.fill(LENGTH_NUMBERS, 0, 4 * 16);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const number = LENGTH_NUMBERS + 4 * usize(load<u8>(lengths + symbol));
    store<u32>(number, load<u32>(number) + 1);
  }
  store<u32>(LENGTH_NUMBERS, 0);
  let next: u32 = 0;
  for (let length: u32 = 0; length < 16; length++) {
    const number = load<u32>(LENGTH_NUMBERS + 4 * length);
    store<u32>(LENGTH_NUMBERS + 4 * length, next);
    next = (next + number) << 1;
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length: u32 = load<u8>(lengths + symbol);
    if (length == 0) {
      store<u32>(codes + 4 * symbol, 0);
      continue;
    }
    const number = LENGTH_NUMBERS + 4 * length;
    const code = load<u32>(number);
    store<u32>(number, code + 1);
    store<u32>(codes + 4 * symbol, (reversed(code, length) << 8) | length);
  }
}

function reversed(code: u32, length: u32): u32 {
  let bits = ((code >> 1) & 0x5555) | ((code & 0x5555) << 1);
  bits = ((bits >> 2) & 0x3333) | ((bits & 0x3333) << 2);
  bits = ((bits >> 4) & 0x0f0f) | ((bits & 0x0f0f) << 4);
  return (((bits >> 8) & 0xff) | ((bits & 0xff) << 8)) >> (16 - length);
}
