import { Readable } from 'node:stream';
import type { Compression } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';
import type { CompressorOptions } from './in-order.ts';
import { workerCount } from './worker-count.ts';

export interface CompressionChoice {
  readonly kind: Compression;
  /** 1 to 9 for gzip, 1 to 19 for zstd; undefined means the default. */
  readonly level?: number | undefined;
}

const LEVELS: Readonly<Record<Compression, readonly [lowest: number, highest: number, usual: number]>> = {
  // The lowest is the usual one: three to four times as quick as 6, for a layer a tenth larger.
  gzip: [1, 9, 1],
  zstd: [1, 19, 3],
  none: [0, 0, 0],
};

/** Raised whenever a compressor or the tar writer gives other bytes for the same content, so that no older layer is taken for it. */
export const COMPRESSORS = 4;

/** Parses `gzip`, `zstd:9`, `none`. @throws OCISLIM_USAGE */
export function parseCompression(text: string): CompressionChoice {
  const [kind = '', level, ...rest] = text.split(':');
  const wrong = (why: string) =>
    new OcislimError('OCISLIM_USAGE', `--compression ${text}: ${why}`, {
      hint: 'gzip, zstd or none, with a level if you like: gzip:9',
    });
  if (!isCompression(kind) || rest.length > 0) throw wrong('no compression of that name');
  if (level === undefined) return { kind };
  const [lowest, highest] = LEVELS[kind];
  const number = Number(level);
  if (kind === 'none' || !/^\d{1,2}$/.test(level) || number < lowest || number > highest)
    throw wrong(kind === 'none' ? 'has no levels' : `its levels are ${lowest} to ${highest}`);
  return { kind, level: number };
}

function isCompression(text: string): text is Compression {
  return Object.hasOwn(LEVELS, text);
}

export interface CompressOptions {
  /** Threads beside this one, for much data; they change no byte. {@link workerCount} by default. */
  readonly workers?: number | undefined;
}

/** Chunks of up to half a megabyte that may be ready before they are read. */
const READY_CHUNKS = 2;

/**
 * Compresses a stream. The bytes depend on content, kind and level alone, on any machine, any version of Node and any
 * number of threads: the compressors are our own and a library of a pinned version, and get the content in pieces of a
 * fixed size. A chunk of `source` need hold only until the next one is asked for.
 * @throws OCISLIM_USAGE for a wrong `OCISLIM_WORKERS`; through the stream what `source` throws
 */
export function compress(
  source: AsyncIterable<Uint8Array>,
  { kind, level }: CompressionChoice,
  { workers = workerCount() }: CompressOptions = {},
): Readable {
  const closed = new AbortController();
  const options = { level: level ?? LEVELS[kind][2], workers, signal: closed.signal };
  const bytes = { gzip, zstd, none: plain }[kind](source, options);
  const stream = Readable.from(bytes, { highWaterMark: READY_CHUNKS });
  // The generator of a stream that is destroyed ends only once its source has given what it waits for.
  const destroy = stream._destroy.bind(stream);
  stream._destroy = (error, callback) => {
    closed.abort();
    destroy(error, callback);
  };
  return stream;
}

async function* plain(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) yield Buffer.from(chunk);
}

async function* gzip(
  source: AsyncIterable<Uint8Array>,
  options: CompressorOptions,
): AsyncGenerator<Uint8Array> {
  const { gzip } = await import('./deflate/gzip.ts');
  yield* gzip(source, options);
}

async function* zstd(
  source: AsyncIterable<Uint8Array>,
  options: CompressorOptions,
): AsyncGenerator<Uint8Array> {
  const { zstdFrames } = await import('./zstd.ts');
  yield* zstdFrames(source, options);
}

/**
 * Undoes a compression. zstd that is cut may just end early (Node's decoder does not complain): whoever needs all of it
 * checks the digest of what comes out.
 * @throws through the stream OCISLIM_ARCHIVE_INVALID for damaged data, and what `source` throws.
 */
export function decompress(source: Readable, kind: Compression): Readable {
  if (kind === 'none') return source;
  const bytes = kind === 'gzip' ? gunzip(source) : unzstd(source);
  return Readable.from(explained(bytes, kind));
}

/** Errors of the decoders in the user's words; those of the source, which are not theirs, unchanged. */
async function* explained(bytes: AsyncIterable<Uint8Array>, kind: Compression): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    if (error instanceof DecoderError) {
      throw new OcislimError('OCISLIM_ARCHIVE_INVALID', `damaged ${kind} data (${error.message})`, {
        cause: error,
      });
    }
    throw error;
  }
}

class DecoderError extends Error {}

/** Bytes that are unpacked at once: enough that the thread which does it seldom waits for the one that uses them. */
const UNPACKED_CHUNK = 1024 * 1024;

async function* gunzip(source: Readable): AsyncGenerator<Uint8Array> {
  const { createGunzip } = await import('node:zlib');
  yield* through(source, createGunzip({ chunkSize: UNPACKED_CHUNK }));
}

async function* unzstd(source: Readable): AsyncGenerator<Uint8Array> {
  const native = await nativeZstd();
  if (native !== undefined) yield* through(source, native);
  else yield* portableUnzstd(source);
}

/** Node's own decoder, from 22.15 on. */
async function nativeZstd(): Promise<NodeJS.ReadWriteStream | undefined> {
  const zlib: Record<string, unknown> = await import('node:zlib');
  const create = zlib['createZstdDecompress'];
  return typeof create === 'function' ? (create() as NodeJS.ReadWriteStream) : undefined;
}

async function* through(source: Readable, decoder: NodeJS.ReadWriteStream): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  source.on('error', (error) => {
    failure = error;
    decoder.emit('error', error);
  });
  source.pipe(decoder);
  try {
    for await (const chunk of decoder) yield chunk as unknown as Uint8Array;
  } catch (error) {
    throw failure ?? new DecoderError(error instanceof Error ? error.message : 'unknown', { cause: error });
  } finally {
    source.unpipe(decoder);
    source.destroy();
  }
}

async function* portableUnzstd(source: Readable): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd');
  let ready: Uint8Array[] = [];
  const decoder = new Decompress((bytes) => {
    ready.push(bytes);
  });
  const push = (chunk: Uint8Array, last: boolean) => {
    try {
      decoder.push(chunk, last);
    } catch (error) {
      throw new DecoderError(error instanceof Error ? error.message : 'unknown', { cause: error });
    }
  };
  for await (const chunk of source) {
    push(chunk as Uint8Array, false);
    yield* ready;
    ready = [];
  }
  push(new Uint8Array(0), true);
  yield* ready;
}

/** What the first bytes of a layer say it is compressed with; tar has its own magic further in. */
export function detectCompression(bytes: Uint8Array): Compression {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip';
  if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) return 'zstd';
  return 'none';
}

/** The compression that a layer's media type names; undefined for one that is no tar. */
export function compressionOf(mediaType: string): Compression | undefined {
  if (/[.+]gzip$/.test(mediaType)) return 'gzip';
  if (/[.+]zstd$/.test(mediaType)) return 'zstd';
  return /(?:^|[.+])tar$/.test(mediaType) ? 'none' : undefined;
}
