import type { Readable } from 'node:stream';
import { OcislimError } from '../lib/errors.ts';
import { Meter } from '../lib/verify.ts';
import { compressionOf, decompress } from './compression.ts';

/**
 * The tar in a compressed layer. Once it was read to its end, the meter has its size and its digest, the diffID.
 * @throws OCISLIM_DOCUMENT_INVALID for a media type that is no tar
 */
export function measuredTar(
  stream: Readable,
  mediaType: string,
): { readonly tar: Readable; readonly meter: Meter } {
  const compression = compressionOf(mediaType);
  if (compression === undefined)
    throw new OcislimError('OCISLIM_DOCUMENT_INVALID', `${mediaType}: not a layer that can be read`);
  const meter = new Meter();
  const tar = decompress(stream, compression);
  tar.on('data', (chunk: Buffer) => meter.take(chunk)).pause();
  return { tar, meter };
}
