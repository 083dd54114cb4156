import type { Platform } from '#oci-spec-types';
import type { Image } from '../image/model.ts';
import { baseHistory } from '../image/mutate.ts';
import { imageFor } from '../image/select.ts';
import { within } from '../lib/errors.ts';
import { isoTime } from '../lib/time.ts';
import type { Context } from '../transports/context.ts';
import { parseLocation } from '../transports/location.ts';
import { openPinned } from '../transports/pinned.ts';
import type { BaseName } from './environment.ts';
import { beginWith, SCRATCH, type StageState } from './state.ts';

/** An image that a Dockerfile names, for one platform. None of its layers is fetched yet. */
export interface NamedImage {
  readonly state: StageState;
  readonly base: BaseName;
  /** Triggers that it has for who builds on it (ONBUILD). */
  readonly triggers: readonly string[];
}

/**
 * Opens what FROM, `COPY --from` or `RUN --mount=from` names: an image of the store that has a name there, as with Docker, else of a
 * registry. @throws what the transport throws
 */
export async function openImage(
  name: string,
  platform: Platform,
  created: number,
  context: Context,
): Promise<NamedImage> {
  if (name === 'scratch') return { state: SCRATCH, base: { name }, triggers: [] };
  return within(name, () => openNamed(name, platform, created, context));
}

async function openNamed(
  name: string,
  platform: Platform,
  created: number,
  context: Context,
): Promise<NamedImage> {
  const { artifact, reference } = await openPinned(name, { default: 'any' }, context);
  const image = await imageFor(artifact, platform, { signal: context.signal });
  await keepDocuments(image, context);
  return {
    state: beginWith(image, baseHistory(image, isoTime(created))),
    base: {
      name,
      reference: parseLocation(name).transport === 'docker' ? reference : undefined,
      digest: artifact.descriptor.digest,
    },
    triggers: image.config.config?.OnBuild ?? [],
  };
}

/** With its documents in the store, `--offline` finds the image there. */
async function keepDocuments(image: Image, { store }: Context): Promise<void> {
  await store.putBytes(image.raw, image.descriptor.digest);
  await store.putBytes(image.rawConfig, image.manifest.config.digest);
}
