import { resolve } from 'node:path';
import {
  type Descriptor,
  type Digest,
  DOCUMENT_LIMIT,
  decodeManifest,
  isManifestType,
} from '#oci-spec-types';
import { loadArtifact } from '../image/load.ts';
import type { Opaque } from '../image/model.ts';
import { type ReferrerParts, referrerOf } from '../image/referrer.ts';
import { OcislimError } from '../lib/errors.ts';
import { readVerified } from '../lib/verify.ts';
import type { Reference } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import { unaliased } from '../transports/index.ts';
import type { Location } from '../transports/location.ts';
import { OciLayout, writeLayout } from '../transports/oci-layout.ts';
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
      throw unsuited(target);
  }
}

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
  const { signal, cwd } = context;
  switch (target.transport) {
    case 'docker':
    case 'any': {
      const reference = repositoryOf(await unaliased(target, context));
      const registry = await context.registry();
      const found: Opaque[] = [];
      for (const { digest, artifactType: type } of await registry.referrers(reference, subject, { signal })) {
        if (artifactType !== undefined && type !== undefined && type !== artifactType) continue;
        const { descriptor, source } = await registry.resolve({ ...reference, digest }, { signal });
        const artifact = await loadArtifact(source, descriptor, { signal });
        if (isAbout(artifact, subject, artifactType)) found.push(artifact);
      }
      return found;
    }
    case 'oci': {
      const layout = new OciLayout(resolve(cwd, target.path), target.path);
      const { manifests } = await layout.index();
      const found: Opaque[] = [];
      for (const descriptor of manifests) {
        if (!isManifestType(descriptor.mediaType) || descriptor.size > DOCUMENT_LIMIT) continue;
        const raw = await readVerified(await layout.open(descriptor, { signal }), descriptor);
        // Not every manifest need be whole for this one to be found.
        if (decodeManifest(raw, layout.name).subject?.digest !== subject) continue;
        const artifact = await loadArtifact(layout, descriptor, { signal });
        if (isAbout(artifact, subject, artifactType)) found.push(artifact);
      }
      return found;
    }
    default:
      throw unsuited(target);
  }
}

/** A list from outside may name anything; what counts is what a manifest says itself. */
function isAbout(
  artifact: { readonly kind: string },
  subject: Digest,
  artifactType: string | undefined,
): artifact is Opaque {
  if (artifact.kind !== 'opaque') return false;
  const { manifest } = artifact as Opaque;
  const type = manifest.artifactType ?? manifest.config.mediaType;
  return manifest.subject?.digest === subject && (artifactType === undefined || type === artifactType);
}

/** What refers to an image has no tag of its own. */
function repositoryOf({ registry, repository }: Reference): Reference {
  return { registry, repository };
}

function unsuited({ transport }: Location): OcislimError {
  return new OcislimError('OCISLIM_USAGE', `${transport}: has no place for documents about its images`, {
    hint: 'a registry has one, and a layout: oci:DIR',
  });
}
