import pMap from 'p-map';
import { type Digest, decodeIndex, isDigest, isIndexType } from '#oci-spec-types';
import { type Lock, readLock } from '../config/lock-file.ts';
import { ExitCode, OcislimError, within } from '../lib/errors.ts';
import { readVerified } from '../lib/verify.ts';
import { formatReference, parseReference, type Reference } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import { registryReference } from '../transports/pinned.ts';
import { currentDigest, openManifest } from '../transports/registry.ts';
import { recordedBases } from './recorded-base.ts';

/** Registries' answers that are waited for at once. */
const CONCURRENCY = 4;

export interface OutdatedRequest {
  readonly lockFile: string;
  /** The images that the project's settings name. */
  readonly used: readonly string[];
  /** What is to be looked at in place of the project: images that record their bases. */
  readonly images: readonly string[];
}

/** What became of a name since it was used. */
export interface Freshness {
  /** The image whose base it is, where one was asked about. */
  readonly image?: string | undefined;
  /** Fully qualified; empty where the image does not say what its base is. */
  readonly name: string;
  /** What was used. */
  readonly pinned?: Digest | undefined;
  /** What the name means now. */
  readonly current?: Digest | undefined;
  /** `unknown`: what was used is not known, or its registry did not say what the name means. */
  readonly status: 'up-to-date' | 'outdated' | 'unknown';
  /** Why its registry did not say. */
  readonly error?: OcislimError | undefined;
}

interface Used {
  readonly image?: string | undefined;
  readonly name: string;
  /** Undefined where the name is none that could move. */
  readonly reference?: Reference | undefined;
  readonly pinned?: Digest | undefined;
  /** Whether `pinned` may be the manifest for one platform, of an index that the name meant. */
  readonly mayBeMember: boolean;
}

/**
 * Looks whether names of images still mean what was used of them: what the lock pins and the project's settings name, or
 * the bases that images record. Only manifests are asked for.
 * @throws what reading the lock and the images throws; what a registry refuses about a name is told with that name
 */
export async function outdated(request: OutdatedRequest, context: Context): Promise<readonly Freshness[]> {
  const { images, used, lockFile } = request;
  const bases: (readonly Used[])[] = [];
  for (const image of images) bases.push(await basesOf(image, context));
  const all = images.length > 0 ? bases.flat() : await usedByProject(await readLock(lockFile), used, context);
  const asked = new Map<string, Promise<Digest>>();
  const ask = (reference: Reference) => {
    const name = formatReference(reference);
    const answer = asked.get(name) ?? currentDigest(reference, context);
    asked.set(name, answer);
    return answer;
  };
  return pMap(all, (each) => freshnessOf(each, ask, context), {
    concurrency: CONCURRENCY,
    signal: context.signal,
  });
}

/** What the lock pins, and what else settings name: by a digest of their own, or as this store saw it last. */
async function usedByProject(
  lock: Lock,
  names: readonly string[],
  context: Context,
): Promise<readonly Used[]> {
  const all: Used[] = [];
  for (const [name, pinned] of lock)
    all.push({ name, reference: parseReference(name), pinned, mayBeMember: false });
  for (const each of names) {
    const { digest, ...reference } = (await registryReference(each, context)) ?? {};
    if (!hasTag(reference)) continue;
    const name = formatReference(reference);
    if (digest !== undefined) all.push({ name, reference, pinned: digest, mayBeMember: true });
    else if (!lock.has(name)) {
      const seen = await context.store.resolved.get(name);
      all.push({ name, reference, pinned: seen?.digest, mayBeMember: false });
    }
  }
  const distinct = new Map(all.map((each) => [`${each.name} ${each.pinned}`, each]));
  return [...distinct.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A digest without a tag follows nothing. */
function hasTag(reference: Partial<Reference>): reference is Reference {
  return reference.tag !== undefined;
}

async function basesOf(image: string, context: Context): Promise<readonly Used[]> {
  const bases = await within(image, () => recordedBases(image, context));
  if (bases.length === 0) {
    context.progress.warn(`${image} does not record its base`);
    return [{ image, name: '', mayBeMember: true }];
  }
  const distinct = new Map(bases.map((base) => [`${base.name} ${base.digest}`, base]));
  return [...distinct.values()].map(({ name, digest }) => {
    const reference = followed(name);
    const pinned = isDigest(digest) ? digest : undefined;
    return {
      image,
      name: reference ? formatReference(reference) : name,
      reference,
      pinned,
      mayBeMember: true,
    };
  });
}

/** The name that a base had, without a digest; undefined where it is none that could move. */
function followed(name: string): Reference | undefined {
  try {
    const { digest: _, ...reference } = parseReference(name);
    return hasTag(reference) ? reference : undefined;
  } catch {
    return undefined;
  }
}

async function freshnessOf(
  { image, name, reference, pinned, mayBeMember }: Used,
  ask: (reference: Reference) => Promise<Digest>,
  context: Context,
): Promise<Freshness> {
  const about = { image, name, pinned };
  if (reference === undefined) return { ...about, status: 'unknown' };
  try {
    const current = await ask(reference);
    if (pinned === undefined) return { ...about, current, status: 'unknown' };
    const isSame =
      current === pinned || (mayBeMember && (await hasMember(reference, current, pinned, context)));
    return { ...about, current, status: isSame ? 'up-to-date' : 'outdated' };
  } catch (error) {
    if (!isOfRegistry(error)) throw error;
    return { ...about, status: 'unknown', error: error.within(name) };
  }
}

function isOfRegistry(error: unknown): error is OcislimError {
  if (!(error instanceof OcislimError)) return false;
  return error.exitCode === ExitCode.Network || error.exitCode === ExitCode.Unauthorized;
}

/** Whether a manifest is one of those of an index, for one of its platforms. */
async function hasMember(
  reference: Reference,
  index: Digest,
  member: Digest,
  context: Context,
): Promise<boolean> {
  const { descriptor, source } = await openManifest({ ...reference, digest: index }, context);
  if (!isIndexType(descriptor.mediaType)) return false;
  const raw = await readVerified(await source.open(descriptor, { signal: context.signal }), descriptor);
  return decodeIndex(raw, source.name).manifests.some(({ digest }) => digest === member);
}
