import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex, isDigest } from '#oci-spec-types';
import { explainWriteError } from '../lib/atomic-file.ts';
import { measureTree, removeTree } from '../lib/remove-tree.ts';
import { VERSION } from '../version.ts';
import type { WaitOptions } from './locks.ts';
import { CLEAN_UP } from './pins.ts';
import { reachable } from './reachable.ts';
import type { Store } from './store.ts';

/**
 * Why something is in the store: an image of the user's names it; it was fetched as a base, or for a base, and is kept to
 * work without a network; nothing names it any more; it is layers of images and bases unpacked; it is what steps of a build came
 * to; it is what was compiled, or what toolchains keep to compile faster; it is what broken-off work has left; it is a note that can be made again.
 */
export type UsageKind =
  | 'images'
  | 'bases'
  | 'unused'
  | 'roots'
  | 'steps'
  | 'compiled'
  | 'caches'
  | 'unfinished'
  | 'notes';

export interface Usage {
  readonly kind: UsageKind;
  /** Files. */
  readonly count: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes that {@link prune} would free. */
  readonly reclaimable: number;
}

export interface PruneOptions extends WaitOptions {
  /** Also what was fetched as a base and no image is made of. */
  readonly bases?: boolean | undefined;
  /** Also what steps and compiling came to, and what toolchains keep; nothing may be compiling meanwhile. */
  readonly caches?: boolean | undefined;
  /** Removes nothing, and counts what would go. */
  readonly dryRun?: boolean | undefined;
}

interface Item {
  readonly kind: UsageKind;
  readonly path: string;
  /** Files; more than one in a folder. */
  readonly count: number;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** Nothing needs it, and no process that lives uses it. */
  readonly spare: boolean;
}

interface Judgement extends Pick<Item, 'kind' | 'spare'> {
  /** Where that is known without looking. */
  readonly measured?: Pick<Item, 'count' | 'size'> | undefined;
}

const DAY = 24 * 60 * 60 * 1000;

/** How the store's bytes are spent. */
export async function usageOf(store: Store): Promise<Usage[]> {
  const items = await itemsOf(store, { bases: false });
  const kinds: readonly UsageKind[] = [
    'images',
    'bases',
    'unused',
    'roots',
    'steps',
    'compiled',
    'caches',
    'unfinished',
    'notes',
  ];
  return kinds.map((kind) => {
    const own = items.filter((item) => item.kind === kind);
    const reclaimable = total(own.filter(({ spare }) => spare)).size;
    return { kind, ...total(own), reclaimable };
  });
}

/**
 * Removes what nothing needs. Other processes may go on meanwhile: what they use stays, and what they begin to use waits
 * for the end of this.
 * @returns what went, as files and bytes
 */
export async function prune(
  store: Store,
  options: PruneOptions = {},
): Promise<{ readonly count: number; readonly size: number }> {
  const lock = await store.locks.acquire(CLEAN_UP, options);
  try {
    // Without locks nobody knows what others are doing; what is old enough nobody does.
    const before = lock === undefined ? Date.now() - DAY : Number.POSITIVE_INFINITY;
    const items = await itemsOf(store, options);
    const spare = items.filter((item) => item.spare && item.modified < before);
    if (!options.dryRun) {
      // What is a root must not be found half removed.
      for (const { path, kind } of spare)
        await (kind === 'roots' ? store.roots.remove(path) : removeTree(path));
      await store.locks.sweep();
    }
    return total(spare);
  } catch (error) {
    throw explainWriteError(error, store.root);
  } finally {
    await lock?.release();
  }
}

function total(items: readonly Item[]): { readonly count: number; readonly size: number } {
  return items.reduce((sum, { count, size }) => ({ count: sum.count + count, size: sum.size + size }), {
    count: 0,
    size: 0,
  });
}

async function itemsOf(store: Store, { bases = false, caches = false }: PruneOptions): Promise<Item[]> {
  const roots = async (names: Store['names']) =>
    (await names.list()).map(({ descriptor }) => descriptor.digest);
  const beside = await store.beside.all();
  const images = await reachable(store.root, await roots(store.names), beside);
  const remembered = await reachable(store.root, await roots(store.resolved), beside);
  const pinned = await reachable(store.root, await store.pins.all(), beside);
  const steps = await store.stepLayers();
  const isKept = (digest: Digest) =>
    images.has(digest) ||
    pinned.has(digest) ||
    (!bases && remembered.has(digest)) ||
    (!caches && steps.has(digest));
  const kindOf = (digest: Digest) => {
    if (images.has(digest)) return 'images';
    if (remembered.has(digest)) return 'bases';
    return steps.has(digest) ? 'steps' : 'unused';
  };

  const items: Item[] = [];
  const add = async (folder: string, judge: (name: string) => Promise<Judgement>) => {
    for (const name of await readdir(join(store.root, folder)).catch(() => [])) {
      const path = join(store.root, folder, name);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined) continue;
      const { kind, spare, measured } = await judge(name);
      const { count, size } =
        measured ?? (found.isDirectory() ? await measureTree(path) : { count: 1, size: found.size });
      items.push({ path, kind, spare, modified: found.mtimeMs, count, size });
    }
  };
  const unfinished = (spare: boolean) => ({ kind: 'unfinished', spare }) as const;
  for (const algorithm of ['sha256', 'sha512']) {
    await add(`blobs/${algorithm}`, async (hex) => {
      const digest = `${algorithm}:${hex}`;
      return isDigest(digest) ? { kind: kindOf(digest), spare: !isKept(digest) } : unfinished(true);
    });
  }
  const kept = new Set(
    [...images, ...pinned, ...(bases ? [] : remembered), ...(caches ? [] : steps)].map(digestHex),
  );
  for (const folder of ['tocs', 'findings', 'origins', 'checked', 'beside'])
    await add(folder, async (hex) => ({ kind: 'notes', spare: !kept.has(hex) }));
  await add('roots', async (hex) => {
    const note = await store.roots.noteOf(hex);
    const isKept = note?.diffIds.every((diffId) => kept.has(digestHex(diffId))) ?? false;
    return { kind: 'roots', spare: !isKept, measured: note };
  });
  for (const folder of ['steps', 'compressed'])
    await add(folder, async () => ({ kind: 'steps', spare: caches }));
  for (const kind of ['compiled', 'caches'] as const) await add(kind, async () => ({ kind, spare: caches }));
  await add('packed', async (hex) => {
    const note = await store.packed.get(`sha256:${hex}`);
    const { digest } = JSON.parse(note?.toString() ?? '{}') as { digest?: unknown };
    return { kind: 'notes', spare: !isDigest(digest) || !isKept(digest) };
  });
  await add('code', async (version) => ({ kind: 'notes', spare: caches || version !== VERSION }));
  await add('damaged', async () => unfinished(true));
  await add('partial', async (hex) => unfinished(!(await store.isFetching(hex))));
  await add('tmp', async (name) => {
    const run = name.split('.').slice(0, 2).join('.');
    return unfinished(!(await store.locks.isAlive(run)));
  });
  if (bases) await add('resolved', async () => ({ kind: 'notes', spare: true }));
  return items;
}
