import { loadArtifact } from '../image/load.ts';
import type { Artifact } from '../image/model.ts';
import { writeArtifact } from '../image/write.ts';
import { OcislimError } from '../lib/errors.ts';
import { familiarReference, formatReference, type Reference } from '../registry/reference.ts';
import type { Context } from './context.ts';

/** Takes an artifact into the store whole, then gives it its names. */
export async function keepInStore(
  artifact: Artifact,
  names: readonly string[],
  context: Context,
): Promise<void> {
  const { store, signal, progress } = context;
  await writeArtifact(
    artifact,
    {
      blob: async (blob, open) => {
        await store.ensure(blob, { ...open, progress });
      },
      manifest: ({ raw, descriptor }) => store.putBytes(raw, descriptor.digest),
    },
    { signal },
  );
  for (const name of names) await store.names.set(name, artifact.descriptor);
}

/** The image of that name in the store; undefined where there is none. */
export async function findInStore(
  reference: Reference,
  { store, signal }: Context,
): Promise<Artifact | undefined> {
  const descriptor = await store.names.get(formatReference(reference));
  if (descriptor !== undefined) await store.pins.pin(descriptor.digest);
  return descriptor && loadArtifact(store, descriptor, { signal });
}

/** @throws OCISLIM_NOT_FOUND */
export async function openFromStore(reference: Reference, context: Context): Promise<Artifact> {
  const artifact = await findInStore(reference, context);
  if (artifact !== undefined) return artifact;
  throw new OcislimError(
    'OCISLIM_NOT_FOUND',
    `the store has no image called ${familiarReference(reference)}`,
    {
      hint: '`ocislim images` lists what it has; `ocislim pull` fetches one',
    },
  );
}
