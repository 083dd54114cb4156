import { INPUT, INPUT_SIZE, OUTPUT, OVERRUN, PIECE_SIZE } from './layout';
import { makeMeanings } from './meanings';
import {
  begin,
  DAMAGED,
  ENDED,
  inflate,
  inputAt,
  moveInput,
  NEEDS_INPUT,
  outputAt,
  rewindOutput,
} from './stream';

export const input: usize = INPUT;
export const inputSize: u32 = INPUT_SIZE;
export const output: usize = OUTPUT;
/** Of what one call gives, in bytes, at most. */
export const outputSize: u32 = PIECE_SIZE + OVERRUN;

export { inputAt, moveInput, outputAt, rewindOutput };

const HEADER: u32 = 0;
const BODY: u32 = 1;
const TRAILER: u32 = 2;

const FHCRC: u32 = 2;
const FEXTRA: u32 = 4;
const FNAME: u32 = 8;
const FCOMMENT: u32 = 16;
const RESERVED: u32 = 0xe0;

let part: u32 = HEADER;
let isFirst: bool = true;

/** Begins a file, at `inputAt`. */
export function start(): void {
  makeMeanings();
  part = HEADER;
  isFirst = true;
  begin();
  rewindOutput();
}

/**
 * Decompresses gzip (RFC 1952), all its members, from `inputAt` to `outputAt`. Their checksums are not looked at: whoever
 * wants to know checks a digest.
 * @param inputEnd behind the input that is there; if nothing follows, the 64 bytes from there on are zeros
 * @returns why it stopped: 0 for more input, of which what is before `inputAt` is done with; 1 with a piece, before the next
 *   of which output is to be rewound; 2 with the
 *   last one; 3 where input is damaged
 */
export function gunzip(inputEnd: usize, isLast: bool): u32 {
  while (true) {
    if (part == HEADER) {
      if (!isFirst && inputAt < inputEnd && load<u8>(inputAt) == 0) return ENDED;
      if (!isFirst && isLast && inputAt == inputEnd) return ENDED;
      const body = headerEnd(inputEnd);
      if (body == WRONG || (body == SHORT && isLast)) return DAMAGED;
      if (body == SHORT) return NEEDS_INPUT;
      moveInput(body);
      begin();
      part = BODY;
    }
    if (part == BODY) {
      const state = inflate(inputEnd, isLast, OUTPUT + PIECE_SIZE);
      if (state != ENDED) return state;
      part = TRAILER;
    }
    if (inputAt + 8 > inputEnd) return isLast ? DAMAGED : NEEDS_INPUT;
    moveInput(inputAt + 8);
    part = HEADER;
    isFirst = false;
  }
}

const SHORT: usize = 0;
const WRONG: usize = 1;

/** Where the header of a member ends (RFC 1952 § 2.3). Files padded with zeros end where the padding begins. */
function headerEnd(inputEnd: usize): usize {
  let at = inputAt + 10;
  if (at > inputEnd) return SHORT;
  if (load<u16>(inputAt) != 0x8b1f || load<u8>(inputAt + 2) != 8) return WRONG;
  const flags: u32 = load<u8>(inputAt + 3);
  if ((flags & RESERVED) != 0) return WRONG;
  if ((flags & FEXTRA) != 0) {
    if (at + 2 > inputEnd) return SHORT;
    at += 2 + usize(load<u16>(at));
  }
  if ((flags & FNAME) != 0) at = textEnd(at, inputEnd);
  if ((flags & FCOMMENT) != 0) at = textEnd(at, inputEnd);
  if ((flags & FHCRC) != 0) at += 2;
  return at > inputEnd ? SHORT : at;
}

/** Behind the zero that ends a text; behind all input where there is none. */
function textEnd(from: usize, inputEnd: usize): usize {
  let at = from;
  while (at < inputEnd && load<u8>(at) != 0) at++;
  return at + 1;
}
