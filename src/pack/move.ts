import { hostPlatform, type Platform, parsePlatform } from '#oci-spec-types';
import type { Artifact } from '../image/model.ts';
import type { Companions } from '../image/referrer.ts';
import { imageFor } from '../image/select.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { familiarReference, formatReference, parseReference, type Reference } from '../registry/reference.ts';
import { keepsCompanions, noCompanions } from '../transports/companions.ts';
import type { Context } from '../transports/context.ts';
import { openSource, writeOutput } from '../transports/index.ts';
import { type Location, parseLocation } from '../transports/location.ts';
import { keepInStore } from '../transports/store.ts';
import { carried, companionsFor, tellOfCompanions } from './companions.ts';
import { suitFor } from './deliver.ts';
import type { AttachedDocument } from './request.ts';

/** What was moved: its name, and the digest it has at the destination. */
export interface Moved {
  readonly name: string;
  readonly digest: string;
  readonly mediaType: string;
  /** What went along, where that was asked for. */
  readonly attached?: readonly AttachedDocument[] | undefined;
}

export interface PlatformChoice {
  readonly platform?: string | undefined;
  readonly allPlatforms?: boolean | undefined;
}

export interface CopyOptions extends PlatformChoice {
  /** Signatures, SBOMs and what else is kept beside the image go along. */
  readonly referrers?: boolean | undefined;
}

/** Fetches an image into the store, under the name it was asked for by; with what is kept beside it, where that is asked for. */
export async function pull(source: string, choice: CopyOptions, context: Context): Promise<Moved> {
  return within(source, async () => {
    const from = parseLocation(source);
    const opened = await openSource(from, context);
    const wanted = choice.allPlatforms ? undefined : platformOf(choice);
    const artifact = await choose(opened.artifact, wanted, context);
    const reference = opened.reference === undefined ? undefined : parseReference(opened.reference);
    if (reference === undefined) {
      throw new OcislimError('OCISLIM_USAGE', 'the image has no name there to keep it under', {
        hint: `give it one: ocislim copy ${source} store:NAME`,
      });
    }
    const to: Location = { transport: 'store', reference };
    const companions = choice.referrers ? await companionsFor(artifact, from, to, context) : undefined;
    await keepInStore(artifact, [formatReference(reference)], context, companions);
    return moved(familiarReference(reference), artifact, companions);
  });
}

/**
 * Sends an image of the store to the registry that `reference`, or its own name, points at; with what the store keeps
 * beside it, where that is asked for.
 */
export async function push(
  name: string,
  reference: string | undefined,
  context: Context,
  { referrers }: Pick<CopyOptions, 'referrers'> = {},
): Promise<Moved> {
  const from = parseLocation(name, { default: 'store' });
  const { artifact } = await openSource(from, context);
  const target = parseReference(reference ?? name.replace(/^store:/, ''));
  const to: Location = { transport: 'docker', reference: target };
  const companions = referrers ? await companionsFor(artifact, from, to, context) : undefined;
  if (companions === undefined) await tellOfCompanions(artifact, from, to, context);
  await writeOutput(to, { artifact, references: [target], created: 0, companions }, context);
  return moved(familiarReference(target), artifact, companions);
}

/**
 * Copies whatever is at `source`, whole, unless one platform is asked for; with what is kept beside it, where that is
 * asked for. Every manifest keeps its bytes, and so its digest.
 * @throws OCISLIM_USAGE for `referrers` at a place that keeps none; what the transports throw
 */
export async function copy(
  source: string,
  destination: string,
  choice: CopyOptions,
  context: Context,
): Promise<Moved> {
  const from = parseLocation(source);
  const to = parseLocation(destination, { as: 'destination' });
  if (choice.referrers && !keepsCompanions(to)) throw noCompanions(to);
  const opened = await within(source, () => openSource(from, context));
  const wanted = choice.platform === undefined ? undefined : parsePlatform(choice.platform);
  const artifact = await suitFor(to, await choose(opened.artifact, wanted, context), context);
  const references = namesFor(to, opened.reference);
  const companions = choice.referrers
    ? await within(source, () => companionsFor(artifact, from, to, context))
    : undefined;
  if (companions === undefined) await tellOfCompanions(artifact, from, to, context);
  await writeOutput(to, { artifact, references, created: 0, companions }, context);
  const name = references[0] === undefined ? destination : familiarReference(references[0]);
  return moved(name, artifact, companions);
}

/** The name a copy gets: the destination's own, else the one it had. */
function namesFor(to: Location, had: string | undefined): readonly Reference[] {
  if ('reference' in to && to.reference !== undefined) return [to.reference];
  return had === undefined ? [] : [parseReference(had)];
}

function platformOf(choice: PlatformChoice): Platform {
  return choice.platform === undefined ? hostPlatform() : parsePlatform(choice.platform);
}

async function choose(artifact: Artifact, wanted: Platform | undefined, context: Context): Promise<Artifact> {
  if (wanted === undefined || artifact.kind === 'opaque') return artifact;
  return imageFor(artifact, wanted, { signal: context.signal });
}

function moved(name: string, { descriptor }: Artifact, companions?: Companions): Moved {
  const { digest, mediaType } = descriptor;
  return { name, digest, mediaType, ...(companions && { attached: carried(companions) }) };
}
