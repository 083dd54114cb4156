import pMap from 'p-map';
import { type Digest, digestAlgorithm, digestHex } from '#oci-spec-types';
import type { Artifact } from '../image/model.ts';
import type { TaggedDocument } from '../image/referrer.ts';
import { OcislimError } from '../lib/errors.ts';
import type { CompanionSource } from '../transports/companions.ts';
import type { Context } from '../transports/context.ts';

/**
 * What cosign 2 keeps about a manifest under tags that are made of its digest (cosign's specs/SIGNATURE_SPEC.md):
 * signatures, attestations, SBOMs.
 */
const SUFFIXES = ['sig', 'att', 'sbom'] as const;

/** More layers than signatures and attestations of one image; whoever may write the tag could else add for ever. */
const LAYERS_LIMIT = 500;
const CONCURRENCY = 4;

/** The tag of what is kept about a manifest. */
export function digestTag(digest: Digest, suffix: (typeof SUFFIXES)[number]): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}.${suffix}`;
}

/**
 * The documents under cosign's tags about an artifact and the images below it.
 * @param options `take` is told of each, and may refuse it
 */
export async function findDigestTags(
  artifact: Artifact,
  documents: readonly Artifact[],
  source: CompanionSource,
  { signal, take }: Context & { readonly take: (document: Artifact) => void },
): Promise<readonly TaggedDocument[]> {
  // An attestation of BuildKit within an index is signed with the index; cosign gives it no tags.
  const subjects = documents.filter((each) => each === artifact || each.kind !== 'opaque');
  const tags = subjects.flatMap(({ descriptor: { digest } }) =>
    SUFFIXES.map((suffix) => ({ subject: digest, tag: digestTag(digest, suffix) })),
  );
  const found = await pMap(
    tags,
    async ({ subject, tag }): Promise<TaggedDocument | undefined> => {
      const tagged = await source.tagged(tag, { signal });
      if (tagged === undefined) return undefined;
      if (tagged.kind === 'index' || tagged.manifest.layers.length > LAYERS_LIMIT)
        throw new OcislimError(
          'OCISLIM_DOCUMENT_INVALID',
          `${source.name}:${tag}: not what cosign keeps there: ${tagged.kind === 'index' ? 'an index' : `more than ${LAYERS_LIMIT} layers`}`,
          { hint: 'copy the image without --referrers' },
        );
      take(tagged);
      return { tag, subject, artifact: tagged };
    },
    { concurrency: CONCURRENCY, signal },
  );
  return found.filter((each) => each !== undefined);
}

/**
 * Those that may be put where a destination has tags of its own: nothing there is lost. A tag that has all of it
 * already stays, and so does one that has something else, since a document made of both would have another digest.
 */
export async function withoutConflicts(
  tagged: readonly TaggedDocument[],
  destination: CompanionSource,
  { signal, progress }: Context,
): Promise<readonly TaggedDocument[]> {
  const kept: TaggedDocument[] = [];
  for (const each of tagged) {
    const there = await destination.tagged(each.tag, { signal });
    if (there !== undefined && holds(there, each.artifact)) continue;
    if (there === undefined || holds(each.artifact, there)) kept.push(each);
    else
      progress.warn(
        `${destination.name}:${each.tag} holds other signatures than the source's; it is left as it is`,
      );
  }
  return kept;
}

/** Whether one has every signature of the other. */
function holds(one: Artifact, other: Artifact): boolean {
  const signatures = (artifact: Artifact) =>
    artifact.kind === 'index'
      ? [artifact.descriptor.digest]
      : artifact.manifest.layers.map(({ digest, annotations }) => JSON.stringify([digest, annotations]));
  const own = new Set(signatures(one));
  return signatures(other).every((each) => own.has(each));
}
