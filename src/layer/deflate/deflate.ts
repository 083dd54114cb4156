import { lazily } from '../../lib/lazily.ts';
import { WebAssembly, type WebAssemblyModule } from '../web-assembly.ts';
import { WEBASSEMBLY } from './webassembly.generated.ts';

/** What `assembly/index.ts` exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly input: { readonly value: number };
  readonly output: { readonly value: number };
  readonly pieceSize: { readonly value: number };
  readonly windowSize: { readonly value: number };
  deflate(window: number, size: number, isLast: number, level: number): number;
}

/** A part of a stream that is compressed by itself. */
export interface Piece {
  /** What comes before the piece, as far as matches reach, and the piece. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many of the bytes come before the piece. */
  readonly window: number;
  readonly isLast: boolean;
  /** 1 to 9. */
  readonly level: number;
}

export interface Deflate {
  /** The compiled code, for other threads. */
  readonly module: WebAssemblyModule;
  /** Bytes of a piece, the last one excepted. */
  readonly pieceSize: number;
  /** The most bytes before a piece that are looked at. */
  readonly windowSize: number;
  /** A part of a DEFLATE stream (RFC 1951) that ends at a whole byte; parts of pieces in order, joined, are the stream. */
  compress(piece: Piece): Uint8Array;
}

/**
 * The compressor, compiled once: no call leaves anything behind for the next, so streams share it. Its bytes depend on the
 * piece alone, on every machine.
 */
export const loadDeflate = lazily((): Deflate => {
  const module = new WebAssembly.Module(Buffer.from(WEBASSEMBLY, 'base64'));
  const { memory, input, output, pieceSize, windowSize, deflate } = new WebAssembly.Instance(module)
    .exports as Exports;
  return {
    module,
    pieceSize: pieceSize.value,
    windowSize: windowSize.value,
    compress({ bytes, window, isLast, level }) {
      const all = new Uint8Array(memory.buffer);
      all.set(bytes, input.value);
      const size = deflate(window, bytes.length - window, Number(isLast), level);
      return all.slice(output.value, output.value + size);
    },
  };
});

/**
 * The same as {@link Deflate.compress} on a thread that gets the module as its data. Text, since a file of its own would
 * have to be found at run time. It allocates nothing: what one thread allocates and another frees piles up. The memory of
 * a piece has room for the window as well, which is more than a piece can grow by.
 */
export const DEFLATE_WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const { memory, input, output, deflate } = new WebAssembly.Instance(workerData).exports;
const all = new Uint8Array(memory.buffer);
parentPort.on('message', ({ bytes, window, isLast, level }) => {
  all.set(bytes, input.value);
  const size = deflate(window, bytes.length - window, Number(isLast), level);
  new Uint8Array(bytes.buffer).set(all.subarray(output.value, output.value + size));
  parentPort.postMessage({ memory: bytes.buffer, size }, [bytes.buffer]);
});
parentPort.postMessage('ready');
`;
