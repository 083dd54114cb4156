import { resolve } from 'node:path';
import { loadArtifact } from '../image/load.ts';
import type { Artifact } from '../image/model.ts';
import type { Companions } from '../image/referrer.ts';
import { compressionOf } from '../layer/compression.ts';
import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import { familiarReference, formatReference, type Reference } from '../registry/reference.ts';
import type { Context } from './context.ts';
import { dockerManifest } from './docker-archive.ts';
import type { Location } from './location.ts';
import { chooseNamed, layoutNames, nameOf } from './names.ts';
import { OciLayout, writeLayout } from './oci-layout.ts';
import { openFromRegistry, pushToRegistry } from './registry.ts';
import { findInStore, keepInStore, openFromStore } from './store.ts';

export interface Source {
  readonly artifact: Artifact;
  /** The image's full name there, where it has one. */
  readonly reference?: string | undefined;
}

/** Opens the image at a place; layers stay unread. @throws what the transport throws */
export async function openSource(location: Location, context: Context): Promise<Source> {
  const { cwd, signal } = context;
  switch (location.transport) {
    case 'docker': {
      const reference = await unaliased(location, context);
      return named(reference, await openFromRegistry(reference, context));
    }
    case 'store':
      return named(location.reference, await openFromStore(location.reference, context));
    case 'any': {
      const kept = await findInStore(location.reference, context);
      if (kept !== undefined) return named(location.reference, kept);
      return openSource({ ...location, transport: 'docker' }, context);
    }
    case 'oci': {
      const layout = new OciLayout(resolve(cwd, location.path), location.path);
      const { manifests } = await layout.index();
      const descriptor = chooseNamed(manifests, location.name, layout.name);
      return { artifact: await loadArtifact(layout, descriptor, { signal }), reference: nameOf(descriptor) };
    }
    case 'oci-archive': {
      const { Archive, readImageArchive } = await archives();
      const archive = await Archive.open(location.path, `oci-archive:${location.path}`, context);
      return readImageArchive(archive, location.name, signal);
    }
    case 'docker-archive': {
      const { Archive, readImageArchive } = await archives();
      const archive = await Archive.open(location.path, `docker-archive:${location.path}`, context);
      return readImageArchive(archive, location.reference && formatReference(location.reference), signal);
    }
    case 'docker-daemon':
    case 'podman': {
      const { reference, transport } = location;
      if (reference === undefined) throw new OcislimError('OCISLIM_USAGE', `${transport}: which image?`);
      const { readFromEngine } = await import('./engine.ts');
      return named(reference, await readFromEngine(transport, reference, context));
    }
  }
}

/** What reads archives is loaded for them alone. */
async function archives() {
  return { ...(await import('./archive.ts')), ...(await import('./read-archive.ts')) };
}

/** What a short name stands for in this machine's registries.conf. */
export async function unaliased(
  { reference, short }: { readonly reference: Reference; readonly short?: string | undefined },
  context: Context,
): Promise<Reference> {
  return short === undefined ? reference : (await context.registry()).parse(short);
}

function named(reference: Reference, artifact: Artifact): Source {
  return { artifact, reference: formatReference(reference) };
}

export interface Output {
  readonly artifact: Artifact;
  /** Names the image gets there, where the place itself does not say. */
  readonly references: readonly Reference[];
  /** Time of archive members, in seconds since the epoch. */
  readonly created: number;
  /** Documents about it that the place is to have, too; those that keep none pass over them. */
  readonly companions?: Companions | undefined;
}

/** What was written where, as `--json` shows it. */
export interface Written {
  readonly type: string;
  readonly dest: string;
}

/** Writes an image to a place. @throws what the transport throws */
export async function writeOutput(location: Location, output: Output, context: Context): Promise<Written> {
  const { artifact, references, created, companions } = output;
  const { transport } = location;
  const { signal, cwd } = context;
  switch (location.transport) {
    case 'docker':
      await pushToRegistry(artifact, references, context, companions);
      return { type: 'registry', dest: formatReference(location.reference) };
    case 'store':
    case 'any':
      await keepInStore(artifact, references.map(formatReference), context, companions);
      return { type: 'store', dest: formatReference(location.reference) };
    case 'oci': {
      const image = { artifact, names: layoutNames(location.name, references), companions };
      await writeLayout(resolve(cwd, location.path), image, location.path, { signal });
      return { type: transport, dest: location.path };
    }
    case 'oci-archive': {
      const names = layoutNames(location.name, references);
      const { layoutEntries, writeArchive } = await import('./archive-writer.ts');
      await writeArchive(
        location.path,
        await layoutEntries(artifact, { names, created, companions }, signal),
        context,
      );
      return { type: transport, dest: location.path };
    }
    case 'docker-archive': {
      const names = location.reference ? [location.reference] : references;
      const { writeArchive } = await import('./archive-writer.ts');
      await writeArchive(location.path, await dockerEntries(artifact, names, created, context), context);
      return { type: transport, dest: location.path };
    }
    case 'docker-daemon':
    case 'podman': {
      const names = location.reference ? [location.reference] : references;
      const { loadIntoEngine } = await import('./engine.ts');
      await loadIntoEngine(
        location.transport,
        await dockerEntries(artifact, names, created, context),
        context,
      );
      return { type: transport, dest: names.map(familiarReference).join(',') };
    }
  }
}

/** The entries of a tar that `docker load` takes. @throws OCISLIM_USAGE for what is not a single image */
async function dockerEntries(
  artifact: Artifact,
  references: readonly Reference[],
  created: number,
  { signal, progress }: Context,
): Promise<Entry[]> {
  if (artifact.kind !== 'image') {
    throw new OcislimError('OCISLIM_USAGE', 'an archive for docker load holds one image of one platform', {
      hint: 'choose one with --platform, or write oci-archive:FILE',
    });
  }
  if (artifact.layers.some(({ descriptor }) => compressionOf(descriptor.mediaType) === 'zstd'))
    progress.warn('it has a layer in zstd, which docker load takes from Docker 23 on');
  const names = layoutNames(undefined, references);
  const manifest = dockerManifest(artifact, references);
  const { layoutEntries } = await import('./archive-writer.ts');
  return layoutEntries(artifact, { names, created, dockerManifest: manifest }, signal);
}
