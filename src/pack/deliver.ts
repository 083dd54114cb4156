import { hostPlatform } from '#oci-spec-types';
import type { Artifact, Index, Opaque } from '../image/model.ts';
import { imageFor } from '../image/select.ts';
import { OcislimError } from '../lib/errors.ts';
import { formatReference, type Reference } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import { writeOutput } from '../transports/index.ts';
import { type Location, parseLocation } from '../transports/location.ts';
import { keepBesideInStore, keepInStore } from '../transports/store.ts';
import { attachAll } from './attach.ts';

export interface Delivery {
  readonly type: string;
  readonly dest: string;
}

/** Where a result goes, decided before any work starts so that a mistake is found at once. */
export interface DeliveryPlan {
  readonly locations: readonly Location[];
  readonly push: Push;
  readonly load: boolean;
}

/** Whether the registry gets it, and then with its tags, or under its digest alone. */
export type Push = boolean | 'by-digest';

export function planDelivery(outputs: readonly string[], push: Push, load: boolean): DeliveryPlan {
  return { locations: outputs.map((output) => parseLocation(output, { as: 'output' })), push, load };
}

/** An artifact that is ready, and where it belongs. */
export interface Finished {
  readonly artifact: Artifact;
  /** What it is called where it goes. */
  readonly references: readonly Reference[];
  /** Whether the store knows it by these names too. */
  readonly isNamed?: boolean | undefined;
  readonly created: number;
  /** Documents about it. */
  readonly referrers?: readonly Opaque[] | undefined;
}

/**
 * Keeps an artifact in the store while it is written everywhere it was asked for. The store has it also where that fails,
 * so that it need not be made again.
 */
export async function keepAndDeliver(
  { artifact, references, isNamed = true, created, referrers }: Finished,
  plan: DeliveryPlan,
  context: Context,
): Promise<Delivery[]> {
  const names = isNamed ? references.map(formatReference) : [];
  const [kept, delivered] = await Promise.allSettled([
    keepInStore(artifact, names, context),
    deliver(artifact, references, plan, created, context, referrers),
  ]);
  if (kept.status === 'rejected') throw kept.reason;
  if (delivered.status === 'rejected') throw delivered.reason;
  return delivered.value;
}

/** Writes a finished artifact everywhere it was asked for. */
async function deliver(
  artifact: Artifact,
  references: readonly Reference[],
  plan: DeliveryPlan,
  created: number,
  context: Context,
  /** Documents about it. */
  referrers: readonly Opaque[] = [],
): Promise<Delivery[]> {
  const done: Delivery[] = [];
  if (referrers.length > 0) await keepBesideInStore({ referrers, tagged: [] }, context);
  for (const location of plan.locations) {
    const suited = await suitFor(location, artifact, context);
    const companions = { referrers, tagged: [] };
    done.push(await writeOutput(location, { artifact: suited, references, created, companions }, context));
  }
  if (plan.push) {
    const { digest } = artifact.descriptor;
    const named =
      plan.push === 'by-digest' ? withoutTags(references).map((each) => ({ ...each, digest })) : references;
    for (const [repository, names] of byRepository(named)) {
      const location: Location = { transport: 'docker', reference: names[0] as Reference };
      await writeOutput(location, { artifact, references: names, created }, context);
      await attachAll(context, location, referrers);
      done.push(...names.map((name) => ({ type: 'registry', dest: formatReference(name) })));
      context.progress.note(`pushed ${repository}`);
    }
  }
  if (plan.load) {
    const { detectEngine } = await import('../transports/engine.ts');
    const engine = await detectEngine(context);
    const location: Location = { transport: engine };
    const suited = await suitFor(location, artifact, context);
    done.push(await writeOutput(location, { artifact: suited, references, created }, context));
  }
  const hasPlace = plan.push || plan.locations.some(({ transport }) => transport.startsWith('oci'));
  if (referrers.length > 0 && !hasPlace) {
    context.progress.warn(
      'archives for docker load and engines keep no documents beside an image: write them with --sbom-dir and --provenance-file',
    );
  }
  return done;
}

/** Archives for engines hold one platform: of an index they get the one this machine runs. */
export async function suitFor(location: Location, artifact: Artifact, context: Context): Promise<Artifact> {
  const single = ['docker-archive', 'docker-daemon', 'podman'].includes(location.transport);
  if (!single || artifact.kind !== 'index') return artifact;
  return oneOf(artifact, context);
}

async function oneOf(index: Index, context: Context): Promise<Artifact> {
  const wanted = hostPlatform();
  const image = await imageFor(index, wanted, { signal: context.signal });
  context.progress.note(`an archive for docker load holds one platform: ${wanted.os}/${wanted.architecture}`);
  return image;
}

/** Each repository once. */
export function withoutTags(references: readonly Reference[]): readonly Reference[] {
  return [...byRepository(references).values()].flatMap(([first]) =>
    first === undefined ? [] : [{ registry: first.registry, repository: first.repository }],
  );
}

function byRepository(references: readonly Reference[]): Map<string, Reference[]> {
  const groups = new Map<string, Reference[]>();
  for (const reference of references) {
    const key = `${reference.registry}/${reference.repository}`;
    groups.set(key, [...(groups.get(key) ?? []), reference]);
  }
  return groups;
}

/** @throws OCISLIM_USAGE when a push has no name to push to. */
export function requireTagsToPush(tags: readonly string[], push: Push): void {
  if (push && tags.length === 0) {
    throw new OcislimError('OCISLIM_USAGE', '--push needs to know where: no -t given', {
      hint: 'for example -t ghcr.io/me/hello:1',
    });
  }
}
