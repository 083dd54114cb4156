import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Digest, digestAlgorithm, digestHex, encodeIndex, MediaType } from '#oci-spec-types';
import { blobsOf } from '../image/blob.ts';
import type { Artifact, Blob } from '../image/model.ts';
import { type Companions, NO_COMPANIONS } from '../image/referrer.ts';
import { documentsOf } from '../image/write.ts';
import type { Entry } from '../layer/entry.ts';
import { tarChunks, tarStream } from '../layer/tar-writer.ts';
import { writeStreamAtomically } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Context } from './context.ts';
import { companionDescriptors, type LayoutName, namedDescriptors } from './names.ts';
import { LAYOUT_MARKER } from './oci-layout.ts';

export function archivePath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** What an archive holds beside the blobs. */
export interface ArchiveOptions {
  readonly names: readonly LayoutName[];
  /** Time of all members, in seconds since the epoch. */
  readonly created: number;
  /** `manifest.json` for `docker load`. */
  readonly dockerManifest?: Uint8Array | undefined;
  /** Documents about the image. */
  readonly companions?: Companions | undefined;
}

/** The entries of a tar that is an OCI layout: blobs, index.json, oci-layout, each digest once. */
export async function layoutEntries(
  artifact: Artifact,
  options: ArchiveOptions,
  signal: AbortSignal,
): Promise<Entry[]> {
  const { names, created, dockerManifest, companions = NO_COMPANIONS } = options;
  const common = { uid: 0, gid: 0, mtime: created };
  const document = (path: string, bytes: Uint8Array, mode = 0o644): Entry => ({
    path,
    type: 'file',
    mode,
    ...common,
    size: bytes.length,
    open: async () => Readable.from([Buffer.from(bytes)], { objectMode: false }),
  });
  const blobs = new Map<string, Entry>();
  const folders = new Set<string>();
  const parts = [artifact, ...companions.referrers, ...companions.tagged.map((each) => each.artifact)];
  const documents: Artifact[] = [];
  for (const part of parts) documents.push(...(await documentsOf(part, { signal })));
  for (const part of documents) {
    for (const blob of blobsOf(part)) {
      const { digest, size } = blob.descriptor;
      const path = archivePath(digest);
      blobs.set(path, {
        path,
        type: 'file',
        mode: 0o444,
        ...common,
        size,
        chunks: () => chunksOf(blob, signal),
      });
      folders.add(`blobs/${digestAlgorithm(digest)}`);
    }
    const path = archivePath(part.descriptor.digest);
    blobs.set(path, document(path, part.raw, 0o444));
    folders.add(`blobs/${digestAlgorithm(part.descriptor.digest)}`);
  }
  const manifests = [...namedDescriptors(artifact.descriptor, names), ...companionDescriptors(companions)];
  const index = encodeIndex({ schemaVersion: 2, mediaType: MediaType.Index, manifests });
  return [
    ...['blobs', ...folders].map((path): Entry => ({ path, type: 'directory', mode: 0o755, ...common })),
    ...blobs.values(),
    document('index.json', index),
    document('oci-layout', Buffer.from(LAYOUT_MARKER)),
    ...(dockerManifest === undefined ? [] : [document('manifest.json', dockerManifest)]),
  ];
}

async function* chunksOf(blob: Blob, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* await blob.open({ signal, transient: true });
}

/** Writes a tar to a file, which is complete or not there, or to standard output for `-`. */
export async function writeArchive(path: string, entries: readonly Entry[], context: Context): Promise<void> {
  const { signal, cwd } = context;
  if (path !== '-') {
    const size = entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
    await writeStreamAtomically(resolve(cwd, path), tarChunks(entries, { signal }), { signal, size });
    return;
  }
  if (process.stdout.isTTY) {
    throw new OcislimError('OCISLIM_USAGE', 'will not write an archive to a terminal', {
      hint: 'send it on: ocislim pack ./hello -o - | docker load',
    });
  }
  await pipeline(tarStream(entries, { signal }), process.stdout, { end: false, signal });
}
