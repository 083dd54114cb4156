import { loadArtifact } from '../image/load.ts';
import type { Artifact } from '../image/model.ts';
import { type Companions, listedAs, NO_COMPANIONS, subjectOf } from '../image/referrer.ts';
import { writeArtifacts } from '../image/write.ts';
import { OcislimError } from '../lib/errors.ts';
import { familiarReference, formatReference, type Reference } from '../registry/reference.ts';
import type { Context } from './context.ts';

/** Takes an artifact into the store whole, with what is kept beside it, then gives it its names. */
export async function keepInStore(
  artifact: Artifact,
  names: readonly string[],
  context: Context,
  companions: Companions = NO_COMPANIONS,
): Promise<void> {
  const { store } = context;
  await takeIn([artifact, ...documentsBeside(companions)], context);
  await noteBeside(companions, context);
  for (const name of names) await store.names.set(name, artifact.descriptor);
}

/** Takes documents in that are about images of the store. */
export async function keepBesideInStore(companions: Companions, context: Context): Promise<void> {
  await takeIn(documentsBeside(companions), context);
  await noteBeside(companions, context);
}

function documentsBeside({ referrers, tagged }: Companions): readonly Artifact[] {
  return [...referrers, ...tagged.map((each) => each.artifact)];
}

async function noteBeside({ referrers, tagged }: Companions, { store }: Context): Promise<void> {
  const subjects = new Set([...referrers.map(subjectOf), ...tagged.map((each) => each.subject)]);
  for (const subject of subjects) {
    if (subject === undefined) continue;
    await store.beside.add(subject, {
      referrers: referrers.filter((each) => subjectOf(each) === subject).map(listedAs),
      tagged: tagged
        .filter((each) => each.subject === subject)
        .map(({ tag, artifact }) => ({ tag, descriptor: artifact.descriptor })),
    });
  }
}

async function takeIn(artifacts: readonly Artifact[], context: Context): Promise<void> {
  const { store, signal, progress } = context;
  await writeArtifacts(
    artifacts,
    {
      blob: async (blob, open) => {
        await store.ensure(blob, { ...open, progress });
      },
      manifest: ({ raw, descriptor }) => store.putBytes(raw, descriptor.digest),
    },
    { signal },
  );
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
