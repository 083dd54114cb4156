import { LOCK_FILE } from '../config/lock-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { familiarReference, formatReference, type Reference } from '../registry/reference.ts';
import type { Context } from './context.ts';
import { openSource, type Source, unaliased } from './index.ts';
import { type LocationOptions, parseLocation } from './location.ts';

/**
 * Opens an image that a result is made with: a base, a toolchain, what libraries are taken from. A name that is pinned
 * means its digest, and is no longer looked up in the store first; the source still has the name without it.
 * @throws OCISLIM_LOCK_MISSING, what the transport throws
 */
export async function openPinned(name: string, options: LocationOptions, context: Context): Promise<Source> {
  const source = await open(name, options, context);
  const isNamed = parseLocation(name).transport === 'docker';
  const reference = isNamed ? source.reference : undefined;
  context.onImage?.({ name, reference, digest: source.artifact.descriptor.digest });
  return source;
}

async function open(name: string, options: LocationOptions, context: Context): Promise<Source> {
  const pinned = await pinnedReference(name, context);
  if (pinned === undefined) return openSource(parseLocation(name, options), context);
  const reference = { ...pinned, digest: undefined };
  try {
    const { artifact } = await openSource({ transport: 'docker', reference: pinned }, context);
    return { artifact, reference: formatReference(reference) };
  } catch (error) {
    throw isGone(error) ? withRemedy(error, reference) : error;
  }
}

/** Registries drop manifests that no tag names any more. */
function isGone(error: unknown): error is OcislimError {
  return error instanceof OcislimError && error.code === 'OCISLIM_MANIFEST_UNKNOWN';
}

function withRemedy(error: OcislimError, reference: Reference): OcislimError {
  const name = familiarReference(reference);
  const hint = `${LOCK_FILE} pins ${name} to it; ocislim lock --update ${name} pins what that is now`;
  return new OcislimError(error.code, error.message, { hint, cause: error });
}

/**
 * What a name means by the project's lock; undefined for what no lock could pin, or need not.
 * @throws OCISLIM_LOCK_MISSING for one that must be pinned and is not
 */
export async function pinnedReference(name: string, context: Context): Promise<Reference | undefined> {
  const { digests, isStrict } = context.pinned ?? { digests: new Map(), isStrict: false };
  if (digests.size === 0 && !isStrict) return undefined;
  const reference = await mutableReference(name, context);
  if (reference === undefined) return undefined;
  const digest = digests.get(formatReference(reference));
  if (digest !== undefined) return { ...reference, digest };
  if (!isStrict) return undefined;
  throw new OcislimError(
    'OCISLIM_LOCK_MISSING',
    `${formatReference(reference)} is not pinned in ${LOCK_FILE}`,
    {
      hint: `pin it with ocislim lock ${familiarReference(reference)}, or name its digest`,
    },
  );
}

/** The registry's name that means now this image and then another; undefined for digests and other places. */
export async function mutableReference(name: string, context: Context): Promise<Reference | undefined> {
  const reference = await registryReference(name, context);
  return reference?.digest === undefined ? reference : undefined;
}

/** What a name means in registries, short names of registries.conf included; undefined for other places. */
export async function registryReference(name: string, context: Context): Promise<Reference | undefined> {
  const location = parseLocation(name);
  return location.transport === 'docker' ? unaliased(location, context) : undefined;
}
