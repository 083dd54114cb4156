import { type Descriptor, type Digest, decodeDescriptor, isDigest, sha256 } from '#oci-spec-types';
import type { Layer } from '../image/model.ts';
import { type LayerOptions, TarMeter } from '../layer/build.ts';
import { COMPRESSORS, type CompressionChoice } from '../layer/compression.ts';
import type { Entry } from '../layer/entry.ts';
import { tarChunks } from '../layer/tar-writer.ts';
import type { Store } from '../store/store.ts';
import { ignoreReadOnly } from '../store/tocs.ts';

/** What the store knows of a layer that is about to be made. */
export interface PackedBefore {
  /** The layer, where the store has one of exactly these entries. */
  find(options: Omit<LayerOptions, 'compression'>): Promise<Layer | undefined>;
  remember(known: Known): Promise<void>;
}

interface Known {
  readonly diffId: Digest;
  /** Of the beginning of the tar. */
  readonly head: Digest;
  readonly descriptor: Descriptor;
}

/**
 * Reading and hashing files takes a fraction of the time that compressing takes, but is wasted on files that are new. So
 * it is done where a layer of files of the same names, sizes and owners was packed before. Only what the files
 * contain says whether they are the same; neither times nor places on this machine do. Most that are new differ at their
 * beginning, and are not read further.
 */
export function packedBefore(
  entries: readonly Entry[],
  { kind, level }: CompressionChoice,
  store: Store,
): PackedBefore {
  if (kind === 'none') return { find: async () => undefined, remember: async () => {} };
  const outline = sha256(JSON.stringify([COMPRESSORS, kind, level ?? null, entries.map(outlineOf)]));
  return {
    find: async (options) => {
      const known = decodePacked(await store.packed.get(outline));
      if (known === undefined) return undefined;
      const { diffId, descriptor } = known;
      await store.pins.pin(descriptor.digest);
      if (!store.has(descriptor.digest) || !(await areSame(entries, known, options))) return undefined;
      if (!(await store.isIntact(descriptor))) return undefined;
      return store.ensure({ descriptor, diffId, open: (again) => store.open(descriptor, again) });
    },
    remember: async ({ diffId, head, descriptor }) => {
      const note = JSON.stringify({ diffId, head, ...descriptor });
      await store.packed.set(outline, Buffer.from(note)).catch(ignoreReadOnly);
    },
  };
}

/** All that is known of an entry without reading it. */
function outlineOf({ path, type, mode, uid, gid, mtime, size, linkname, xattrs }: Entry): readonly unknown[] {
  const attributes = [...(xattrs ?? [])].map(([name, value]) => [name, value.toString('hex')]);
  return [path, type, mode, uid, gid, mtime, size ?? null, linkname ?? null, attributes];
}

/** Whether their tar is the one that is known. */
async function areSame(
  entries: readonly Entry[],
  { diffId, head }: Known,
  { signal, onBytes }: Omit<LayerOptions, 'compression'>,
): Promise<boolean> {
  const meter = new TarMeter();
  for await (const chunk of tarChunks(entries, { signal })) {
    meter.take(chunk);
    onBytes?.(chunk.length);
    if (meter.hasHead && meter.head !== head) return false;
  }
  return meter.diffId === diffId;
}

function decodePacked(note: Buffer | undefined): Known | undefined {
  if (note === undefined) return undefined;
  const { diffId, head, ...descriptor } = JSON.parse(note.toString()) as { diffId?: unknown; head?: unknown };
  if (!isDigest(diffId) || !isDigest(head)) return undefined;
  return { diffId, head, descriptor: decodeDescriptor(descriptor) };
}
