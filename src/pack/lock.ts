import pMap from 'p-map';
import type { Digest } from '#oci-spec-types';
import { type Lock, readLock, writeLock } from '../config/lock-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { formatReference, parseReference } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import { mutableReference } from '../transports/pinned.ts';
import { openManifest } from '../transports/registry.ts';

/** Registries' answers that are waited for at once. */
const CONCURRENCY = 4;

export interface LockRequest {
  readonly file: string;
  /** What to pin; none: all that the project uses. */
  readonly references: readonly string[];
  /** The images that the project's settings name. */
  readonly used: readonly string[];
  /** Whether what is pinned already is asked for anew; without references, all that is pinned. */
  readonly update: boolean;
}

export interface LockedImage {
  /** Fully qualified. */
  readonly name: string;
  readonly digest: Digest;
  /** `kept`: it was pinned, and stays as it was. */
  readonly status: 'pinned' | 'updated' | 'kept';
  /** What it was pinned to before, where that has changed. */
  readonly previous?: Digest | undefined;
}

/**
 * Pins names of images to what their registries say now. The file is written once every registry has answered, and
 * only where something has changed.
 * @throws OCISLIM_USAGE where there is nothing that could be pinned, OCISLIM_CONFIG_INVALID for a damaged lock, what registries throw
 */
export async function lock(request: LockRequest, context: Context): Promise<readonly LockedImage[]> {
  const { file, update } = request;
  const known = await readLock(file);
  const names = await namesToPin(request, known, context);
  const images = await pMap(
    names,
    async (name): Promise<LockedImage> => {
      const previous = known.get(name);
      if (previous !== undefined && !update) return { name, digest: previous, status: 'kept' };
      const { digest } = (await openManifest(parseReference(name), context)).descriptor;
      if (previous === digest) return { name, digest, status: 'kept' };
      return previous === undefined
        ? { name, digest, status: 'pinned' }
        : { name, digest, status: 'updated', previous };
    },
    { concurrency: CONCURRENCY, signal: context.signal },
  );
  const changed = images.filter(({ status }) => status !== 'kept');
  if (changed.length > 0)
    await writeLock(file, new Map([...known, ...changed.map(({ name, digest }) => [name, digest] as const)]));
  return images;
}

async function namesToPin(
  { references, used, update }: LockRequest,
  known: Lock,
  context: Context,
): Promise<readonly string[]> {
  const names = new Set(references.length === 0 && update ? known.keys() : []);
  for (const name of references.length > 0 ? references : used) {
    const reference = await mutableReference(name, context);
    if (reference !== undefined) names.add(formatReference(reference));
    else if (references.length > 0)
      throw new OcislimError('OCISLIM_USAGE', `lock ${name}: means one image already`, {
        hint: 'what can be pinned is an image of a registry without a digest',
      });
  }
  return [...names].sort();
}
