import type { Readable } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import { Meter } from '../lib/verify.ts';
import { type CompressionChoice, compress } from './compression.ts';
import type { Entry } from './entry.ts';
import { tarChunks } from './tar-writer.ts';

/** A layer being made: its compressed bytes, and once they have been read what they unpack to. */
export interface LayerStream {
  readonly stream: Readable;
  /** Only after the stream has ended. `head` is the digest of the tar's beginning, see {@link TarMeter}. */
  result(): { readonly diffId: Digest; readonly head: Digest };
}

export interface LayerOptions {
  readonly compression: CompressionChoice;
  readonly signal?: AbortSignal | undefined;
  /** Told of each piece of the tar that went into the compressor, in bytes. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** Bytes at the beginning of a tar that hardly two programs have in common: there are the identities that linkers give them. */
const HEAD = 64 * 1024;

/** Hashes a tar, and its beginning on the way. */
export class TarMeter {
  readonly #whole = new Meter();
  readonly #head = new Meter();

  take(chunk: Uint8Array): void {
    const missing = HEAD - this.#head.size;
    if (missing > 0) this.#head.take(chunk.subarray(0, missing));
    this.#whole.take(chunk);
  }

  /** Whether more of the tar changes nothing about `head`. */
  get hasHead(): boolean {
    return this.#head.size === HEAD;
  }

  /** The digest of the first 64 KiB, or of all where there is less: only at the end, or where `hasHead`. */
  get head(): Digest {
    return this.#head.digest;
  }

  /** The digest of all, at the end. */
  get diffId(): Digest {
    return this.#whole.digest;
  }
}

/** Entries → tar → compressed layer, in one pass over the files. @throws what {@link tarChunks} throws */
export function layerStream(
  entries: readonly Entry[],
  { compression, signal, onBytes }: LayerOptions,
): LayerStream {
  const tar = tarChunks(entries, { signal });
  const meter = new TarMeter();
  const measured = async function* () {
    for await (const chunk of tar) {
      meter.take(chunk);
      onBytes?.(chunk.length);
      yield chunk;
    }
  };
  return {
    stream: compress(measured(), compression),
    result: () => ({ diffId: meter.diffId, head: meter.head }),
  };
}
