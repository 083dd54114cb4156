import { Readable } from 'node:stream';
import {
  type Descriptor,
  type Digest,
  encodeManifest,
  isDigest,
  layerMediaType,
  type Manifest,
  MediaType,
  sha256,
  shortDigest,
} from '#oci-spec-types';
import type { Blob, Layer, Opaque } from '../image/model.ts';
import { compressionOf, decompress } from '../layer/compression.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { readVerified } from '../lib/verify.ts';
import type { Context } from '../transports/context.ts';
import { openSource, writeOutput } from '../transports/index.ts';
import { type Location, parseLocation } from '../transports/location.ts';
import { compressLayer } from './compress-layer.ts';
import type { StepResult, Steps } from './step-cache.ts';

const TYPE = 'application/vnd.ocislim.build-cache.v1+json';
const FORM = 1;
/** What is fetched to be looked into. */
const LIMIT = 16 * 1024 * 1024;
/** Fast, and small enough: it is packed anew for images. */
const COMPRESSION = { kind: 'zstd', level: 3 } as const;

/** What a cache's config says: the layer of each step, as its diffID and size, or null where it changed nothing. */
interface Contents {
  readonly form: number;
  readonly steps: Readonly<Record<string, { readonly diffId: Digest; readonly size: number } | null>>;
}

/**
 * A place for a cache: a registry's reference, `type=registry,ref=REF`, a folder that begins with `.` or `/`, or
 * `type=local,dest=DIR` (`src` to read).
 * @throws OCISLIM_USAGE
 */
export function cacheLocation(option: string, text: string): Location {
  const fields = new Map(
    text
      .split(',')
      .map((field) => [field.split('=', 1)[0] ?? '', field.slice(field.indexOf('=') + 1)] as const),
  );
  const type = fields.get('type');
  if (type === undefined) return parseLocation(/^\.{0,2}\//.test(text) ? `oci:${text}` : text);
  const place =
    type === 'registry'
      ? fields.get('ref')
      : type === 'local'
        ? (fields.get('dest') ?? fields.get('src'))
        : undefined;
  if (type !== 'registry' && type !== 'local')
    throw new OcislimError('OCISLIM_USAGE', `${option} ${text}: caches are of type registry or local here`);
  if (place === undefined || place === '') {
    throw new OcislimError('OCISLIM_USAGE', `${option} ${text}: no place for a cache`, {
      hint: 'for example ghcr.io/me/app:cache, ./cache, type=registry,ref=… or type=local,dest=…',
    });
  }
  return parseLocation(type === 'local' ? `oci:${place}` : place);
}

/** Writes the results of a build's steps to where other machines find them. */
export async function exportCache(steps: Steps, location: Location, context: Context): Promise<void> {
  const { progress } = context;
  const known = [...steps].sort(([a], [b]) => (a < b ? -1 : 1));
  const layers = new Map<Digest, Layer>();
  for (const [, { layer }] of known) if (layer !== undefined) layers.set(layer.diffId, layer);
  const packed: Layer[] = [];
  for (const layer of layers.values()) packed.push(await compressLayer(layer, COMPRESSION, 'cache', context));
  const contents: Contents = {
    form: FORM,
    steps: Object.fromEntries(
      known.map(([key, { layer }]) => [
        key,
        layer === undefined ? null : { diffId: layer.diffId, size: layer.descriptor.size },
      ]),
    ),
  };
  const artifact = cacheArtifact(contents, packed);
  const references = location.transport === 'docker' ? [location.reference] : [];
  const { dest } = await writeOutput(location, { artifact, references, created: 0 }, context);
  progress.note(`cache of ${known.length} steps written to ${dest}`);
}

function cacheArtifact(contents: Contents, layers: readonly Layer[]): Opaque {
  const bytes = Buffer.from(JSON.stringify(contents));
  const config: Descriptor = { mediaType: TYPE, digest: sha256(bytes), size: bytes.length };
  const described = layers.map((layer): Layer => {
    const annotations = { 'org.ocislim.diff-id': layer.diffId };
    return { ...layer, descriptor: { ...layer.descriptor, annotations } };
  });
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    artifactType: TYPE,
    config,
    layers: described.map(({ descriptor }) => descriptor),
  };
  const raw = encodeManifest(manifest);
  const descriptor = { mediaType: MediaType.Manifest, digest: sha256(raw), size: raw.length };
  const document: Blob = { descriptor: config, bytes, open: async () => Readable.from([bytes]) };
  return { kind: 'opaque', descriptor, raw, manifest, blobs: [document, ...described] };
}

/**
 * Reads what another build has left; none of its layers is fetched until a step needs it. Where there is no cache, that
 * is said and no error: a first build has none.
 */
export async function importCache(location: Location, shown: string, context: Context): Promise<Steps> {
  const { progress, signal } = context;
  try {
    return await within(`--cache-from ${shown}`, async () => {
      const { artifact } = await openSource(location, context);
      if (artifact.kind !== 'opaque' || artifact.manifest.artifactType !== TYPE)
        throw new OcislimError('OCISLIM_DOCUMENT_INVALID', 'is no cache of ocislim');
      const [config, ...blobs] = artifact.blobs;
      if (config === undefined || config.descriptor.size > LIMIT)
        throw new OcislimError('OCISLIM_DOCUMENT_INVALID', 'has no list of steps that could be read');
      const bytes = await readVerified(await config.open({ signal }), config.descriptor);
      return stepsOf(JSON.parse(bytes.toString()) as Contents, blobs, `--cache-from ${shown}`);
    });
  } catch (error) {
    signal.throwIfAborted();
    progress.warn(`${error instanceof Error ? error.message : String(error)}; going on without it`);
    return new Map();
  }
}

function stepsOf({ form, steps }: Contents, blobs: readonly Blob[], shown: string): Steps {
  if (form !== FORM || typeof steps !== 'object') return new Map();
  const byDiffId = new Map(blobs.map((blob) => [blob.descriptor.annotations?.['org.ocislim.diff-id'], blob]));
  const found = new Map<Digest, StepResult>();
  for (const [key, step] of Object.entries(steps)) {
    if (!isDigest(key)) continue;
    if (step === null) found.set(key, {});
    else if (isDigest(step.diffId) && Number.isSafeInteger(step.size)) {
      const blob = byDiffId.get(step.diffId);
      if (blob !== undefined) found.set(key, { layer: unpacked(blob, step.diffId, step.size, shown) });
    }
  }
  return found;
}

/** A layer of the cache as steps make them: uncompressed, and known by its diffID, which is checked as it is read. */
function unpacked(blob: Blob, diffId: Digest, size: number, shown: string): Layer {
  const { mediaType } = blob.descriptor;
  const descriptor = { mediaType: layerMediaType('none'), digest: diffId, size };
  return {
    descriptor,
    diffId,
    open: (options) =>
      within(`${shown}: ${shortDigest(blob.descriptor.digest)}`, async () =>
        decompress(await blob.open(options), compressionOf(mediaType) ?? 'none'),
      ),
  };
}
