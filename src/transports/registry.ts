import { isNondistributable, shortDigest } from '#oci-spec-types';
import { loadArtifact } from '../image/load.ts';
import type { Artifact, Blob } from '../image/model.ts';
import { writeArtifact } from '../image/write.ts';
import { OcislimError } from '../lib/errors.ts';
import { familiarReference, formatReference, type Reference, repositoryName } from '../registry/reference.ts';
import type { Target } from '../registry/registry.ts';
import type { Context } from './context.ts';

/**
 * Opens what a reference means now, and remembers it for `--offline`.
 * @throws what the registry's client throws; OCISLIM_NOT_FOUND offline for what was never asked for online
 */
export async function openFromRegistry(reference: Reference, context: Context): Promise<Artifact> {
  const { store, signal, offline } = context;
  const name = formatReference(reference);
  if (offline) {
    const known = await store.resolved.get(name);
    if (known !== undefined) return loadArtifact(store, known, { signal });
    throw new OcislimError(
      'OCISLIM_NOT_FOUND',
      `${familiarReference(reference)} was never pulled to this store`,
      {
        hint: 'run once without --offline',
      },
    );
  }
  const registry = await context.registry();
  const { descriptor, source } = await registry.resolve(reference, { signal });
  const artifact = await loadArtifact(source, descriptor, { signal });
  await store.putBytes(artifact.raw, descriptor.digest);
  await store.resolved.set(name, descriptor);
  return artifact;
}

/**
 * Pushes an artifact under several names of one repository: blobs the registry lacks, then manifests, then tags.
 * Layers that may not be distributed stay where their `urls` say (image-spec layer.md).
 */
export async function pushToRegistry(
  artifact: Artifact,
  references: readonly Reference[],
  context: Context,
): Promise<void> {
  const [first] = references;
  if (first === undefined) throw new OcislimError('OCISLIM_INTERNAL', 'push: no name');
  if (context.offline) {
    throw new OcislimError('OCISLIM_USAGE', `push to ${first.registry}: not with --offline`);
  }
  const { signal } = context;
  const target = await (await context.registry()).target(first, { signal });
  const { mediaType, digest } = artifact.descriptor;
  if (await target.hasManifest(digest, { signal })) {
    context.progress.note(`${repositoryName(first)} has ${shortDigest(digest)} already`);
  } else {
    await writeArtifact(
      artifact,
      {
        blob: (blob) => pushBlob(blob, target, context),
        manifest: ({ raw, descriptor }) =>
          target.pushManifest(raw, descriptor.mediaType, descriptor.digest, { signal }),
      },
      { signal },
    );
  }
  for (const { tag } of references)
    if (tag !== undefined) await target.pushManifest(artifact.raw, mediaType, tag, { signal });
}

async function pushBlob(blob: Blob, target: Target, { progress, signal }: Context): Promise<void> {
  const { mediaType, digest, size } = blob.descriptor;
  if (isNondistributable(mediaType)) return;
  const task = progress.task(shortDigest(digest), size);
  try {
    task.done(await target.pushBlob(blob, { signal, onBytes: (count) => task.advance(count) }));
  } catch (error) {
    task.fail();
    throw error;
  }
}
