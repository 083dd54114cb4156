import { type Descriptor, formatPlatform, type Platform, runsOn, samePlatform } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';
import { platformOfConfig } from './load.ts';
import type { Artifact, Image, Index, OpenOptions } from './model.ts';

/**
 * The member of an index for a platform: the first exact match, else the newest variant that the platform still runs
 * (image-index.md: "the first match is used"). Attestations, which call their platform unknown, are never chosen.
 */
export function selectPlatform<D extends Pick<Descriptor, 'platform'>>(
  members: readonly D[],
  wanted: Platform,
): D | undefined {
  const exact = members.find((member) => member.platform && samePlatform(member.platform, wanted));
  if (exact !== undefined) return exact;
  const older = members.filter((member) => member.platform && runsOn(member.platform, wanted));
  return older.reduce<D | undefined>((best, member) => {
    const better = !best?.platform || (member.platform && !runsOn(member.platform, best.platform));
    return better ? member : best;
  }, undefined);
}

/**
 * The image that an artifact has for a platform.
 * @throws OCISLIM_PLATFORM_UNAVAILABLE listing what there is; OCISLIM_DOCUMENT_INVALID for what is no image
 */
export async function imageFor(
  artifact: Artifact,
  wanted: Platform,
  options: OpenOptions = {},
): Promise<Image> {
  switch (artifact.kind) {
    case 'image': {
      const own = platformOfConfig(artifact.config);
      if (!runsOn(own, wanted)) throw unavailable(wanted, [own]);
      return artifact;
    }
    case 'index':
      return memberFor(artifact, wanted, options);
    case 'opaque':
      throw new OcislimError(
        'OCISLIM_DOCUMENT_INVALID',
        `not an image: its config is ${artifact.manifest.artifactType ?? artifact.manifest.config.mediaType}`,
      );
  }
}

async function memberFor(index: Index, wanted: Platform, options: OpenOptions): Promise<Image> {
  const members = await Promise.all(
    index.index.manifests.map((member) => withPlatform(index, member, options)),
  );
  const chosen = selectPlatform(members, wanted);
  if (chosen === undefined) throw unavailable(wanted, members.flatMap(platformsOf));
  return imageFor(await index.member(chosen, options), wanted, options);
}

/** A descriptor without a platform (skopeo writes such indexes) has that of its config. */
async function withPlatform(index: Index, member: Descriptor, options: OpenOptions): Promise<Descriptor> {
  if (member.platform !== undefined) return member;
  const artifact = await index.member(member, options);
  return artifact.kind === 'image' ? { ...member, platform: platformOfConfig(artifact.config) } : member;
}

function platformsOf({ platform }: Descriptor): Platform[] {
  return platform === undefined || platform.os === 'unknown' ? [] : [platform];
}

function unavailable(wanted: Platform, there: readonly Platform[]): OcislimError {
  const list = [...new Set(there.map(formatPlatform))];
  const has = list.length === 0 ? 'it has none' : `it has ${list.join(', ')}`;
  return new OcislimError('OCISLIM_PLATFORM_UNAVAILABLE', `no image for ${formatPlatform(wanted)}; ${has}`, {
    hint: 'choose one of these with --platform, or another image',
  });
}
