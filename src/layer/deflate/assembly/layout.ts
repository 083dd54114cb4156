/**
 * Where everything is in memory. Nothing is ever allocated: a piece of input is compressed from one fixed place to
 * another. Addresses of input stand for positions in it; all are far above 0, so that an empty entry of a hash table
 * is a match too far away to be one.
 */

/** The most that is compressed in one call, in bytes. */
export const PIECE_SIZE: u32 = 512 * 1024;
/** How far back a match may reach (RFC 1951 § 3.2.5); that much input may stand before a piece. */
export const WINDOW_SIZE: u32 = 32 * 1024;
/** Input between two looks at whether a new block pays. */
export const SEGMENT_SIZE: u32 = 16 * 1024;
/** The longest block, in bytes of input: four stored ones. The last match of a segment may reach beyond. */
export const BLOCK_SIZE: u32 = 240 * 1024;

export const MIN_MATCH: u32 = 3;
export const MAX_MATCH: u32 = 258;

export const LITLEN_SYMBOLS: u32 = 288;
export const DISTANCE_SYMBOLS: u32 = 32;
export const END_OF_BLOCK: u32 = 256;
/** One table of frequencies, or of codes, for both alphabets: literals and lengths, then distances. */
export const SYMBOLS: u32 = LITLEN_SYMBOLS + DISTANCE_SYMBOLS;

/** Slot of a match's length, 0 to 28; a byte each. */
export const LENGTH_SLOTS: usize = 1024;
/** Binary logarithms of 0 to 1023 in 1/65536; 4 bytes each. */
export const LOGARITHMS: usize = LENGTH_SLOTS + 512;
/** Frequencies of the open block and of the segment that is looked at; 4 bytes each. */
export const BLOCK_COUNTS: usize = LOGARITHMS + 4096;
export const SEGMENT_COUNTS: usize = BLOCK_COUNTS + 4 * SYMBOLS;
/** Literals are counted in four tables, so that a run of one byte does not wait for itself. */
export const LITERAL_COUNTS: usize = SEGMENT_COUNTS + 4 * SYMBOLS;
/** Length of each symbol's code; a byte each. */
export const CODE_LENGTHS: usize = LITERAL_COUNTS + 4 * 4 * 256;
export const FIXED_LENGTHS: usize = CODE_LENGTHS + SYMBOLS;
/** A code and its length: `code << 8 | length`, codes as they are written, bit-reversed; 4 bytes each. */
export const CODES: usize = FIXED_LENGTHS + SYMBOLS;
/** Of matches by their length, the code of its slot and the extra bits together; 4 bytes each. */
export const LENGTH_CODES: usize = CODES + 4 * SYMBOLS;
/** What the header of a dynamic block says of code lengths: `extra << 8 | symbol`; 2 bytes each. */
export const HEADER_TOKENS: usize = LENGTH_CODES + 4 * 260;
export const HEADER_COUNTS: usize = HEADER_TOKENS + 2 * SYMBOLS;
export const HEADER_LENGTHS: usize = HEADER_COUNTS + 4 * 20;
export const HEADER_CODES: usize = HEADER_LENGTHS + 24;
/** Sorted symbols and the tree made of them. */
export const SORTED: usize = HEADER_CODES + 4 * 20;
export const TREE: usize = SORTED + 4 * SYMBOLS;
export const LENGTH_NUMBERS: usize = TREE + 4 * SYMBOLS;

/** Last position of each hash; 4 bytes each, or two of them. */
export const HEADS: usize = 32 * 1024;
export const HEADS_SIZE: usize = 256 * 1024;
/** How far before a position the one before with its hash is; 2 bytes each. */
export const CHAINS: usize = HEADS + HEADS_SIZE;
/** Last position of each hash of three bytes; 4 bytes each. */
export const SHORT_HEADS: usize = CHAINS + 2 * WINDOW_SIZE;
export const SHORT_BITS: u32 = 14;

/** `(distance - 1) << 48 | length << 32 | literals before it`; without a match length is 0. */
export const SEQUENCES: usize = SHORT_HEADS + (4 << SHORT_BITS);
export const SEQUENCES_SIZE: usize = 8 * ((BLOCK_SIZE + 2 * SEGMENT_SIZE) / MIN_MATCH + 64);

/** The window, and right behind it the piece; some bytes more are read, never used. */
export const INPUT: usize = SEQUENCES + ((SEQUENCES_SIZE + 63) & ~63);
/** Incompressible input grows by 5 bytes for each 65,535 and for each block. */
export const OUTPUT: usize = INPUT + WINDOW_SIZE + PIECE_SIZE + 64;
export const OUTPUT_SIZE: usize = PIECE_SIZE + 4096;
