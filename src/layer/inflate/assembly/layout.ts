/** Where everything is in memory. Nothing is ever allocated; whoever made the memory decides where output goes. */

/** The most symbols of a code: literals, end of block and lengths; distances; lengths of codes (RFC 1951 § 3.2.5 to 3.2.7). */
export const LITLEN_SYMBOLS: u32 = 288;
export const DISTANCE_SYMBOLS: u32 = 32;
export const PRECODE_SYMBOLS: u32 = 19;

/** Bits that the first look at a table takes. */
export const LITLEN_BITS: u32 = 11;
export const DISTANCE_BITS: u32 = 8;
export const PRECODE_BITS: u32 = 7;
/** No code is longer. */
export const MAX_BITS: u32 = 15;

/** Code lengths of a block, literals and lengths first, a byte each; those of the precode. */
export const LENGTHS: usize = 1024;
export const PRECODE_LENGTHS: usize = LENGTHS + LITLEN_SYMBOLS + DISTANCE_SYMBOLS + 144;
/** While a table is made: how many codes have each length, and where the symbols of each begin among the sorted; 4 bytes each. */
export const COUNTS: usize = PRECODE_LENGTHS + 64;
export const OFFSETS: usize = COUNTS + 4 * 16;
/** Symbols by the length of their code; 2 bytes each. */
export const SORTED: usize = OFFSETS + 4 * 16;

/** What symbols mean, before their codes' lengths are added; 4 bytes each. */
export const LITLEN_MEANINGS: usize = SORTED + 2 * LITLEN_SYMBOLS;
export const DISTANCE_MEANINGS: usize = LITLEN_MEANINGS + 4 * LITLEN_SYMBOLS;
export const PRECODE_MEANINGS: usize = DISTANCE_MEANINGS + 4 * DISTANCE_SYMBOLS;

/** The tables, with what lies behind their first looks: never more entries than 2342, 402 and 128 (zlib's `enough`). */
export const LITLEN_TABLE: usize = (PRECODE_MEANINGS + 4 * PRECODE_SYMBOLS + 63) & ~63;
export const DISTANCE_TABLE: usize = LITLEN_TABLE + 4 * 2342;
export const PRECODE_TABLE: usize = DISTANCE_TABLE + 4 * 402;

/** Compressed bytes; up to 64 behind them are read, and not used. */
export const INPUT: usize = 32 * 1024;
export const INPUT_SIZE: u32 = 256 * 1024;

/** How far back a match may reach (RFC 1951 § 3.2.5); so much of what came before stands before output. */
export const WINDOW_SIZE: u32 = 32 * 1024;
export const OUTPUT: usize = INPUT + INPUT_SIZE + 64 + WINDOW_SIZE;
/** What is decompressed in one call, in bytes. */
export const PIECE_SIZE: u32 = 512 * 1024;
/** How far beyond it the last match may go, and its copy beyond the match. */
export const OVERRUN: u32 = 258 + 32;
