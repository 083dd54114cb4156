import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lazily } from '../lib/lazily.ts';
import { type CompressorOptions, inOrder, type PieceBytes } from './in-order.ts';
import { type PieceMemory, pieceMemory } from './piece-memory.ts';
import { WebAssembly, type WebAssemblyModule } from './web-assembly.ts';

/** What the module exports, under the names that this version of the package gives it. */
interface Exports {
  readonly f: Memory;
  /** Is to be called first. */
  g(): void;
  /** `ZSTD_isError` */
  h(size: number): number;
  /** `ZSTD_compressBound` */
  i(size: number): number;
  /** `ZSTD_compress` */
  m(output: number, room: number, input: number, size: number, level: number): number;
  /** `malloc` */
  s(size: number): number;
}

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/**
 * Content of one frame in bytes, the last one excepted; frames joined are one stream (RFC 8878 § 3). Twice as much makes a
 * program half a per cent smaller at level 3, and takes 20 MB more of memory with two workers.
 */
const FRAME_SIZE = 2 * 1024 * 1024;

interface Piece extends PieceBytes {
  readonly level: number;
}

interface Zstd {
  /** The compiled code, for other threads. */
  readonly module: WebAssemblyModule;
  /** The most bytes that a frame can take. */
  readonly frameBound: number;
  /** The frame of a piece. */
  compress(piece: Piece): Uint8Array;
}

/**
 * The zstd library itself, of a pinned version, compiled to WebAssembly: the same bytes on every machine. Its module is
 * started here and not by its package, which cannot share it with other threads.
 */
const loadZstd = lazily((): Zstd => {
  const module = new WebAssembly.Module(readFileSync(modulePath()));
  const instance = new WebAssembly.Instance(module, { a: importsFor(() => memory) });
  const { f: memory, g, h: isError, i: bound, m: compress, s: malloc } = instance.exports as Exports;
  g();
  const frameBound = bound(FRAME_SIZE);
  const [input, output] = [malloc(FRAME_SIZE), malloc(frameBound)];
  return {
    module,
    frameBound,
    compress: ({ bytes, level }) => {
      new Uint8Array(memory.buffer).set(bytes, input);
      const size = compress(output, frameBound, input, bytes.length, level);
      if (isError(size)) throw new Error(`zstd: error ${size}`);
      return new Uint8Array(memory.buffer, output, size).slice();
    },
  };
});

/** What a process has for the library: it calls none of that but for more memory. */
function importsFor(memory: () => Memory): object {
  const never = () => {
    throw new Error('zstd: wants something of the process');
  };
  const grow = (size: number) => {
    memory().grow(Math.ceil(((size >>> 0) - memory().buffer.byteLength) / 65536));
    return 1;
  };
  return { a: never, b: never, c: never, d: never, e: grow };
}

/** The same on a thread that gets the module as its data; see deflate/deflate.ts. The memory of a piece has room for its frame. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const never = () => { throw new Error('zstd: wants something of the process'); };
const grow = (size) => {
  memory.grow(Math.ceil(((size >>> 0) - memory.buffer.byteLength) / 65536));
  return 1;
};
const imports = { a: { a: never, b: never, c: never, d: never, e: grow } };
const { f: memory, g, h: isError, i: bound, m: compress, s: malloc } =
  new WebAssembly.Instance(workerData, imports).exports;
g();
const frameBound = bound(${FRAME_SIZE});
const [input, output] = [malloc(${FRAME_SIZE}), malloc(frameBound)];
parentPort.on('message', ({ bytes, level }) => {
  new Uint8Array(memory.buffer).set(bytes, input);
  const size = compress(output, frameBound, input, bytes.length, level);
  if (isError(size)) throw new Error('zstd: error ' + size);
  new Uint8Array(bytes.buffer).set(new Uint8Array(memory.buffer, output, size));
  parentPort.postMessage({ memory: bytes.buffer, size }, [bytes.buffer]);
});
parentPort.postMessage('ready');
`;

/** Beside the bundle, or above a chunk of it, in the package; within the executable; in the sources, in its own package. */
function modulePath(): string {
  const candidates = ['./zstd.wasm', '../zstd.wasm'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const inPackage = () =>
    join(dirname(createRequire(import.meta.url).resolve('@bokuweb/zstd-wasm')), 'zstd.wasm');
  return candidates.find((path) => existsSync(path)) ?? inPackage();
}

/**
 * Compresses in frames of a fixed size, on several threads if there is much.
 * @param options level 1 to 19
 * @throws OCISLIM_INTERNAL when a worker fails at work, and what `source` throws
 */
export async function* zstdFrames(
  source: AsyncIterable<Uint8Array>,
  options: CompressorOptions,
): AsyncGenerator<Uint8Array> {
  const zstd = loadZstd();
  const memory = pieceMemory(zstd.frameBound);
  const { module, compress } = zstd;
  // A piece takes four times the memory of one of gzip's, so that none waits for a worker.
  const work = { script: WORKER, data: module, alone: 1, aWorker: 1, memory, compress };
  yield* inOrder(cut(source, options.level, memory), work, options);
}

/** There is always one piece, empty if there is nothing to compress. */
async function* cut(
  source: AsyncIterable<Uint8Array>,
  level: number,
  memory: PieceMemory,
): AsyncGenerator<Piece> {
  let bytes = new Uint8Array(memory.take());
  let filled = 0;
  let isFirst = true;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + FRAME_SIZE - filled);
      bytes.set(chunk.subarray(at, end), filled);
      filled += end - at;
      at = end;
      if (filled < FRAME_SIZE) continue;
      yield { bytes: bytes.subarray(0, filled), level };
      isFirst = false;
      bytes = new Uint8Array(memory.take());
      filled = 0;
    }
  }
  if (filled > 0 || isFirst) yield { bytes: bytes.subarray(0, filled), level };
}
