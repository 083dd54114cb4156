import { type Digest, isDigest, layerMediaType, sha256 } from '#oci-spec-types';
import type { Layer } from '../image/model.ts';
import type { Store } from '../store/store.ts';

/** What a step of a build came to: a layer, or no change. */
export interface StepResult {
  readonly layer?: Layer | undefined;
}

/** Results of steps by their keys. */
export type Steps = ReadonlyMap<Digest, StepResult>;

/** Changes when the same step would come to something else. */
const FORM = 1;

/** What a step depends on, as a key: the same key stands for the same result. */
export function stepKey(kind: string, parts: unknown): Digest {
  return sha256(JSON.stringify([FORM, kind, parts]));
}

/** A step's result, where it was made before and is still there. */
async function cachedStep(key: Digest, store: Store): Promise<StepResult | undefined> {
  const note = await store.steps.get(key);
  if (note === undefined) return undefined;
  const { diffId, size } = JSON.parse(note.toString()) as { diffId?: unknown; size?: unknown };
  if (diffId === undefined) return {};
  if (typeof diffId !== 'string' || !isDigest(diffId) || typeof size !== 'number') return undefined;
  await store.pins.pin(diffId);
  return store.has(diffId) ? { layer: uncompressedLayer(diffId, size, store) } : undefined;
}

async function rememberStep(key: Digest, { layer }: StepResult, store: Store): Promise<void> {
  const note = layer === undefined ? {} : { diffId: layer.diffId, size: layer.descriptor.size };
  await store.steps.set(key, Buffer.from(JSON.stringify(note)));
}

/** A layer of the store that is not compressed: its digest is its diffID. */
function uncompressedLayer(diffId: Digest, size: number, store: Store): Layer {
  const descriptor = { mediaType: layerMediaType('none'), digest: diffId, size };
  return { descriptor, diffId, open: (options) => store.open(descriptor, options) };
}

export interface CachedStepOptions {
  /** Whether what is there may be used. */
  readonly useCache: boolean;
  /** What other machines have made. */
  readonly imported: Steps;
  readonly signal: AbortSignal;
}

/** Whether a step's result is there and may be used. */
export async function isKnown(
  key: Digest,
  store: Store,
  { useCache, imported }: Omit<CachedStepOptions, 'signal'>,
): Promise<boolean> {
  return useCache && ((await cachedStep(key, store)) !== undefined || imported.has(key));
}

/**
 * A step's result, made where it is not there yet; by one of several builds that ask.
 * @returns also whether it was there
 */
export async function ensureStep(
  key: Digest,
  store: Store,
  { useCache, imported, signal }: CachedStepOptions,
  make: () => Promise<StepResult>,
): Promise<StepResult & { readonly isCached: boolean }> {
  const known = useCache ? ((await cachedStep(key, store)) ?? imported.get(key)) : undefined;
  if (known !== undefined) return { ...known, isCached: true };
  const lock = await store.locks.acquire(`step-${key.slice(-24)}`, { signal });
  try {
    const made = useCache ? await cachedStep(key, store) : undefined;
    if (made !== undefined) return { ...made, isCached: true };
    const result = await make();
    await rememberStep(key, result, store);
    return { ...result, isCached: false };
  } finally {
    await lock?.release();
  }
}
