import { Readable } from 'node:stream';
import { decompress } from '../layer/compression.ts';
import { OcislimError } from '../lib/errors.ts';

/** What an archive may be compressed with. */
type Packing = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const MAGIC: readonly (readonly [Packing, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 8]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
];

function detectPacking(bytes: Uint8Array): Packing {
  const found = MAGIC.find(([, magic]) => magic.every((byte, at) => bytes[at] === byte));
  return found?.[0] ?? 'none';
}

const BLOCK = 512;

/** A tar without its compression. */
export interface TarStream {
  readonly stream: Readable;
  /** Whether it was compressed: then what is cut may just end early. */
  readonly isPacked: boolean;
}

/** The tar that a file is; undefined for a file that is none, whatever it is compressed with. */
export async function openTarStream(source: Readable, what: string): Promise<TarStream | undefined> {
  const { head, stream } = await peek(source, 6);
  const packing = detectPacking(head);
  try {
    const unpacked = await peek(await unpackStream(stream, packing, what), BLOCK);
    if (isHeader(unpacked.head)) return { stream: unpacked.stream, isPacked: packing !== 'none' };
    unpacked.stream.destroy();
  } catch (error) {
    // What is no archive is not damaged: it is just a file that begins like one.
    if (!(error instanceof OcislimError) || error.code !== 'OCISLIM_ARCHIVE_INVALID') throw error;
  }
  stream.destroy();
  return undefined;
}

/** @throws through the stream OCISLIM_ARCHIVE_INVALID for damaged data */
async function unpackStream(stream: Readable, packing: Packing, what: string): Promise<Readable> {
  if (packing === 'bzip2') return explained(bunzip2(stream), packing, what);
  if (packing === 'xz') return explained(await unxz(stream), packing, what);
  return decompress(stream, packing);
}

async function* bunzip2(stream: Readable): AsyncGenerator<Uint8Array> {
  const { default: unbzip2 } = await import('unbzip2-stream');
  const decoder = unbzip2();
  // It does its work within write and end.
  const ready: Uint8Array[] = [];
  let failure: unknown;
  decoder.on('data', (chunk: Uint8Array) => ready.push(chunk));
  decoder.on('error', (error: unknown) => {
    failure ??= error;
  });
  const take = () => {
    if (failure !== undefined) throw failure;
    return ready.splice(0);
  };
  for await (const chunk of stream) {
    decoder.write(chunk);
    yield* take();
  }
  decoder.end();
  yield* take();
}

async function unxz(stream: Readable): Promise<AsyncIterable<Uint8Array>> {
  const module = await import('xz-decompress');
  // CommonJS, whose names Node does not find by itself.
  const { XzReadableStream } = module.default ?? module;
  const web = Readable.toWeb(stream) as unknown as ReadableStream<Uint8Array>;
  return new XzReadableStream(web) as unknown as AsyncIterable<Uint8Array>;
}

function explained(bytes: AsyncIterable<Uint8Array>, packing: Packing, what: string): Readable {
  const read = async function* () {
    try {
      yield* bytes;
    } catch (error) {
      if (error instanceof OcislimError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new OcislimError('OCISLIM_ARCHIVE_INVALID', `${what}: damaged ${packing} data (${why})`, {
        cause: error,
      });
    }
  };
  return Readable.from(read(), { objectMode: false });
}

/** The first bytes of a stream, at least so many where it has them, and the stream with them. */
async function peek(
  stream: Readable,
  size: number,
): Promise<{ readonly head: Buffer; readonly stream: Readable }> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let head = Buffer.alloc(0);
  while (head.length < size) {
    const { value, done } = await chunks.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const rest = async function* () {
    yield head;
    for (;;) {
      const { value, done } = await chunks.next();
      if (done) return;
      yield value;
    }
  };
  const whole = Readable.from(rest(), { objectMode: false });
  // A generator that was never asked for anything runs no `finally`.
  whole.once('close', () => stream.destroy());
  return { head, stream: whole };
}

/** Whether a block is a header of any kind of tar: its checksum is right (POSIX, ustar Interchange Format). */
function isHeader(block: Buffer): boolean {
  if (block.length < BLOCK || block.subarray(0, BLOCK).every((byte) => byte === 0)) return false;
  const text = block
    .toString('latin1', 148, 156)
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]+$/.test(text)) return false;
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
  return sum === Number.parseInt(text, 8);
}
