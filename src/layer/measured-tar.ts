import type { Readable } from 'node:stream';
import { OcislimError } from '../lib/errors.ts';
import { Meter } from '../lib/verify.ts';
import { compressionOf, decompress } from './compression.ts';

export interface MeasuredTar<Tar extends AsyncIterable<Uint8Array> = AsyncIterable<Uint8Array>> {
  readonly tar: Tar;
  /** Once the tar was read to its end: its size in bytes, and its digest, the diffID. */
  readonly meter: Readonly<Pick<Meter, 'size' | 'digest'>>;
}

/**
 * The tar in a compressed layer.
 * @throws OCISLIM_DOCUMENT_INVALID for a media type that is no tar
 */
export function measuredTar(stream: Readable, mediaType: string): MeasuredTar<Readable> {
  const compression = compressionOf(mediaType);
  if (compression === undefined)
    throw new OcislimError('OCISLIM_DOCUMENT_INVALID', `${mediaType}: not a layer that can be read`);
  const meter = new Meter();
  const tar = decompress(stream, compression);
  tar.on('data', (chunk: Buffer) => meter.take(chunk)).pause();
  return { tar, meter };
}
