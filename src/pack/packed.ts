import { type Descriptor, type Digest, decodeDescriptor, isDigest, sha256 } from '#oci-spec-types';
import type { Layer } from '../image/model.ts';
import type { LayerOptions } from '../layer/build.ts';
import { COMPRESSORS, type CompressionChoice } from '../layer/compression.ts';
import type { Entry } from '../layer/entry.ts';
import { tarChunks } from '../layer/tar-writer.ts';
import { Meter } from '../lib/verify.ts';
import type { Store } from '../store/store.ts';
import { ignoreReadOnly } from '../store/tocs.ts';

/** What the store knows of a layer that is about to be made. */
export interface PackedBefore {
  /** The layer, where the store has one of exactly these entries. */
  find(options: Omit<LayerOptions, 'compression'>): Promise<Layer | undefined>;
  remember(diffId: Digest, descriptor: Descriptor): Promise<void>;
}

/**
 * Reading and hashing files takes a fraction of the time that compressing takes, but is wasted on files that are new. So
 * it is done where a layer of files of the same names, sizes and owners was packed before. Only what the files
 * contain says whether they are the same; neither times nor places on this machine do.
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
      if (!(await store.isIntact(descriptor))) return undefined;
      if ((await diffIdOf(entries, options)) !== diffId) return undefined;
      return store.ensure({ descriptor, diffId, open: (again) => store.open(descriptor, again) });
    },
    remember: async (diffId, descriptor) => {
      const note = JSON.stringify({ diffId, ...descriptor });
      await store.packed.set(outline, Buffer.from(note)).catch(ignoreReadOnly);
    },
  };
}

/** All that is known of an entry without reading it. */
function outlineOf({ path, type, mode, uid, gid, mtime, size, linkname, xattrs }: Entry): readonly unknown[] {
  const attributes = [...(xattrs ?? [])].map(([name, value]) => [name, value.toString('hex')]);
  return [path, type, mode, uid, gid, mtime, size ?? null, linkname ?? null, attributes];
}

async function diffIdOf(
  entries: readonly Entry[],
  { signal, onBytes }: Omit<LayerOptions, 'compression'>,
): Promise<Digest> {
  const meter = new Meter();
  for await (const chunk of tarChunks(entries, { signal })) {
    meter.take(chunk);
    onBytes?.(chunk.length);
  }
  return meter.digest;
}

function decodePacked(
  note: Buffer | undefined,
): { readonly diffId: Digest; readonly descriptor: Descriptor } | undefined {
  if (note === undefined) return undefined;
  const { diffId, ...descriptor } = JSON.parse(note.toString()) as { diffId?: unknown };
  return isDigest(diffId) ? { diffId, descriptor: decodeDescriptor(descriptor) } : undefined;
}
