import { Annotation, type Descriptor, type Digest, isDigest } from '#oci-spec-types';
import type { Companions } from '../image/referrer.ts';
import { OcislimError } from '../lib/errors.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  repositoryName,
} from '../registry/reference.ts';

/** How an image is called in an index.json. */
export interface LayoutName {
  /** The tag, or whatever else the user wants it called there (image-spec annotations.md `ref.name`). */
  readonly short?: string | undefined;
  /** Fully qualified; containerd gives the image this name when it imports it. */
  readonly full: string;
}

/**
 * The names of an image in a layout: `chosen`, the NAME of `oci:DIR:NAME`, in place of the image's own where it is
 * given. A chosen name that is a lone tag goes with the image's repository.
 */
export function layoutNames(chosen: string | undefined, references: readonly Reference[]): LayoutName[] {
  if (chosen === undefined)
    return references.map((each) => ({ short: each.tag, full: formatReference(each) }));
  if (/[/:@]/.test(chosen)) {
    const reference = parseReference(chosen);
    return [{ short: chosen, full: formatReference(reference) }];
  }
  const [own] = references;
  if (own === undefined) return [{ short: chosen, full: formatReference(parseReference(chosen)) }];
  return [{ short: chosen, full: `${repositoryName(own)}:${chosen}` }];
}

/** The index.json descriptors for an image: one a name. */
export function namedDescriptors(descriptor: Descriptor, names: readonly LayoutName[]): Descriptor[] {
  const { mediaType, digest, size, platform, artifactType } = descriptor;
  const plain = { mediaType, digest, size, platform, artifactType };
  if (names.length === 0) return [plain];
  return names.map(({ short, full }) => ({
    ...plain,
    annotations: {
      [Annotation.ContainerdName]: full,
      ...(short === undefined ? {} : { [Annotation.RefName]: short }),
    },
  }));
}

/** The index.json descriptors for what is kept beside an image: without a name, or with the tag it has in registries. */
export function companionDescriptors({ referrers, tagged }: Companions): Descriptor[] {
  return [
    ...referrers.flatMap(({ descriptor }) => namedDescriptors(descriptor, [])),
    ...tagged.map(({ tag, artifact: { descriptor } }) => {
      const { mediaType, digest, size } = descriptor;
      return { mediaType, digest, size, annotations: { [Annotation.RefName]: tag } };
    }),
  ];
}

/** Tags that are made of a digest: cosign's, and that of a list of referrers. */
const DIGEST_TAG = /^(sha256|sha512)-([0-9a-f]{64,128})(?:\.[a-z]{1,16})?$/;

/** The digest that a tag is made of; undefined for other tags. */
export function digestOfTag(tag: string): Digest | undefined {
  const [, algorithm, hex] = DIGEST_TAG.exec(tag) ?? [];
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) ? digest : undefined;
}

/** Whether an entry of an index.json is kept beside an image, such as its SBOM: it is found by its digest or such a tag alone. */
export function isCompanion({ artifactType, annotations = {} }: Descriptor): boolean {
  return artifactType !== undefined || DIGEST_TAG.test(annotations[Annotation.RefName] ?? '');
}

/** The full name that a descriptor of an index.json carries; undefined where it has a tag alone, or nothing. */
export function nameOf({ annotations = {} }: Descriptor): string | undefined {
  const full = annotations[Annotation.ContainerdName] ?? annotations[Annotation.RefName];
  // A lone tag, which `ref.name` mostly is, says nothing about the repository.
  if (full === undefined || !/[/:]/.test(full)) return undefined;
  try {
    return formatReference(parseReference(full));
  } catch {
    return undefined;
  }
}

/**
 * Finds an image in an index.json: by full or familiar name, by tag, or by digest; without a name the only one.
 * @throws OCISLIM_NOT_FOUND | OCISLIM_USAGE listing the names there are
 */
export function chooseNamed(
  manifests: readonly Descriptor[],
  name: string | undefined,
  what: string,
): Descriptor {
  const plain = manifests.filter((each) => !isCompanion(each));
  const images = plain.length === 0 ? manifests : plain;
  const distinct = new Map(images.map((descriptor) => [descriptor.digest, descriptor]));
  const [first] = distinct.values();
  if (name === undefined && first !== undefined && distinct.size === 1) return first;
  const matching = manifests.filter((descriptor) => name !== undefined && isNamed(descriptor, name));
  const [found] = matching;
  if (found !== undefined) return found;
  const hint = images.length === 0 ? undefined : `it has ${images.map(shownName).join(', ')}`;
  if (name !== undefined)
    throw new OcislimError('OCISLIM_NOT_FOUND', `${what}: no image called ${name}`, { hint });
  if (first === undefined) throw new OcislimError('OCISLIM_NOT_FOUND', `${what}: holds no image`);
  throw new OcislimError(
    'OCISLIM_USAGE',
    `${what}: holds ${distinct.size} images; say which, as ${what}:NAME`,
    {
      hint,
    },
  );
}

function isNamed(descriptor: Descriptor, name: string): boolean {
  const { annotations = {}, digest } = descriptor;
  if (
    name === digest ||
    name === annotations[Annotation.RefName] ||
    name === annotations[Annotation.ContainerdName]
  )
    return true;
  const full = nameOf(descriptor);
  if (full === undefined) return false;
  try {
    return formatReference(parseReference(name)) === full;
  } catch {
    return false;
  }
}

function shownName(descriptor: Descriptor): string {
  const full = nameOf(descriptor);
  if (full !== undefined) return familiarReference(parseReference(full));
  return descriptor.annotations?.[Annotation.RefName] ?? descriptor.digest;
}
