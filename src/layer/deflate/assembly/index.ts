import { align, at, start } from './bits';
import { makeFixedLengths, writeBlock, writeStored } from './block';
import {
  BLOCK_SIZE,
  HEADS,
  HEADS_SIZE,
  INPUT,
  OUTPUT,
  PIECE_SIZE,
  SEGMENT_SIZE,
  SEQUENCES,
  SHORT_BITS,
  SHORT_HEADS,
  WINDOW_SIZE,
} from './layout';
import { chainPrime, chainSegment } from './match-chain';
import { fastPrime, fastSegment } from './match-fast';
import { twoPrime, twoSegment } from './match-two';
import { clear, last, setLast } from './sequences';
import { makeLengthSlots } from './slots';
import { clearBlock, countSegment, isAnother, joinSegment, makeLogarithms } from './split';

export const input: usize = INPUT;
export const output: usize = OUTPUT;
export const pieceSize: u32 = PIECE_SIZE;
export const windowSize: u32 = WINDOW_SIZE;

let isReady: bool = false;

/**
 * Compresses the `size` bytes that stand `window` bytes behind `input`, where what came before them is, and ends at a
 * whole byte: as the last of a stream, or with an empty stored block. Returns the size of what is then at `output`.
 */
export function deflate(window: u32, size: u32, isLast: bool, level: u32): u32 {
  if (!isReady) {
    makeLengthSlots();
    makeFixedLengths();
    makeLogarithms();
    isReady = true;
  }
  start();
  clear();
  clearBlock();
  const from = u32(INPUT) + window;
  const end = from + size;
  memory.fill(end, 0, 8);
  memory.fill(HEADS, 0, HEADS_SIZE);
  if (level >= 3) memory.fill(SHORT_HEADS, 0, 4 << SHORT_BITS);
  if (level == 1) fastPrime(u32(INPUT), from);
  else if (level == 2) twoPrime(u32(INPUT), from);
  else chainPrime(u32(INPUT), from);
  let blockFrom = from;
  let position = from;
  while (position < end) {
    const segmentFrom = position;
    const first = last;
    const to = end - position < SEGMENT_SIZE ? end : position + SEGMENT_SIZE;
    position = match(position, to, end, level);
    countSegment(first, segmentFrom);
    if (first > SEQUENCES && (position - blockFrom > BLOCK_SIZE || isAnother())) {
      const stop = last;
      setLast(first);
      writeBlock(blockFrom, segmentFrom, false);
      memory.copy(SEQUENCES, first, stop - first);
      setLast(SEQUENCES + (stop - first));
      blockFrom = segmentFrom;
      clearBlock();
    }
    joinSegment();
  }
  if (size > 0) writeBlock(blockFrom, end, isLast);
  if (!isLast || size == 0) writeStored(end, end, isLast);
  align();
  return u32(at - OUTPUT);
}

/** Levels 1 and 2 take what one or two candidates offer; from 3 on more and more of them are looked at. */
function match(from: u32, to: u32, end: u32, level: u32): u32 {
  if (level == 1) return fastSegment(from, to, end);
  if (level == 2) return twoSegment(from, to, end);
  if (level == 3) return chainSegment(from, to, end, 6, 32, 0);
  if (level == 4) return chainSegment(from, to, end, 8, 32, 1);
  if (level == 5) return chainSegment(from, to, end, 16, 64, 1);
  if (level == 6) return chainSegment(from, to, end, 32, 96, 1);
  if (level == 7) return chainSegment(from, to, end, 64, 130, 2);
  if (level == 8) return chainSegment(from, to, end, 256, 258, 2);
  return chainSegment(from, to, end, 1024, 258, 2);
}
