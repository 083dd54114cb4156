import { createHash } from 'node:crypto';
import * as v from 'valibot';
import {
  type Digest,
  decode,
  decodeConfig,
  encodeManifest,
  layerMediaType,
  type Manifest,
  MediaType,
  parseJson,
  sha256,
} from '#oci-spec-types';
import { platformOfConfig } from '../image/load.ts';
import type { Image, Layer } from '../image/model.ts';
import { detectCompression } from '../layer/compression.ts';
import { OcislimError } from '../lib/errors.ts';
import { familiarReference, formatReference, parseReference, type Reference } from '../registry/reference.ts';
import { type Archive, invalid } from './archive.ts';
import { archivePath } from './archive-writer.ts';

const manifestList = v.array(
  v.looseObject({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string())),
    Layers: v.array(v.string()),
  }),
);

type ArchivedImage = v.InferOutput<typeof manifestList>[number];

/**
 * The image that `wanted` names in a tar of `docker save`, older forms included. Its manifest is made here, for the
 * archive has none: layers keep their bytes, uncompressed ones too.
 * @throws OCISLIM_ARCHIVE_INVALID | OCISLIM_DOCUMENT_INVALID | OCISLIM_NOT_FOUND | OCISLIM_USAGE
 */
export async function readDockerArchive(
  archive: Archive,
  wanted: Reference | undefined,
  signal: AbortSignal,
): Promise<{ readonly artifact: Image; readonly reference?: string | undefined }> {
  const what = `${archive.name}: manifest.json`;
  const images = decode(
    manifestList,
    parseJson(await archive.readDocument('manifest.json', signal), what),
    what,
  );
  const image = chooseImage(images, wanted, archive.name);
  const [first] = namesOf(image);
  const name = wanted ?? first;
  return {
    artifact: await loadImage(archive, image, signal),
    reference: name === undefined ? undefined : formatReference(name),
  };
}

function chooseImage(
  images: readonly ArchivedImage[],
  wanted: Reference | undefined,
  what: string,
): ArchivedImage {
  const [only, ...others] = images;
  const names = images.flatMap(namesOf).map(familiarReference).join(', ');
  const hint = names === '' ? undefined : `it has ${names}`;
  if (wanted === undefined) {
    if (only === undefined) throw new OcislimError('OCISLIM_NOT_FOUND', `${what}: holds no image`);
    if (others.length === 0) return only;
    throw new OcislimError(
      'OCISLIM_USAGE',
      `${what}: holds ${images.length} images; say which, as ${what}:NAME`,
      {
        hint,
      },
    );
  }
  const full = formatReference(wanted);
  const found = images.find((image) => namesOf(image).some((name) => formatReference(name) === full));
  if (found !== undefined) return found;
  throw new OcislimError('OCISLIM_NOT_FOUND', `${what}: no image called ${familiarReference(wanted)}`, {
    hint,
  });
}

function namesOf({ RepoTags }: ArchivedImage): Reference[] {
  return (RepoTags ?? []).map((tag) => parseReference(tag));
}

async function loadImage(
  archive: Archive,
  { Config, Layers }: ArchivedImage,
  signal: AbortSignal,
): Promise<Image> {
  // Names are looked up among the members, so one that leads out of the archive finds nothing (CVE-2014-9358).
  const rawConfig = await archive.readDocument(Config, signal);
  const config = decodeConfig(rawConfig, `${archive.name}: ${Config}`);
  const claimed = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(Config)?.[1];
  const configDigest = sha256(rawConfig);
  if (claimed !== undefined && configDigest !== `sha256:${claimed}`) {
    throw new OcislimError(
      'OCISLIM_DIGEST_MISMATCH',
      `${archive.name}: ${Config} has digest ${configDigest}`,
    );
  }
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== Layers.length)
    throw invalid(archive.name, `${Layers.length} layers but ${diffIds.length} diff_ids`);
  const layers: Layer[] = [];
  for (const [at, path] of Layers.entries())
    layers.push(await layerAt(archive, path, diffIds[at] as Digest, signal));
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: { mediaType: MediaType.Config, digest: configDigest, size: rawConfig.length },
    layers: layers.map((layer) => layer.descriptor),
  };
  const raw = encodeManifest(manifest);
  const platform = platformOfConfig(config);
  const descriptor = { mediaType: MediaType.Manifest, digest: sha256(raw), size: raw.length, platform };
  return { kind: 'image', descriptor, raw, manifest, config, rawConfig, layers };
}

/** An uncompressed layer's digest is its diffID; a compressed one has to be read for it. */
async function layerAt(archive: Archive, path: string, diffId: Digest, signal: AbortSignal): Promise<Layer> {
  const size = archive.size(path);
  let compression: ReturnType<typeof detectCompression> = 'none';
  for await (const chunk of archive.read(path, signal)) {
    compression = detectCompression(chunk as Buffer);
    break;
  }
  const digest = compression === 'none' ? diffId : await digestOf(archive, path, signal);
  const descriptor = { mediaType: layerMediaType(compression), digest, size };
  return {
    descriptor,
    diffId,
    open: async (options) => archive.readVerified(path, descriptor, options?.signal),
  };
}

async function digestOf(archive: Archive, path: string, signal: AbortSignal): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of archive.read(path, signal)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

/** `manifest.json` for an image whose blobs are where a layout has them; names in familiar form, always with a tag. */
export function dockerManifest(image: Image, references: readonly Reference[]): Buffer {
  const tagged = references.filter((reference) => reference.tag !== undefined);
  return Buffer.from(
    JSON.stringify([
      {
        Config: archivePath(image.manifest.config.digest),
        RepoTags: tagged.map(({ registry, repository, tag }) =>
          familiarReference({ registry, repository, tag }),
        ),
        Layers: image.layers.map((layer) => archivePath(layer.descriptor.digest)),
      },
    ]),
  );
}
