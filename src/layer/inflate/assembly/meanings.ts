import { distanceExtra, lengthBase, lengthExtra } from '../../deflate/assembly/slots';
import { DISTANCE_MEANINGS, LITLEN_MEANINGS, PRECODE_MEANINGS, PRECODE_SYMBOLS } from './layout';
import { END_OF_BLOCK, EXCEPTIONAL, LITERAL } from './table';

/** What the symbols of all alphabets mean (RFC 1951 § 3.2.5). Those that no stream may use are exceptions. */
export function makeMeanings(): void {
  for (let symbol: u32 = 0; symbol < 256; symbol++)
    store<u32>(LITLEN_MEANINGS + 4 * symbol, (symbol << 16) | LITERAL);
  store<u32>(LITLEN_MEANINGS + 4 * 256, EXCEPTIONAL | END_OF_BLOCK);
  for (let slot: u32 = 0; slot < 31; slot++)
    store<u32>(
      LITLEN_MEANINGS + 4 * (257 + slot),
      slot < 29 ? (lengthBase(slot) << 16) | lengthExtra(slot) : EXCEPTIONAL,
    );
  for (let slot: u32 = 0; slot < 32; slot++)
    store<u32>(
      DISTANCE_MEANINGS + 4 * slot,
      slot < 30 ? (distanceBase(slot) << 16) | distanceExtra(slot) : EXCEPTIONAL,
    );
  for (let symbol: u32 = 0; symbol < PRECODE_SYMBOLS; symbol++)
    store<u32>(PRECODE_MEANINGS + 4 * symbol, symbol << 16);
}

function distanceBase(slot: u32): u32 {
  if (slot < 4) return slot + 1;
  return 1 + ((2 + (slot & 1)) << ((slot >> 1) - 1));
}
