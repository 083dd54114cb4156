import pMap from 'p-map';
import {
  type Descriptor,
  type Digest,
  isImageConfigType,
  isIndexType,
  isManifestType,
  isNondistributable,
  shortDigest,
} from '#oci-spec-types';
import { type BlobSource, loadArtifact } from '../image/load.ts';
import type { Artifact, Blob } from '../image/model.ts';
import { type Companions, listedAs, NO_COMPANIONS, subjectOf } from '../image/referrer.ts';
import { type Sink, writeArtifacts } from '../image/write.ts';
import { OcislimError } from '../lib/errors.ts';
import { familiarReference, formatReference, type Reference, repositoryName } from '../registry/reference.ts';
import type { Registry, Target } from '../registry/registry.ts';
import type { PushBlobOptions } from '../registry/uploads.ts';
import type { Store } from '../store/store.ts';
import { ignoreReadOnly } from '../store/tocs.ts';
import type { Context } from './context.ts';

/**
 * Opens what a reference means now, and remembers it for `--offline`.
 * @throws what the registry's client throws; OCISLIM_NOT_FOUND offline for what the store has not got
 */
export async function openFromRegistry(reference: Reference, context: Context): Promise<Artifact> {
  const { store, signal, offline } = context;
  const name = formatReference(reference);
  if (offline) {
    const { digest } = reference;
    const known = (await store.resolved.get(name)) ?? (digest && (await store.describe(digest)));
    if (known !== undefined) await store.pins.pin(known.digest);
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
  const artifact = await loadArtifact(throughStore(source, store), descriptor, { signal });
  try {
    await store.putBytes(artifact.raw, descriptor.digest);
    await store.resolved.set(name, descriptor);
  } catch (error) {
    ignoreReadOnly(error);
  }
  return artifact;
}

/** Documents that the store has are not fetched again; those it lacks it has afterwards. */
function throughStore(source: BlobSource, store: Store): BlobSource {
  const open: BlobSource['open'] = async (descriptor, options) => {
    const { mediaType, digest } = descriptor;
    const isDocument = isManifestType(mediaType) || isIndexType(mediaType) || isImageConfigType(mediaType);
    if (!isDocument) return source.open(descriptor, options);
    const origins = source.origins?.(digest);
    const blob: Blob = { descriptor, origins, open: (again) => source.open(descriptor, again) };
    try {
      return await (await store.ensure(blob, options)).open(options);
    } catch (error) {
      ignoreReadOnly(error);
      return source.open(descriptor, options);
    }
  };
  return { ...source, open };
}

/**
 * Finds out before any work whether all of the references may be pushed to.
 * @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_…
 */
export async function checkPush(references: readonly Reference[], context: Context): Promise<void> {
  const repositories = new Map(references.map((reference) => [repositoryName(reference), reference]));
  for (const reference of repositories.values()) {
    const target = await targetOf(reference, context);
    await target.checkPush({ signal: context.signal });
  }
}

/** Begins to send content while it is made; is told its digest at its end. */
export type SendAhead = (content: AsyncIterable<Uint8Array>) => (digest: Digest) => void;

/**
 * A way to send blobs of an image that will be pushed while they are made. Only for what this store has named so before:
 * then the registry is likely to lack what the store lacks; else it might have all of it, and a moment later tells so.
 */
export async function sendingAhead(
  references: readonly Reference[],
  context: Context,
): Promise<SendAhead | undefined> {
  const { store, signal } = context;
  const [first, ...others] = new Map(references.map((each) => [repositoryName(each), each])).values();
  if (first === undefined || others.length > 0) return undefined;
  if ((await store.names.get(formatReference(first))) === undefined) return undefined;
  const target = await targetOf(first, context);
  return (content) => target.sendAhead(content, { signal });
}

/** @throws OCISLIM_USAGE with `--offline` */
async function targetOf(reference: Reference, context: Context): Promise<Target> {
  const registry = await online(`push to ${reference.registry}`, context);
  return registry.target(reference, { signal: context.signal });
}

/**
 * The manifest or index that a reference means now, and whence to read what it names; nothing is kept.
 * @throws OCISLIM_USAGE with `--offline`, what the registry's client throws
 */
export async function openManifest(
  reference: Reference,
  context: Context,
): Promise<{ readonly descriptor: Descriptor; readonly source: BlobSource }> {
  const registry = await online(`ask ${reference.registry}`, context);
  return registry.resolve(reference, { signal: context.signal });
}

/**
 * The digest that a reference means now, as its registry says.
 * @throws OCISLIM_USAGE with `--offline`, what the registry's client throws
 */
export async function currentDigest(reference: Reference, context: Context): Promise<Digest> {
  const registry = await online(`ask ${reference.registry}`, context);
  return registry.currentDigest(reference, { signal: context.signal });
}

/** The client of registries, for what has no meaning without a network. @throws OCISLIM_USAGE with `--offline` */
async function online(what: string, { offline, registry }: Context): Promise<Registry> {
  if (!offline) return registry();
  throw new OcislimError('OCISLIM_USAGE', `${what}: not with --offline`);
}

/** What a registry lists with a subject. @throws OCISLIM_USAGE with `--offline`, what the registry's client throws */
export async function referrersThere(
  reference: Reference,
  subject: Digest,
  context: Context,
): Promise<readonly Descriptor[]> {
  const registry = await online(`ask ${reference.registry}`, context);
  return registry.referrers(reference, subject, { signal: context.signal });
}

/**
 * Pushes an artifact under several names of one repository: blobs the registry lacks, then manifests, then tags.
 * Layers that may not be distributed stay where their `urls` say (image-spec layer.md).
 *
 * What is kept beside it comes before its manifest (distribution-spec § Pushing Manifests with Subject allows for that),
 * so that whoever sees the tag sees its signatures; and after all blobs, so that nothing is visible when one is wrong.
 */
export async function pushToRegistry(
  artifact: Artifact,
  references: readonly Reference[],
  context: Context,
  companions: Companions = NO_COMPANIONS,
): Promise<void> {
  const [first] = references;
  if (first === undefined) throw new OcislimError('OCISLIM_INTERNAL', 'push: no name');
  const { signal } = context;
  const target = await targetOf(first, context);
  const { raw, descriptor } = artifact;
  const { digest } = descriptor;
  let tags = references.flatMap(({ tag }) => tag ?? []);
  // A manifest that is there may still not be listed with its subject, where a push broke off in between.
  const isReferrer = artifact.kind === 'opaque' && artifact.manifest.subject !== undefined;
  const isNew = artifact.kind === 'image' && artifact.layers.some((layer) => layer.isNew);
  const isThere = !isReferrer && !isNew && (await target.hasManifest(digest, { signal }));
  if (isThere) {
    context.progress.note(`${repositoryName(first)} has ${shortDigest(digest)} already`);
    const known = await Promise.all(tags.map((tag) => target.hasTag(tag, digest, { signal })));
    tags = tags.filter((_, at) => !known[at]);
  }
  // The tag brings the manifest along.
  const tag = isThere ? undefined : tags.shift();
  const referrers = await notListed(companions.referrers, target, context);
  const beside = new Map(
    [...referrers, ...companions.tagged.map((each) => each.artifact)].map((each) => [each, each]),
  );
  const unlisted = new Map<Digest, Descriptor[]>();
  const sink: Sink = {
    blob: (blob, open) =>
      pushBlob(blob, target, context, { ...open, isAbsent: isNew && isLikelyAbsent(blob) }),
    manifest: async (document) => {
      if (document === artifact) await list(unlisted, target, context);
      const tagged = companions.tagged.find((each) => each.artifact === document);
      const subject = subjectOf(document);
      if (subject !== undefined && beside.has(document) && tagged === undefined) {
        if (await target.pushReferrer(document.raw, document.descriptor, { signal })) return;
        unlisted.set(subject, [...(unlisted.get(subject) ?? []), listedAs(document)]);
        return;
      }
      const own = document === artifact ? tag : tagged?.tag;
      await target.pushManifest(document.raw, document.descriptor, { signal, tag: own });
    },
  };
  await writeArtifacts([...beside.values(), ...(isThere ? [] : [artifact])], sink, { signal });
  if (isThere) await list(unlisted, target, context);
  for (const each of tags) await target.pushTag(raw, descriptor, each, { signal });
}

/** Those that the repository lacks, or does not list with their subjects. */
async function notListed(
  referrers: readonly Artifact[],
  target: Target,
  { signal }: Context,
): Promise<readonly Artifact[]> {
  const subjects = [...new Set(referrers.map(subjectOf))].filter((each) => each !== undefined);
  const lists = await pMap(subjects, (subject) => target.referrers(subject, { signal }), { concurrency: 4 });
  const listed = new Set(lists.flat().map(({ digest }) => digest));
  const absent = await pMap(
    referrers,
    async ({ descriptor: { digest } }) =>
      !listed.has(digest) || !(await target.hasManifest(digest, { signal })),
    { concurrency: 4 },
  );
  return referrers.filter((_, at) => absent[at]);
}

async function list(
  unlisted: ReadonlyMap<Digest, readonly Descriptor[]>,
  target: Target,
  { signal }: Context,
): Promise<void> {
  for (const [subject, referrers] of unlisted) await target.list(subject, referrers, { signal });
}

/** Bytes of a blob that take no longer to send than it takes to ask for them, where a line is as good as those of CI. */
const SMALL = 2 * 1024 * 1024;

/** Whether a repository that lacks a new image will hardly have this blob of it: then asking is a wait for a no. */
function isLikelyAbsent({ descriptor, bytes, isNew }: Blob): boolean {
  return descriptor.size <= SMALL && (isNew === true || bytes !== undefined);
}

async function pushBlob(
  blob: Blob,
  target: Target,
  { progress }: Context,
  { signal, isAbsent }: Pick<PushBlobOptions, 'signal' | 'isAbsent'>,
): Promise<void> {
  const { mediaType, digest, size } = blob.descriptor;
  if (isNondistributable(mediaType)) return;
  const task = progress.task(shortDigest(digest), size);
  try {
    task.done(await target.pushBlob(blob, { signal, isAbsent, onBytes: (count) => task.advance(count) }));
  } catch (error) {
    task.fail();
    throw error;
  }
}
