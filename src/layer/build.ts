import type { Readable } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import { Meter } from '../lib/verify.ts';
import { type CompressionChoice, compress } from './compression.ts';
import type { Entry } from './entry.ts';
import { tarChunks } from './tar-writer.ts';

/** A layer being made: its compressed bytes, and once they have been read what they unpack to. */
export interface LayerStream {
  readonly stream: Readable;
  /** Only after the stream has ended. `tarSize` is in bytes. */
  result(): { readonly diffId: Digest; readonly tarSize: number };
}

export interface LayerOptions {
  readonly compression: CompressionChoice;
  readonly signal?: AbortSignal | undefined;
  /** Told of each piece of the tar that went into the compressor, in bytes. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** Entries → tar → compressed layer, in one pass over the files. @throws what {@link tarChunks} throws */
export function layerStream(
  entries: readonly Entry[],
  { compression, signal, onBytes }: LayerOptions,
): LayerStream {
  const tar = tarChunks(entries, { signal });
  const meter = new Meter();
  const measured = async function* () {
    for await (const chunk of tar) {
      meter.take(chunk);
      onBytes?.(chunk.length);
      yield chunk;
    }
  };
  return {
    stream: compress(measured(), compression),
    result: () => ({ diffId: meter.digest, tarSize: meter.size }),
  };
}
