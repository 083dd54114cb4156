import { type Digest, hostPlatform } from '#oci-spec-types';
import { loadArtifact } from '../image/load.ts';
import type { Artifact, Image } from '../image/model.ts';
import { imageFor } from '../image/select.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { familiarReference, formatReference, parseReference, repositoryName } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import type { Moved } from './move.ts';

/** One row of `ocislim images`. */
export interface LocalImage {
  readonly name: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  /** Digest of the config of the image for this machine's platform, or of the first one. */
  readonly imageId: Digest;
  readonly created: string | undefined;
  /** Bytes of the unpacked files, layer by layer, as `docker images` counts them. */
  readonly size: number;
  /** Bytes that a pull of the image moves: config and compressed layers. */
  readonly transferSize: number;
  readonly platforms: readonly string[];
}

/**
 * The images the store has names for, in the order of their names.
 * @param filter a repository, or a name with a tag
 */
export async function listImages(filter: string | undefined, context: Context): Promise<LocalImage[]> {
  const wanted = filter === undefined ? undefined : parseReference(filter);
  const rows: LocalImage[] = [];
  for (const { name, descriptor } of await context.store.names.list()) {
    const reference = parseReference(name);
    if (wanted !== undefined) {
      const sameRepository = repositoryName(reference) === repositoryName(wanted);
      const named = filter?.includes(':') ? formatReference(wanted) === name : sameRepository;
      if (!named) continue;
    }
    const artifact = await loadArtifact(context.store, descriptor, { signal: context.signal });
    const image = await oneImage(artifact, context);
    if (image === undefined) continue;
    const familiar = familiarReference(reference);
    const tag = reference.tag ?? '<none>';
    rows.push({
      name: familiar,
      repository:
        reference.tag === undefined
          ? (familiar.split('@')[0] ?? familiar)
          : familiar.slice(0, -tag.length - 1),
      tag,
      digest: descriptor.digest,
      imageId: image.manifest.config.digest,
      created: image.config.created,
      size: await unpackedSize(image, context),
      transferSize: image.layers.reduce(
        (sum, layer) => sum + layer.descriptor.size,
        image.manifest.config.size,
      ),
      platforms: platformsOf(artifact),
    });
  }
  return rows;
}

/** Bytes of a layer's files, added up over the layers. */
export async function unpackedSize(image: Image, { store, signal }: Context): Promise<number> {
  let size = 0;
  for (const layer of image.layers) size += (await store.tocs.get(layer, { signal })).contentSize;
  return size;
}

/** The image an artifact gives this machine, else its first. */
async function oneImage(artifact: Artifact, { signal }: Context): Promise<Image | undefined> {
  if (artifact.kind === 'image') return artifact;
  if (artifact.kind === 'opaque') return undefined;
  try {
    return await imageFor(artifact, hostPlatform(), { signal });
  } catch {
    for (const member of artifact.index.manifests) {
      const first = await artifact.member(member, { signal });
      if (first.kind === 'image' && first.config.os !== 'unknown') return first;
    }
    return undefined;
  }
}

function platformsOf(artifact: Artifact): readonly string[] {
  const platforms =
    artifact.kind === 'index'
      ? artifact.index.manifests.map((member) => member.platform)
      : [artifact.descriptor.platform];
  return platforms.flatMap((each) =>
    each === undefined || each.os === 'unknown'
      ? []
      : [[each.os, each.architecture, each.variant].filter((part) => part !== undefined).join('/')],
  );
}

/** Gives what `name` names another name. @throws OCISLIM_NOT_FOUND */
export async function tag(name: string, newName: string, context: Context): Promise<Moved> {
  const descriptor = await named(name, context);
  const target = parseReference(newName);
  await context.store.names.set(formatReference(target), descriptor);
  return { name: familiarReference(target), digest: descriptor.digest, mediaType: descriptor.mediaType };
}

/** Takes names away; all of them must be there, or none goes. Returns them in familiar form. */
export async function removeNames(names: readonly string[], context: Context): Promise<string[]> {
  for (const name of names) await named(name, context);
  const references = names.map((name) => parseReference(name));
  for (const reference of references) await context.store.names.remove(formatReference(reference));
  return references.map(familiarReference);
}

async function named(name: string, context: Context) {
  return within(name, async () => {
    const descriptor = await context.store.names.get(formatReference(parseReference(name)));
    if (descriptor === undefined) {
      throw new OcislimError('OCISLIM_NOT_FOUND', 'the store has no image of that name', {
        hint: '`ocislim images` lists what it has',
      });
    }
    return descriptor;
  });
}
