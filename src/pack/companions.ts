import pMap from 'p-map';
import { type Descriptor, type Digest, isIndexType, isManifestType, shortDigest } from '#oci-spec-types';
import type { Artifact } from '../image/model.ts';
import { type Companions, listedAs, subjectOf } from '../image/referrer.ts';
import { documentsOf } from '../image/write.ts';
import { OcislimError } from '../lib/errors.ts';
import { type CompanionSource, companionSource, keepsCompanions } from '../transports/companions.ts';
import type { Context } from '../transports/context.ts';
import type { Location } from '../transports/location.ts';
import { findDigestTags, withoutConflicts } from './digest-tags.ts';
import type { AttachedDocument } from './request.ts';

/**
 * What is carried with one image. Whoever may write to a repository may attach as much as they like, and what is
 * carried is held in memory but for its blobs.
 */
export interface CompanionLimits {
  /** A signature on an SBOM of an image is at depth 2. */
  readonly depth: number;
  readonly manifests: number;
  /** Of all manifests. */
  readonly bytes: number;
}

const LIMITS: CompanionLimits = { depth: 8, manifests: 1000, bytes: 64 * 1024 * 1024 };

/** Requests that are under way at once. */
const CONCURRENCY = 4;

/**
 * Everything that is kept beside an image: what refers to it, to a manifest of its index, or to what refers to those;
 * and what has one of cosign's tags. All manifests are read and found right before any of them is used.
 * @throws OCISLIM_DOCUMENT_INVALID for more than anybody attaches to one image; what the source throws
 */
export async function companionsOf(
  artifact: Artifact,
  source: CompanionSource,
  context: Context,
  limits: CompanionLimits = LIMITS,
): Promise<Companions> {
  const { signal } = context;
  const own = await documentsOf(artifact, { signal });
  const budget = new Budget(source.name, limits);
  const seen = new Set<Digest>(own.map(({ descriptor }) => descriptor.digest));
  const referrers: Artifact[] = [];
  let level: readonly Digest[] = [...seen].reverse();
  for (let depth = 1; level.length > 0; depth++) {
    const found = await referrersOf(level, seen, source, budget, context);
    if (found.length > 0 && depth > limits.depth)
      throw tooMuch(source.name, `go deeper than ${limits.depth} levels`);
    referrers.push(...found);
    const below: Digest[] = [];
    for (const each of found)
      for (const { descriptor } of await documentsWithin(each, budget, context))
        if (!seen.has(descriptor.digest) || descriptor.digest === each.descriptor.digest) {
          seen.add(descriptor.digest);
          below.push(descriptor.digest);
        }
    level = [...new Set(below)];
  }
  const take = ({ raw }: Artifact) => {
    budget.count();
    budget.add(raw.length);
  };
  const tagged = await findDigestTags(artifact, own, source, { ...context, take });
  return { referrers, tagged };
}

/** The referrers of some subjects that were not seen yet. */
async function referrersOf(
  subjects: readonly Digest[],
  seen: Set<Digest>,
  source: CompanionSource,
  budget: Budget,
  context: Context,
): Promise<readonly Artifact[]> {
  const { signal, progress } = context;
  const lists = await pMap(subjects, (subject) => source.list(subject, { signal }), {
    concurrency: CONCURRENCY,
    signal,
  });
  const wanted: { readonly subject: Digest; readonly listed: Descriptor }[] = [];
  for (const [at, list] of lists.entries()) {
    const subject = subjects[at] as Digest;
    // One that is listed with a wrong subject may be listed with the right one, too.
    for (const listed of new Map(list.map((each) => [each.digest, each])).values()) {
      if (seen.has(listed.digest)) continue;
      budget.count();
      wanted.push({ subject, listed });
    }
  }
  const loaded = await pMap(
    wanted,
    async ({ subject, listed }) => {
      const what = `${source.name}: ${shortDigest(listed.digest)} is listed with ${shortDigest(subject)}`;
      if (!isManifestType(listed.mediaType) && !isIndexType(listed.mediaType)) {
        progress.warn(`${what}, but is ${listed.mediaType}, no manifest; left out`);
        return undefined;
      }
      const artifact = await source.load(listed, { signal });
      if (artifact === undefined) {
        progress.warn(`${what}, but is not there; left out`);
        return undefined;
      }
      // A list may name anything; what counts is what a manifest says itself.
      if (subjectOf(artifact) !== subject) {
        progress.warn(`${what}, but is not about it; left out`);
        return undefined;
      }
      budget.add(artifact.raw.length);
      seen.add(listed.digest);
      return { ...artifact, descriptor: { ...artifact.descriptor, ...listingOf(artifact) } };
    },
    { concurrency: CONCURRENCY, signal },
  );
  return loaded.filter((each) => each !== undefined);
}

/** An index.json tells images from documents about them by the artifact type. */
function listingOf(artifact: Artifact): Pick<Descriptor, 'artifactType'> {
  const { artifactType } = listedAs(artifact);
  return artifactType === undefined ? {} : { artifactType };
}

/** A referrer and, where it is an index, what is below it. */
async function documentsWithin(
  artifact: Artifact,
  budget: Budget,
  context: Context,
): Promise<readonly Artifact[]> {
  if (artifact.kind !== 'index') return [artifact];
  const documents: Artifact[] = [artifact];
  for (const member of artifact.index.manifests) {
    budget.count();
    const below = await artifact.member(member, { signal: context.signal });
    budget.add(below.raw.length);
    documents.push(...(await documentsWithin(below, budget, context)));
  }
  return documents;
}

/** What may still be read. */
class Budget {
  readonly #source: string;
  readonly #limits: CompanionLimits;
  #manifests = 0;
  #bytes = 0;

  constructor(source: string, limits: CompanionLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  /** Of one more manifest. @throws OCISLIM_DOCUMENT_INVALID */
  count(): void {
    const { manifests } = this.#limits;
    if (++this.#manifests > manifests) throw tooMuch(this.#source, `are more than ${manifests}`);
  }

  /** Of so many more bytes. @throws OCISLIM_DOCUMENT_INVALID */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.bytes)
      throw tooMuch(this.#source, `have manifests of more than ${this.#limits.bytes} bytes`);
  }
}

function tooMuch(where: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_DOCUMENT_INVALID', `${where}: the documents about the image ${why}`, {
    hint: 'copy the image without --referrers, and attach to the copy what it is to have',
  });
}

/** How the documents that go with an image are shown. */
export function carried({ referrers }: Companions): readonly AttachedDocument[] {
  return referrers.map((artifact) => ({
    artifactType: listedAs(artifact).artifactType ?? '',
    digest: artifact.descriptor.digest,
    subject: subjectOf(artifact) ?? '',
  }));
}

/** What goes from one place to another with an image. */
export async function companionsFor(
  artifact: Artifact,
  from: Location,
  to: Location,
  context: Context,
): Promise<Companions> {
  const companions = await companionsOf(artifact, await companionSource(from, context), context);
  const { referrers, tagged } = companions;
  const parts = [count(referrers.length, 'document'), count(tagged.length, 'tag', " of cosign's")];
  const said = parts.filter((part) => part !== undefined);
  context.progress.note(
    said.length === 0 ? 'nothing is kept beside it' : `with ${said.join(' and ')} beside it`,
  );
  if (tagged.length === 0) return companions;
  // A new layout or archive has no tags yet; one that is there keeps what it has.
  const destination = await destinationOf(to, context);
  return destination === undefined
    ? companions
    : { referrers, tagged: await withoutConflicts(tagged, destination, context) };
}

async function destinationOf(to: Location, context: Context): Promise<CompanionSource | undefined> {
  if (to.transport === 'oci-archive') return undefined;
  try {
    return await companionSource(to, context);
  } catch (error) {
    if (error instanceof OcislimError && error.code === 'OCISLIM_NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * Says that documents stay behind, where that is seen without asking anybody: in a layout or the store.
 * What does not work out here must not hinder a copy that needs none of it.
 */
export async function tellOfCompanions(
  artifact: Artifact,
  from: Location,
  to: Location,
  context: Context,
): Promise<void> {
  if (!['oci', 'store'].includes(from.transport) || !keepsCompanions(to)) return;
  const source = await companionSource(from, context).catch(() => undefined);
  const members = artifact.kind === 'index' ? artifact.index.manifests : [];
  const about = new Set<Digest>();
  for (const { digest } of [artifact.descriptor, ...members]) {
    const listed = await source?.list(digest, { signal: context.signal }).catch(() => []);
    for (const each of listed ?? []) about.add(each.digest);
  }
  if (about.size === 0) return;
  const staying = about.size === 1 ? 'a document beside it stays' : `${about.size} documents beside it stay`;
  context.progress.note(`${staying} behind: with --referrers they go along`);
}

function count(number: number, what: string, more = ''): string | undefined {
  return number === 0 ? undefined : `${number} ${what}${number === 1 ? '' : 's'}${more}`;
}
