import type { Descriptor } from '#oci-spec-types';
import type { OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Stretch } from './blobs.ts';
import { backoff, realSleep, type Sleep } from './retry.ts';

/** Breaks in a row, without a byte between them, after which there is no use in going on. */
const BREAKS = 5;
/** Breaks in all, whatever comes between them. */
const ALL_BREAKS = 100;

export interface ResumeOptions extends OpenOptions {
  readonly sleep: Sleep | undefined;
  /** Asks for the bytes from `offset` on; told how often in a row the answers have broken off by now. */
  readonly open: (offset: number, breaks: number) => Promise<Stretch>;
}

/**
 * The bytes of a blob from `offset` on to its end, from as many stretches as it takes: where one breaks off, or ends too
 * early, the next begins.
 * @throws OCISLIM_REGISTRY_UNREACHABLE when it breaks off too often, or what `open` throws
 */
export async function* resuming(
  { size, digest }: Descriptor,
  offset: number,
  { open, sleep = realSleep, signal }: ResumeOptions,
): Stretch {
  let at = offset;
  let inRow = 0;
  for (let breaks = 1; ; breaks++) {
    // What fails here was tried often enough.
    const stretch = await open(at, inRow);
    try {
      for await (const chunk of stretch) {
        at += chunk.length;
        inRow = 0;
        yield chunk;
      }
      if (at >= size) return;
      throw new OcislimError('OCISLIM_REGISTRY_UNREACHABLE', `${digest}: ended after ${at} of ${size} bytes`);
    } catch (error) {
      signal?.throwIfAborted();
      inRow++;
      if (!isBrokenOff(error) || inRow === BREAKS || breaks === ALL_BREAKS) throw error;
      await sleep(backoff(inRow), signal);
    }
  }
}

/** What may pass when the transfer is taken up again. */
export function isBrokenOff(error: unknown): boolean {
  return error instanceof OcislimError && error.code === 'OCISLIM_REGISTRY_UNREACHABLE';
}
