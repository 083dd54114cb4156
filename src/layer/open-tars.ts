import type { Layer, OpenOptions } from '../image/model.ts';
import { compressionOf } from './compression.ts';
import type { GunzipAhead } from './gunzip-ahead.ts';
import { type MeasuredTar, measuredTar } from './measured-tar.ts';
import { workerCount } from './worker-count.ts';

/** Compressed bytes from which on another thread pays for its start. */
const WORTH_A_THREAD = 1024 * 1024;

export interface OpenTarsOptions extends OpenOptions {
  /** Called with the bytes of the layers, as they are stored, that were read. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** A layer's tar, of which a chunk is good until the next is asked for. */
export interface OpenTar extends MeasuredTar {
  readonly layer: Layer;
}

/**
 * The tars of layers, one after the other, each to be read to its end before the next is asked for. Large ones that are
 * local files are decompressed on another thread, ahead of who reads them, unless `OCISLIM_WORKERS` says 0 or there can be no
 * other thread. The digests of their compressed bytes are not checked then: who reads a tar is to compare the digest of what
 * came out of it.
 * @throws what opening a layer throws
 */
export async function* openTars(
  layers: readonly Layer[],
  options: OpenTarsOptions = {},
): AsyncGenerator<OpenTar> {
  let thread: Promise<GunzipAhead> | undefined;
  const begin = async (layer: Layer | undefined): Promise<MeasuredTar | undefined> => {
    if (layer?.file === undefined || !isWorthAThread(layer)) return undefined;
    thread ??= gunzipAhead();
    const ahead = await thread;
    if (!(await ahead.comesUp())) return undefined;
    return ahead.open(await layer.file(), layer.descriptor.size, options.onBytes);
  };
  try {
    let next = begin(layers[0]);
    for (const [at, layer] of layers.entries()) {
      const begun = await next;
      next = begin(layers[at + 1]);
      // It is looked at in its turn; until then its failure is nobody's surprise.
      next.catch(() => {});
      yield { layer, ...(begun ?? (await openHere(layer, options))) };
    }
  } finally {
    (await thread)?.end();
  }
}

async function gunzipAhead(): Promise<GunzipAhead> {
  const { GunzipAhead } = await import('./gunzip-ahead.ts');
  return new GunzipAhead();
}

function isWorthAThread({ descriptor: { mediaType, size } }: Layer): boolean {
  return compressionOf(mediaType) === 'gzip' && size >= WORTH_A_THREAD && workerCount() > 0;
}

async function openHere(layer: Layer, { signal, onBytes }: OpenTarsOptions): Promise<MeasuredTar> {
  const stream = await layer.open({ signal });
  if (onBytes !== undefined) stream.on('data', (chunk: Buffer) => onBytes(chunk.length)).pause();
  return measuredTar(stream, layer.descriptor.mediaType);
}
