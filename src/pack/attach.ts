import { resolve } from 'node:path';
import { type Descriptor, type Digest, DOCUMENT_LIMIT, isManifestType } from '#oci-spec-types';
import type { Artifact, Opaque } from '../image/model.ts';
import { type ReferrerParts, referrerOf } from '../image/referrer.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Reference } from '../registry/reference.ts';
import { companionSource, noCompanions } from '../transports/companions.ts';
import type { Context } from '../transports/context.ts';
import { unaliased } from '../transports/index.ts';
import type { Location } from '../transports/location.ts';
import { writeLayout } from '../transports/oci-layout.ts';
import { pushToRegistry } from '../transports/registry.ts';

/**
 * Puts a document beside the image that it is about: in the registry, where referrers list it (or the fallback tag of
 * distribution-spec § Referrers Tag Schema), or in a layout, where index.json does.
 * @returns the descriptor of the manifest that carries the document
 * @throws OCISLIM_USAGE for a place that keeps no documents beside its images; what the transport throws
 */
export async function attachReferrer(
  context: Context,
  target: Location,
  parts: ReferrerParts,
): Promise<Descriptor> {
  const referrer = referrerOf(parts);
  await attachAll(context, target, [referrer]);
  return referrer.descriptor;
}

/** The same for manifests that are made already. */
export async function attachAll(
  context: Context,
  target: Location,
  referrers: readonly Opaque[],
): Promise<void> {
  const { signal, cwd } = context;
  switch (target.transport) {
    case 'docker':
    case 'any': {
      const repository = repositoryOf(await unaliased(target, context));
      for (const referrer of referrers) await pushToRegistry(referrer, [repository], context);
      return;
    }
    case 'oci':
      for (const artifact of referrers)
        await writeLayout(resolve(cwd, target.path), { artifact, names: [] }, target.path, { signal });
      return;
    default:
      throw noCompanions(target);
  }
}

/** More than anybody attaches to one image; each is read. */
const REFERRERS_LIMIT = 1000;

/**
 * The documents that are kept beside an image, of one type or of all.
 * @throws OCISLIM_USAGE for a place that keeps none; what the transport throws
 */
export async function findReferrers(
  context: Context,
  target: Location,
  subject: Digest,
  artifactType?: string,
): Promise<readonly Opaque[]> {
  const { signal } = context;
  const source = await companionSource(target, context);
  const listed = (await source.list(subject, { signal })).filter(
    (each) => artifactType === undefined || [undefined, artifactType].includes(each.artifactType),
  );
  if (listed.length > REFERRERS_LIMIT)
    throw new OcislimError(
      'OCISLIM_DOCUMENT_INVALID',
      `${source.name}: more than ${REFERRERS_LIMIT} documents about ${subject}`,
    );
  const found: Opaque[] = [];
  for (const descriptor of listed) {
    if (!isManifestType(descriptor.mediaType) || descriptor.size > DOCUMENT_LIMIT) continue;
    const artifact = await source.load(descriptor, { signal });
    if (artifact !== undefined && isAbout(artifact, subject, artifactType)) found.push(artifact);
  }
  return found;
}

/** A list from outside may name anything; what counts is what a manifest says itself. */
function isAbout(artifact: Artifact, subject: Digest, artifactType: string | undefined): artifact is Opaque {
  if (artifact.kind !== 'opaque') return false;
  const { manifest } = artifact;
  const type = manifest.artifactType ?? manifest.config.mediaType;
  return manifest.subject?.digest === subject && (artifactType === undefined || type === artifactType);
}

/** What refers to an image has no tag of its own. */
function repositoryOf({ registry, repository }: Reference): Reference {
  return { registry, repository };
}
