import type { Digest } from '#oci-spec-types';
import type { Range } from '../dockerfile/ast.ts';
import type { Layer } from '../image/model.ts';
import type { ProgressStep } from '../lib/progress.ts';
import { unpackedInStore } from '../pack/layers.ts';
import type { Tree } from '../rootfs/tree.ts';
import { chainIdOf } from '../store/roots.ts';
import { COMMENT } from './configure.ts';
import type { BuildEnvironment } from './environment.ts';
import { heightOfBase } from './stack.ts';
import type { StageTree } from './stage-tree.ts';
import type { StageState } from './state.ts';
import { ensureStep, isKnown, type StepResult, stepKey } from './step-cache.ts';

/** Where an instruction stands that may make a layer. */
export interface Step {
  readonly env: BuildEnvironment;
  /** Number of its stage. */
  readonly at: number;
  readonly tree: StageTree;
  /** As progress shows it. */
  readonly title: string;
  readonly range: Range;
  /** Whether commands run in its stage. */
  readonly hasCommands: boolean;
}

/** What the files are that a step begins with. */
export function chainOf({ layers }: Pick<StageState, 'layers'>): Digest {
  return chainIdOf(layers.map(({ diffId }) => diffId));
}

export interface MakeLayer {
  readonly kind: string;
  /** All that the result depends on, beside the files it begins with. */
  readonly parts: unknown;
  readonly createdBy: string;
  /** What else the result depends on, found out only where it is not there without that. */
  variant?(): Promise<string | undefined>;
  make(progress: ProgressStep): Promise<StepResult>;
}

/** Does a step, unless its result is there, and puts what it made onto the stage. */
export async function addLayer(
  state: StageState,
  { env, at, title }: Step,
  { kind, parts, createdBy, variant, make }: MakeLayer,
): Promise<StageState> {
  const { request, context } = env;
  const { store, signal } = context;
  const keyOf = (...more: readonly string[]) =>
    stepKey(kind, [chainOf(state), request.created, parts, ...more]);
  const progress = context.progress.step(title);
  try {
    const options = { useCache: request.cache && !env.anew.has(at), imported: env.imported, signal };
    const key = (await isKnown(keyOf(), store, options)) ? keyOf() : keyOf(...list(await variant?.()));
    const { layer, isCached } = await ensureStep(key, store, options, () => make(progress));
    env.results.set(key, { layer });
    progress.done(isCached ? 'cached' : 'done');
    return withLayer(state, layer, createdBy);
  } catch (error) {
    // What another stage failed with is told there.
    const isStopped = signal.aborted && error === signal.reason;
    progress.fail(isStopped ? 'stopped' : error instanceof Error ? error.message : String(error));
    throw error;
  }
}

function list(text: string | undefined): readonly string[] {
  return text === undefined ? [] : [text];
}

function withLayer(state: StageState, layer: Layer | undefined, createdBy: string): StageState {
  const entry = { created_by: createdBy, comment: COMMENT };
  if (layer === undefined) return { ...state, history: [...state.history, { ...entry, empty_layer: true }] };
  return { ...state, layers: [...state.layers, layer], history: [...state.history, entry] };
}

/**
 * The files that a step begins with which is to be made. Where its stage runs commands, for which the base has to be
 * unpacked anyway, that is done first: it tells what is in the base's layers as well, so that they are read but once.
 */
export function treeOf({ layers }: StageState, { env, tree, hasCommands }: Step): Promise<Tree> {
  const base = layers.slice(0, heightOfBase(layers));
  return tree.of(layers, hasCommands && base.length > 0 ? () => unpackBase(base, env) : undefined);
}

async function unpackBase(base: readonly Layer[], { context, driver }: BuildEnvironment): Promise<void> {
  // Where there is no sandbox, the command says so.
  const files = await driver().then(
    (chosen) => chosen.files,
    () => undefined,
  );
  if (files === undefined) return;
  const ownership = files.method === 'copy' ? undefined : files;
  await unpackedInStore(base, context, { ownership, withTocs: true });
}
