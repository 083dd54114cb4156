import { createHash } from 'node:crypto';
import type { ReadAt } from '../elf/file.ts';
import type { Layer, OpenOptions } from '../image/model.ts';
import { type CompressionChoice, compress, compressionOf } from '../layer/compression.ts';
import { measuredTar } from '../layer/measured-tar.ts';
import { readTar } from '../layer/tar-reader.ts';
import { OcislimError } from '../lib/errors.ts';
import { type ProgramParts, partsOf } from './parts.ts';

/** What is to be found out about a file of a layer. */
export interface Wanted {
  readonly hash?: boolean;
  readonly parts?: boolean;
}

/** What a file's content has told. */
export interface Found {
  /** SHA-256, hexadecimal. */
  readonly digest?: string | undefined;
  readonly parts?: ProgramParts | undefined;
}

/** A program is held in memory, one at a time. */
const PROGRAM_LIMIT = 256 * 1024 * 1024;

/**
 * Reads a layer once for all that is wanted of its files.
 * @param wanted by where a file's content begins in the tar
 * @throws OCISLIM_ARCHIVE_INVALID | OCISLIM_DIGEST_MISMATCH
 */
export async function readContents(
  layer: Layer,
  wanted: ReadonlyMap<number, Wanted>,
  { signal }: OpenOptions,
): Promise<ReadonlyMap<number, Found>> {
  const found = new Map<number, Found>();
  if (wanted.size === 0) return found;
  const { tar } = measuredTar(await layer.open({ signal }), layer.descriptor.mediaType);
  await readTar(
    tar,
    async ({ offset, size, type }, content) => {
      const { hash = false, parts = false } = wanted.get(offset) ?? {};
      if (type !== 'file' || (!hash && !parts)) return;
      const hasher = createHash('sha256');
      const bytes = parts && size <= PROGRAM_LIMIT ? Buffer.alloc(size) : undefined;
      let at = 0;
      for await (const chunk of content) {
        if (hash) hasher.update(chunk);
        bytes?.set(chunk.subarray(0, bytes.length - at), at);
        at += chunk.length;
      }
      const read: ReadAt = async (from, length) => bytes?.subarray(from, from + length) ?? Buffer.alloc(0);
      found.set(offset, {
        digest: hash ? hasher.digest('hex') : undefined,
        parts: bytes === undefined ? undefined : await partsOf(read, size),
      });
    },
    { signal, what: `layer ${layer.descriptor.digest}` },
  );
  return found;
}

/** Bytes that a layer would be, compressed in another way: by doing it. */
export async function compressedSize(
  layer: Layer,
  choice: CompressionChoice,
  { signal }: OpenOptions,
): Promise<number> {
  const { tar } = measuredTar(await layer.open({ signal }), layer.descriptor.mediaType);
  let size = 0;
  for await (const chunk of compress(tar, choice)) {
    signal?.throwIfAborted();
    size += (chunk as Uint8Array).length;
  }
  return size;
}

/** @throws OCISLIM_DOCUMENT_INVALID for what is no tar */
export function compressionOfLayer({ descriptor }: Layer) {
  const kind = compressionOf(descriptor.mediaType);
  if (kind !== undefined) return kind;
  throw new OcislimError('OCISLIM_DOCUMENT_INVALID', `${descriptor.mediaType}: not a layer that can be read`);
}
