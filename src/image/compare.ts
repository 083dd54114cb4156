import { formatPlatform } from '#oci-spec-types';
import { layerDifference } from '../layer/compare.ts';
import { imagesOf } from './images-of.ts';
import { platformOfConfig } from './load.ts';
import type { Artifact, Image, OpenOptions } from './model.ts';

/**
 * Where an image and what was built again first differ, in words: the layer, file and byte, else the place in the
 * configuration or the manifest.
 * @returns undefined where they are the same, bit by bit
 */
export async function artifactDifference(
  artifact: Artifact,
  again: Artifact,
  options: OpenOptions = {},
): Promise<string | undefined> {
  if (artifact.descriptor.digest === again.descriptor.digest) return undefined;
  const [ours, theirs] = [await byPlatform(artifact, options), await byPlatform(again, options)];
  for (const [platform, image] of ours) {
    const rebuilt = theirs.get(platform);
    if (rebuilt === undefined) return `${platform}: is not built again`;
    const difference = await imageDifference(image, rebuilt, options);
    if (difference !== undefined) return `${platform}: ${difference}`;
  }
  const added = [...theirs.keys()].find((platform) => !ours.has(platform));
  if (added !== undefined) return `${added}: is there only when it is built again`;
  return documentDifference('index', artifact.raw, again.raw);
}

async function byPlatform(artifact: Artifact, options: OpenOptions): Promise<ReadonlyMap<string, Image>> {
  const images = await imagesOf(artifact, options);
  return new Map(images.map((image) => [formatPlatform(platformOfConfig(image.config)), image]));
}

async function imageDifference(
  image: Image,
  again: Image,
  options: OpenOptions,
): Promise<string | undefined> {
  if (image.descriptor.digest === again.descriptor.digest) return undefined;
  const count = Math.max(image.layers.length, again.layers.length);
  for (let at = 0; at < count; at++) {
    const [one, other] = [image.layers[at], again.layers[at]];
    const name = `layer ${at + 1} of ${image.layers.length}`;
    if (one === undefined) return `${name}: there are ${again.layers.length} when it is built again`;
    if (other === undefined) return `${name}: is not built again`;
    if (one.descriptor.digest === other.descriptor.digest) continue;
    if (one.diffId === other.diffId) return `${name}: the same content, compressed in another way`;
    const difference = await layerDifference(one, other, options);
    return `${name}: ${difference ?? 'the same files, but other bytes in the headers of the tar'}`;
  }
  return (
    documentDifference('configuration', image.rawConfig, again.rawConfig) ??
    documentDifference('manifest', image.raw, again.raw)
  );
}

/** The first place where two documents differ; what is left are spaces and the order of keys. */
function documentDifference(what: string, one: Uint8Array, other: Uint8Array): string | undefined {
  if (Buffer.from(one).equals(Buffer.from(other))) return undefined;
  const [a, b] = [one, other].map((raw) => JSON.parse(Buffer.from(raw).toString()) as unknown);
  return `${what}: ${valueDifference(a, b, '') ?? 'the same values, written in another way'}`;
}

function valueDifference(a: unknown, b: unknown, path: string): string | undefined {
  if (isContainer(a) && isContainer(b) && Array.isArray(a) === Array.isArray(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = valueDifference(a[key], b[key], path === '' ? key : `${path}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (a === b) return undefined;
  return `${path} is ${short(a)}, built again ${short(b)}`;
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'not there';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
