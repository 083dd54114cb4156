import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  Annotation,
  type Annotations,
  type Descriptor,
  decodeIndex,
  decodeManifest,
  isIndexType,
  isManifestType,
} from '#oci-spec-types';
import { imagesOf } from '../image/images-of.ts';
import type { BlobSource } from '../image/load.ts';
import type { Artifact } from '../image/model.ts';
import { readVerified } from '../lib/verify.ts';
import type { Reference } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import { openSource, unaliased } from '../transports/index.ts';
import { type Location, parseLocation } from '../transports/location.ts';
import { openManifest } from '../transports/registry.ts';
import { findInStore } from '../transports/store.ts';

/** What an image says of its base (image-spec annotations.md `base.name`, `base.digest`). */
export interface RecordedBase {
  readonly name: string;
  readonly digest?: string | undefined;
}

/**
 * The bases that an image records, or the members of an index where it records none itself. Of an image of a registry
 * only manifests are read.
 * @param where a name in the store or of a registry, a layout's folder, an archive, or any other source
 */
export async function recordedBases(where: string, context: Context): Promise<readonly RecordedBase[]> {
  const location = await locationOf(where, context.cwd);
  if (location.transport === 'any') {
    const kept = await findInStore(location.reference, context);
    return kept === undefined
      ? ofRegistry(await unaliased(location, context), context)
      : ofArtifact(kept, context);
  }
  if (location.transport === 'docker') return ofRegistry(await unaliased(location, context), context);
  return ofArtifact((await openSource(location, context)).artifact, context);
}

/** A path is a layout or an archive; a folder that is no layout is taken for the name of an image. */
async function locationOf(where: string, cwd: string): Promise<Location> {
  if (await isFile(resolve(cwd, where))) return { transport: 'oci-archive', path: where };
  if (await isFile(resolve(cwd, where, 'oci-layout'))) return { transport: 'oci', path: where };
  return parseLocation(where, { default: 'any' });
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function ofArtifact(artifact: Artifact, { signal }: Context): Promise<readonly RecordedBase[]> {
  const own = basesIn(artifact.kind === 'index' ? artifact.index.annotations : artifact.manifest.annotations);
  if (own.length > 0 || artifact.kind !== 'index') return own;
  const images = await imagesOf(artifact, { signal });
  return images.flatMap(({ manifest }) => basesIn(manifest.annotations));
}

async function ofRegistry(reference: Reference, context: Context): Promise<readonly RecordedBase[]> {
  const { descriptor, source } = await openManifest(reference, context);
  return ofDocument(descriptor, source, context, 'with members');
}

async function ofDocument(
  descriptor: Descriptor,
  source: BlobSource,
  context: Context,
  depth: 'with members' | 'alone',
): Promise<readonly RecordedBase[]> {
  const { mediaType, digest, platform } = descriptor;
  const what = `${source.name}: ${digest}`;
  const isAttestation = platform?.os === 'unknown';
  if (isAttestation || !(isIndexType(mediaType) || isManifestType(mediaType))) return [];
  const raw = await readVerified(await source.open(descriptor, { signal: context.signal }), descriptor);
  if (!isIndexType(mediaType)) return basesIn(decodeManifest(raw, what).annotations);
  const { annotations, manifests } = decodeIndex(raw, what);
  const own = basesIn(annotations);
  if (own.length > 0 || depth === 'alone') return own;
  const bases: RecordedBase[] = [];
  for (const member of manifests) bases.push(...(await ofDocument(member, source, context, 'alone')));
  return bases;
}

function basesIn(annotations: Annotations = {}): readonly RecordedBase[] {
  const name = annotations[Annotation.BaseName];
  return name === undefined ? [] : [{ name, digest: annotations[Annotation.BaseDigest] }];
}
