import { lazily } from '../../lib/lazily.ts';
import { WebAssembly } from '../web-assembly.ts';
import { WEBASSEMBLY } from './webassembly.generated.ts';

/** A call for the next piece of what a gzip file holds. All pieces of a file are asked for before those of the next. */
export interface InflateJob {
  /** Another for each file. */
  readonly id: number;
  /** Its descriptor. */
  readonly file: number;
  /** Of the file, in bytes; what is behind it is not read. */
  readonly size: number;
  /** How many of these are there by now. */
  readonly available: number;
  /** For the piece; the one that comes back. */
  readonly memory: ArrayBuffer | undefined;
}

export interface InflatedPiece {
  readonly memory: ArrayBuffer;
  /** How many bytes of the memory are content. */
  readonly size: number;
  /** How many bytes of the file were read for it. */
  readonly read: number;
  /** Why it is not a whole piece: there was no more of the file, it is at its end, or damaged, after which it is at its end. */
  readonly why?: 'more is to come' | 'end' | 'damaged';
  /** At the end of a file that is not damaged: the digest of all content. What is asked for after the end is empty. */
  readonly sha256?: string;
}

/** The code, compiled once, for the thread that runs {@link INFLATE_WORKER}. */
export const loadInflate = lazily(() => new WebAssembly.Module(Buffer.from(WEBASSEMBLY, 'base64')));

/**
 * Decompresses gzip files, on a thread that gets the module as its data: for each {@link InflateJob} an
 * {@link InflatedPiece}. Text, since a file of its own would have to be found at run time. Memory of pieces goes back and
 * forth: what one thread allocates and another frees piles up.
 */
export const INFLATE_WORKER = `
const { createHash } = require('node:crypto');
const { readSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const code = new WebAssembly.Instance(workerData).exports;
const input = code.input.value;
const inputEnd = input + code.inputSize.value;
const output = code.output.value;
const all = new Uint8Array(code.memory.buffer);
const NEEDS_INPUT = 0, PIECE = 1, ENDED = 2;
let open = { id: -1 };
const begin = ({ id, file, size }) => {
  open = { id, file, size, at: 0, end: input, isLast: false, isOver: false, hash: createHash('sha256') };
  code.moveInput(input);
  code.start();
};
const load = (available) => {
  const from = code.inputAt.value;
  all.copyWithin(input, from, open.end);
  open.end -= from - input;
  code.moveInput(input);
  const room = inputEnd - open.end;
  const wanted = Math.min(room, available - open.at);
  const count = readSync(open.file, all, open.end, wanted, open.at);
  open.at += count;
  open.end += count;
  open.isLast = room === 0 || count < wanted || open.at === open.size;
  all.fill(0, open.end, open.end + 64);
  return count > 0 || open.isLast;
};
const piece = ({ available, ...file }, memory) => {
  if (open.id !== file.id) begin(file);
  if (open.isOver) return { size: 0, read: 0, why: 'end' };
  const before = open.at;
  code.rewindOutput();
  let state = code.gunzip(open.end, open.isLast);
  while (state === NEEDS_INPUT && load(available)) state = code.gunzip(open.end, open.isLast);
  const read = open.at - before;
  open.isOver = state !== PIECE && state !== NEEDS_INPUT;
  if (open.isOver && state !== ENDED) return { size: 0, read, why: 'damaged' };
  const content = all.subarray(output, code.outputAt.value);
  open.hash.update(content);
  new Uint8Array(memory).set(content);
  const result = { size: content.length, read };
  if (state === ENDED) return { ...result, why: 'end', sha256: open.hash.digest('hex') };
  return state === PIECE ? result : { ...result, why: 'more is to come' };
};
parentPort.on('message', ({ memory = new ArrayBuffer(code.outputSize.value), ...job }) => {
  parentPort.postMessage({ memory, ...piece(job, memory) }, [memory]);
});
parentPort.postMessage('ready');
`;
