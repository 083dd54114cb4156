import { join } from 'node:path';
import type { Layer } from '../image/model.ts';
import { pathsTo } from '../layer/clean-path.ts';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { removeTree } from '../lib/remove-tree.ts';
import { storeLayer } from '../pack/assemble.ts';
import type { Unkept } from '../rootfs/attributes.ts';
import type { Tree } from '../rootfs/tree.ts';
import type { Driver, Left } from '../sandbox/driver.ts';
import { removeStubs } from '../sandbox/mount-point.ts';
import type { Order, Room } from '../sandbox/room.ts';
import { runInRoom } from '../sandbox/start.ts';
import { overName, rootName } from '../store/roots.ts';
import type { Context } from '../transports/context.ts';
import { type Changes, changesOf, type Observed } from './changes.ts';
import { openCopy } from './copy-root.ts';
import { differencesFrom, snapshotOf } from './scan.ts';
import { spool } from './spool.ts';
import { ensureStack } from './stack.ts';

/** A command to run in the root that layers make. */
export interface RunLayerRequest {
  /** From the base up; in the store. Those that a build made are uncompressed. */
  readonly layers: readonly Layer[];
  /** What is in them, merged. */
  readonly tree: Tree;
  readonly driver: Driver;
  readonly room: Omit<Room, 'root' | 'over' | 'isOwnRoot'>;
  readonly order: Order;
  /** Seconds since the epoch; files that are newer get this time. */
  readonly created: number;
  readonly onOutput: (chunk: Buffer, stream: 'stdout' | 'stderr') => void;
}

export interface RunLayerResult {
  readonly code: number;
  /** Whether the room's limit of time ended it. */
  readonly isOutOfTime: boolean;
  /** What the command changed, an uncompressed layer in the store; undefined where it changed nothing, or failed. */
  readonly layer?: Layer | undefined;
}

/**
 * Runs a command in the root that layers make, and takes what it changed as one more layer. What the command leaves on the
 * disk is kept as part of that layer's root, so that the next command need not have it unpacked.
 * @throws OCISLIM_SANDBOX_FAILED where it could not be started or read, OCISLIM_INPUT_INVALID for what a layer cannot
 *   hold, what the store throws, and what the context's signal was aborted with
 */
export async function runLayer(request: RunLayerRequest, context: Context): Promise<RunLayerResult> {
  const { layers, tree, driver } = request;
  const { store, signal } = context;
  if (driver.files.method === 'copy') return runOnCopy(request, context);
  const tocs = await Promise.all(layers.map((layer) => store.tocs.get(layer, { signal })));
  const stack = await ensureStack(layers, tocs, driver.files, context);
  const { ids, entering } = driver.files;
  return run(request, context, stack, async ({ folder, stubs }, scratch) => {
    const spooled = await spool({ folder, entering, stubs }, join(scratch, 'changes.tar'), signal);
    const prefix = ids === 'root' ? 'trusted.overlay.' : 'user.overlay.';
    const observed = { ...spooled, ...seenBy(request), tree, unkept: stack.unkept, prefix } as const;
    const changes = changesOf(observed, spooled.open);
    const layer = await layerOf(changes, context);
    if (layer === undefined) return undefined;
    const all = [...layers, layer];
    await store.roots.keep(overName(all, driver.files), all, folder, {
      unkept: changes.unkept,
      count: changes.entries.length,
      size: layer.descriptor.size,
    });
    return layer;
  });
}

async function runOnCopy(request: RunLayerRequest, context: Context): Promise<RunLayerResult> {
  const { layers, tree, driver } = request;
  const { store, signal } = context;
  const { ids, entering } = driver.files;
  const place = await store.temporaryFile();
  const kept = removeOnInterrupt(place);
  try {
    const { root, unkept } = await openCopy(layers, place, context);
    const before = snapshotOf(root, join(place, 'marker'));
    const room = { root, isOwnRoot: true };
    return await run(request, context, room, async ({ stubs }, scratch) => {
      await removeStubs(root, stubs);
      const { changed: paths, gone, modes, ...sizes } = differencesFrom(before, root, ids === 'root');
      if (paths.length + gone.length === 0) return undefined;
      const spooled = await spool({ folder: root, entering, paths }, join(scratch, 'changes.tar'), signal);
      const observed = { ...spooled, ...seenBy(request), tree, unkept, gone, modes };
      const changes = changesOf(observed, spooled.open);
      const layer = await layerOf(changes, context);
      if (layer === undefined) return undefined;
      const all = [...layers, layer];
      const still = remaining(unkept, changes, gone);
      await store.roots.keep(rootName(all), all, root, { ...sizes, unkept: [...still, ...changes.unkept] });
      return layer;
    });
  } finally {
    await removeTree(place);
    kept.forget();
  }
}

/** What a copy still does not keep of lower layers. */
function remaining(
  unkept: readonly Unkept[],
  { entries }: Changes,
  gone: readonly string[],
): readonly Unkept[] {
  const [listed, removed] = [new Set(entries.map(({ path }) => path)), new Set(gone)];
  return unkept.filter(({ path }) => !listed.has(path) && !pathsTo(path).some((each) => removed.has(each)));
}

/** Where all files have one id, it stands for whoever the command ran as. */
function seenBy({ driver, order, created }: RunLayerRequest): Pick<Observed, 'owner' | 'created'> {
  return { created, owner: driver.files.ids === 'one' ? order.identity : undefined };
}

type Take = (left: Left, scratch: string) => Promise<Layer | undefined>;

/** @param take makes a layer of what is left, with a folder to work in; not called after a failure */
async function run(
  { driver, room, order, onOutput }: RunLayerRequest,
  { store, signal }: Context,
  root: Pick<Room, 'root' | 'over' | 'isOwnRoot'>,
  take: Take,
): Promise<RunLayerResult> {
  const folder = await store.temporaryFile();
  let layer: Layer | undefined;
  const { root: path, over, isOwnRoot } = root;
  const { code, isOutOfTime } = await runInRoom(driver, { ...room, root: path, over, isOwnRoot }, order, {
    folder,
    signal,
    onOutput,
    whenEnded: async (exit, left) => {
      if (exit.code === 0) layer = await take(left, folder);
    },
  });
  return { code, isOutOfTime, layer };
}

async function layerOf({ entries }: Changes, context: Context): Promise<Layer | undefined> {
  return entries.length === 0 ? undefined : storeLayer(entries, { kind: 'none' }, context);
}
