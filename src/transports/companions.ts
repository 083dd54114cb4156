import { resolve } from 'node:path';
import {
  Annotation,
  type Descriptor,
  type Digest,
  DOCUMENT_LIMIT,
  decodeIndex,
  decodeManifest,
  isIndexType,
  isManifestType,
} from '#oci-spec-types';
import { type BlobSource, loadArtifact } from '../image/load.ts';
import type { Artifact, OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { readVerified } from '../lib/verify.ts';
import { type Reference, repositoryName } from '../registry/reference.ts';
import { tagOf } from '../registry/referrers.ts';
import type { Context } from './context.ts';
import { unaliased } from './index.ts';
import type { Location } from './location.ts';
import { digestOfTag } from './names.ts';
import { OciLayout } from './oci-layout.ts';
import { openManifest, referrersThere } from './registry.ts';

/** A place in which documents are kept beside images, to read them from. */
export interface CompanionSource {
  readonly name: string;
  /** What is listed with a subject; a list may say anything. */
  list(subject: Digest, options?: OpenOptions): Promise<readonly Descriptor[]>;
  /** What is listed, not looked into; undefined where it is not there any more. */
  load(listed: Descriptor, options?: OpenOptions): Promise<Artifact | undefined>;
  /** What has that tag; undefined where nothing has. */
  tagged(tag: string, options?: OpenOptions): Promise<Artifact | undefined>;
}

/** More entries of an index.json than are looked through for what refers to an image. */
const ENTRIES = 10_000;

/**
 * The documents beside the images of a place.
 * @throws OCISLIM_USAGE for a place that keeps none
 */
export async function companionSource(location: Location, context: Context): Promise<CompanionSource> {
  switch (location.transport) {
    case 'docker':
    case 'any':
      return ofRegistry(await unaliased(location, context), context);
    case 'store':
      return ofStore(context);
    case 'oci': {
      const layout = new OciLayout(resolve(context.cwd, location.path), location.path);
      return ofLayout(layout, (await layout.index()).manifests);
    }
    case 'oci-archive': {
      const { openOciArchive } = await import('./oci-archive.ts');
      const { source, manifests } = await openOciArchive(location.path, context);
      return ofLayout(source, manifests);
    }
    default:
      throw noCompanions(location);
  }
}

/** Whether a place keeps documents beside its images. */
export function keepsCompanions({ transport }: Location): boolean {
  return ['docker', 'any', 'store', 'oci', 'oci-archive'].includes(transport);
}

export function noCompanions({ transport }: Location): OcislimError {
  return new OcislimError('OCISLIM_USAGE', `${transport}: has no place for documents about its images`, {
    // Nothing is added to an archive that is there.
    hint: `a registry has one, and a layout: oci:DIR${transport === 'oci-archive' ? '' : ', oci-archive:FILE'}`,
  });
}

/** The documents of a repository, read as it has them now: nothing is taken from the store. */
export function ofRegistry({ registry, repository }: Reference, context: Context): CompanionSource {
  const place: Reference = { registry, repository };
  const load = async (reference: Reference, options: OpenOptions = {}) => {
    try {
      const { descriptor, source } = await openManifest(reference, context);
      return await loadArtifact(source, descriptor, { ...options, opaque: true });
    } catch (error) {
      if (error instanceof OcislimError && error.code === 'OCISLIM_MANIFEST_UNKNOWN') return undefined;
      throw error;
    }
  };
  return {
    name: repositoryName(place),
    list: (subject) => referrersThere(place, subject, context),
    load: ({ digest }, options) => load({ ...place, digest }, options),
    tagged: (tag, options) => load({ ...place, tag }, options),
  };
}

/**
 * The documents of a layout: entries of index.json that name a subject (image-spec image-layout.md says nothing of
 * them; oras and ocislim write them so), or those of a list under the tag that registries without the API have, as regctl
 * writes them.
 */
function ofLayout(source: BlobSource, manifests: readonly Descriptor[]): CompanionSource {
  let bySubject: Promise<ReadonlyMap<string, readonly Descriptor[]>> | undefined;
  const named = (tag: string) =>
    manifests.find(({ annotations }) => annotations?.[Annotation.RefName] === tag);
  return {
    name: source.name,
    list: async (subject, options = {}) => {
      bySubject ??= groupBySubject(source, manifests, options);
      const own = (await bySubject).get(subject) ?? [];
      const list = named(tagOf(subject));
      if (list === undefined || !isIndexType(list.mediaType) || list.size > DOCUMENT_LIMIT) return own;
      const raw = await readVerified(await source.open(list, options), list);
      return [...own, ...decodeIndex(raw, `${source.name}: ${list.digest}`).manifests];
    },
    load: loaderOf(source),
    tagged: async (tag, options) => {
      const descriptor = named(tag);
      return descriptor && loadArtifact(source, descriptor, { ...options, opaque: true });
    },
  };
}

/** What the store keeps beside its images. */
function ofStore({ store }: Context): CompanionSource {
  return {
    name: store.name,
    list: async (subject) => (await store.beside.get(subject)).referrers,
    load: loaderOf(store),
    tagged: async (tag, options) => {
      const subject = digestOfTag(tag);
      const found = subject && (await store.beside.get(subject)).tagged.find((each) => each.tag === tag);
      return found && loaderOf(store)(found.descriptor, options);
    },
  };
}

/** Loads what is listed, not looked into; undefined what is not there. */
function loaderOf(source: BlobSource) {
  return async (listed: Descriptor, options?: OpenOptions): Promise<Artifact | undefined> => {
    try {
      return await loadArtifact(source, listed, { ...options, opaque: true });
    } catch (error) {
      if (isNotThere(error)) return undefined;
      throw error;
    }
  };
}

async function groupBySubject(
  source: BlobSource,
  manifests: readonly Descriptor[],
  options: OpenOptions,
): Promise<ReadonlyMap<string, readonly Descriptor[]>> {
  if (manifests.length > ENTRIES)
    throw new OcislimError(
      'OCISLIM_DOCUMENT_INVALID',
      `${source.name}: more than ${ENTRIES} entries in index.json`,
    );
  const groups = new Map<string, Descriptor[]>();
  for (const descriptor of manifests) {
    const { mediaType, digest, size } = descriptor;
    const isIndex = isIndexType(mediaType);
    if ((!isIndex && !isManifestType(mediaType)) || size > DOCUMENT_LIMIT) continue;
    const raw = await source.open(descriptor, options).then(
      (stream) => readVerified(stream, descriptor),
      (error: unknown) => {
        // Not every manifest need be whole for another to be found.
        if (isNotThere(error)) return undefined;
        throw error;
      },
    );
    if (raw === undefined) continue;
    const { subject } = (isIndex ? decodeIndex : decodeManifest)(raw, `${source.name}: ${digest}`);
    if (subject !== undefined)
      groups.set(subject.digest, [...(groups.get(subject.digest) ?? []), descriptor]);
  }
  return groups;
}

function isNotThere(error: unknown): boolean {
  return (
    error instanceof OcislimError &&
    (error.code === 'OCISLIM_NOT_FOUND' || error.code === 'OCISLIM_ARCHIVE_INVALID')
  );
}
