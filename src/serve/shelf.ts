import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  Annotation,
  type Annotations,
  type Descriptor,
  type Digest,
  DOCUMENT_LIMIT,
  decodeIndex,
  decodeManifest,
  digestAlgorithm,
  digestHex,
  documentMediaType,
  isIndexType,
  isManifestType,
} from '#oci-spec-types';
import { familiarReference, parseReference, type Reference } from '../registry/reference.ts';
import { reachable } from '../store/reachable.ts';
import type { Store } from '../store/store.ts';
import { digestOfTag, isCompanion, nameOf } from '../transports/names.ts';
import type { OciLayout } from '../transports/oci-layout.ts';

/** An image that is served, under the name that it has where it lies. */
export interface Shelved {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  /** Holds `blobs/`, in the form of image-spec image-layout.md. */
  readonly folder: string;
}

/** Where images lie; asked anew for every request, so that what is packed meanwhile can be pulled. */
export type Shelf = () => Promise<readonly Shelved[]>;

/** Images under one path of the registry, by tag; those that have none are there by digest alone. */
export interface Repository {
  readonly tags: ReadonlyMap<string, Shelved>;
  readonly images: readonly Shelved[];
}

interface Filling {
  readonly tags: Map<string, Shelved>;
  readonly images: Shelved[];
}

export function shelfOfStore(store: Store): Shelf {
  return async () => {
    const named = (await store.names.list()).map(({ name, descriptor }) => ({
      reference: parseReference(name),
      descriptor,
      folder: store.root,
    }));
    const beside = await store.beside.all();
    return beside.size === 0 ? named : [...named, ...(await shelvedBeside(named, beside, store))];
  };
}

/** What the store keeps beside images, each in the repositories of its image. */
async function shelvedBeside(
  named: readonly Shelved[],
  beside: Awaited<ReturnType<Store['beside']['all']>>,
  store: Store,
): Promise<readonly Shelved[]> {
  const shelved: Shelved[] = [];
  for (const { reference, descriptor, folder } of named) {
    const { registry, repository } = reference;
    for (const subject of await reachable(folder, [descriptor.digest], beside)) {
      if (!beside.has(subject)) continue;
      const { referrers, tagged } = await store.beside.get(subject);
      for (const each of referrers)
        shelved.push({ reference: { registry, repository, digest: each.digest }, descriptor: each, folder });
      for (const { tag, descriptor: each } of tagged)
        shelved.push({ reference: { registry, repository, tag }, descriptor: each, folder });
    }
  }
  return shelved;
}

/** @param folder whose name images get that have no repository of their own */
export function shelfOfLayout(layout: OciLayout, folder: string): Shelf {
  return async () => {
    const { manifests } = await layout.index();
    const images = manifests.filter((each) => !isCompanion(each));
    const distinct = new Set(images.map(({ digest }) => digest));
    const isOnly = (each: Descriptor) => distinct.size === 1 && images.includes(each);
    return manifests.map((descriptor) => ({
      reference: referenceOf(descriptor, repositoryBeside(descriptor, images, folder), isOnly(descriptor)),
      descriptor,
      folder,
    }));
  };
}

function referenceOf(descriptor: Descriptor, { registry, repository }: Place, isOnly: boolean): Reference {
  const full = nameOf(descriptor);
  if (full !== undefined) return parseReference(full);
  const name = descriptor.annotations?.[Annotation.RefName];
  const tag = name !== undefined && /^\w[\w.-]{0,127}$/.test(name) ? name : isOnly ? 'latest' : undefined;
  const { digest } = descriptor;
  return { registry, repository, ...(tag === undefined ? { digest } : { tag }) };
}

/** A repository for what has no name of its own; of what has a tag made of a digest, that of the image with that digest, else of the only one. */
function repositoryBeside(descriptor: Descriptor, images: readonly Descriptor[], folder: string): Place {
  const nearest: Place = { registry: LOCAL, repository: repositoryOf(folder) };
  const subject = digestOfTag(descriptor.annotations?.[Annotation.RefName] ?? '');
  if (subject === undefined) return nearest;
  const names = (list: readonly Descriptor[]) =>
    [...new Set(list.map(nameOf))].filter((each) => each !== undefined);
  const [own] = names(images.filter(({ digest }) => digest === subject));
  const all = names(images);
  const name = own ?? (all.length === 1 ? all[0] : undefined);
  return name === undefined ? nearest : parseReference(name);
}

type Place = Pick<Reference, 'registry' | 'repository'>;

/** Stands for "no registry": sorted as Docker Hub's images are, and in no path. */
const LOCAL = 'localhost';

/** The nearest legal name: `Hello.oci` gives `hello`. */
function repositoryOf(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/\.oci$/, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'image' : name;
}

/**
 * The repositories by their paths. `ghcr.io/me/app` is there as `me/app`, which people write, and as `ghcr.io/me/app`,
 * `docker.io/library/hello` also as `hello` and `library/hello`, which mirrors are asked for. Of two registries with the same
 * name and tag Docker Hub's comes first, then the alphabet.
 */
export function repositories(shelved: readonly Shelved[]): ReadonlyMap<string, Repository> {
  const rank = ({ reference: { registry } }: Shelved) =>
    registry === LOCAL ? '0' : registry === 'docker.io' ? '1' : `2${registry}`;
  const sorted = shelved.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
  const found = new Map<string, Filling>();
  for (const each of sorted) {
    for (const path of pathsOf(each.reference)) {
      const repository: Filling = found.get(path) ?? { tags: new Map(), images: [] };
      found.set(path, repository);
      const { tag } = each.reference;
      if (tag !== undefined && !repository.tags.has(tag)) repository.tags.set(tag, each);
      repository.images.push(each);
    }
  }
  return found;
}

/** The paths of an image's repository, the one to be shown first. */
function pathsOf(reference: Reference): readonly string[] {
  const { registry, repository } = reference;
  const familiar = familiarReference({ registry, repository, tag: 'x' }).slice(0, -2);
  const short = registry === 'docker.io' ? familiar : repository;
  return [...new Set([short, repository, `${registry.replace(/:\d+$/, '')}/${repository}`])];
}

/** The name to pull each image by, without the registry's address; another image's name is not given twice. */
export function shownNames(shelved: readonly Shelved[]): readonly string[] {
  const all = repositories(shelved);
  const names = shelved.flatMap((each) => {
    const { tag } = each.reference;
    // Who pulls the image finds what is beside it.
    if (each.descriptor.artifactType !== undefined || digestOfTag(tag ?? '') !== undefined) return [];
    const paths = pathsOf(each.reference);
    if (tag === undefined) return [`${paths[0]}@${each.descriptor.digest}`];
    const path = paths.find((one) => all.get(one)?.tags.get(tag) === each);
    return path === undefined ? [] : [`${path}:${tag}`];
  });
  return [...new Set(names)].sort();
}

/** Where the content is that hangs on some images, so that a repository gives away its own alone. */
export type Reach = (images: readonly Shelved[], all: readonly Shelved[]) => Promise<Reached>;

/** The folder in which content lies, by its digest. */
export type Reached = ReadonlyMap<Digest, string>;

/** Answers that are remembered, since a pull asks for the same thing a dozen times. */
const REMEMBERED = 32;

export function createReach(): Reach {
  const known = new Map<string, Promise<Reached>>();
  return (images, all) => {
    const key = [images, all].map((list) => list.map(keyOf).join(' ')).join('|');
    const before = known.get(key);
    if (before !== undefined) return before;
    if (known.size >= REMEMBERED) known.clear();
    const answer = reach(images, all);
    known.set(key, answer);
    answer.catch(() => known.delete(key));
    return answer;
  };
}

function keyOf({ folder, descriptor }: Shelved): string {
  return `${folder} ${descriptor.digest}`;
}

async function reach(images: readonly Shelved[], all: readonly Shelved[]): Promise<Reached> {
  const found = new Map<Digest, string>();
  const add = async ({ folder, descriptor }: Shelved) => {
    for (const digest of await reachable(folder, [descriptor.digest]))
      if (!found.has(digest)) found.set(digest, folder);
  };
  for (const image of images) await add(image);
  // What refers to an image hangs on it, too, and something else may refer to that.
  let left = all.filter(({ descriptor }) => !found.has(descriptor.digest));
  for (let added = left.length > 0; added; ) {
    const subjects = await Promise.all(
      left.map(async (each) => (await readDocument(each.folder, each.descriptor.digest))?.subject),
    );
    const referring = left.filter((_, at) => found.has(subjects[at] as Digest));
    for (const each of referring) await add(each);
    left = left.filter((each) => !referring.includes(each));
    added = referring.length > 0 && left.length > 0;
  }
  return found;
}

/** A manifest or an index, as it is served. */
export interface Document {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly subject?: Digest | undefined;
  /** How it is listed among what refers to its subject (distribution-spec § Listing Referrers). */
  readonly artifactType?: string | undefined;
  readonly annotations?: Annotations | undefined;
}

/** Reads a manifest or an index; undefined for what is none, is not there, or is damaged. */
export async function readDocument(folder: string, digest: Digest): Promise<Document | undefined> {
  const blob = await openBlob(folder, digest);
  if (blob === undefined) return undefined;
  try {
    if (blob.size > DOCUMENT_LIMIT) return undefined;
    const bytes = await blob.handle.readFile();
    if (bytes[0] !== 0x7b) return undefined;
    const actual = createHash(digestAlgorithm(digest)).update(bytes).digest('hex');
    return actual === digestHex(digest) ? described(bytes) : undefined;
  } catch {
    return undefined;
  } finally {
    await blob.handle.close();
  }
}

function described(bytes: Buffer): Document | undefined {
  const mediaType = documentMediaType(bytes);
  if (isIndexType(mediaType)) {
    const { subject, artifactType, annotations } = decodeIndex(bytes);
    return { bytes, mediaType, subject: subject?.digest, artifactType, annotations };
  }
  if (!isManifestType(mediaType)) return undefined;
  const { subject, artifactType, annotations, config } = decodeManifest(bytes);
  return {
    bytes,
    mediaType,
    subject: subject?.digest,
    artifactType: artifactType ?? config.mediaType,
    annotations,
  };
}

/** An open blob; whoever gets it closes it. */
export interface OpenBlob {
  readonly handle: FileHandle;
  /** Bytes. */
  readonly size: number;
}

/** A blob's file; undefined where it is not there, or is a link or a device, which a layout from outside may have. */
export async function openBlob(folder: string, digest: Digest): Promise<OpenBlob | undefined> {
  const path = join(folder, 'blobs', digestAlgorithm(digest), digestHex(digest));
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const handle = await open(path, O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)).catch(() => undefined);
  if (handle === undefined) return undefined;
  const found = await handle.stat();
  if (found.isFile()) return { handle, size: found.size };
  await handle.close();
  return undefined;
}
