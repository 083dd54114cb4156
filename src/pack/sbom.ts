import { Annotation, formatPlatform, hostPlatform, type Platform, parsePlatform } from '#oci-spec-types';
import { platformOfConfig } from '../image/load.ts';
import type { Artifact, Image, Layer } from '../image/model.ts';
import { imageFor } from '../image/select.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { createdTime, isoTime } from '../lib/time.ts';
import { familiarReference, parseReference, type Reference, repositoryName } from '../registry/reference.ts';
import { mergeTocs } from '../rootfs/tree.ts';
import type { SbomFormat, Subject } from '../sbom/document.ts';
import { type Inventory, inventoryOf } from '../sbom/inventory.ts';
import { imagePurl } from '../sbom/purl.ts';
import { decodeFindings, encodeFindings, type FileFinding, scanLayer } from '../sbom/scan.ts';
import { ignoreReadOnly } from '../store/tocs.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';
import { VERSION } from '../version.ts';
import { layerOrigins } from './inspect.ts';
import { layersInStore } from './layers.ts';

export interface SbomOptions {
  readonly format: SbomFormat;
  readonly platform?: string | undefined;
}

/**
 * The software bill of materials of an image: one of the store where the name is there, else of the registry, or of any
 * other source.
 * @returns a document as JSON
 * @throws what the source throws; OCISLIM_PLATFORM_UNAVAILABLE
 */
export async function sbom(
  name: string,
  { format, platform }: SbomOptions,
  context: Context,
): Promise<Uint8Array> {
  return within(name, async () => {
    const { artifact, reference } = await openSource(parseLocation(name, { default: 'any' }), context);
    const wanted = platform === undefined ? undefined : parsePlatform(platform);
    const image = await oneOf(artifact, wanted, context);
    const found = reference === undefined ? undefined : parseReference(reference);
    return sbomOf(image, { name, reference: found, format }, context);
  });
}

/** Of a single image what it is; of an index the one for a platform, which is this machine's unless another is asked for. */
async function oneOf(artifact: Artifact, wanted: Platform | undefined, { signal }: Context): Promise<Image> {
  if (artifact.kind === 'image' && wanted === undefined) return artifact;
  return imageFor(artifact, wanted ?? hostPlatform(), { signal });
}

export interface NamedAs {
  /** What the image is called where no registry names it. */
  readonly name: string;
  readonly reference?: Reference | undefined;
  readonly format: SbomFormat;
}

/** The document about one image. The same image under the same name gives the same bytes. */
export async function sbomOf(image: Image, named: NamedAs, context: Context): Promise<Uint8Array> {
  const subject = subjectOf(image, named, context.env);
  const inventory = await inventoryOfImage(image, context);
  for (const { path, why } of inventory.unread) context.progress.warn(`not read: /${path}: ${why}`);
  const parts = { subject, inventory, version: VERSION };
  if (named.format === 'spdx') return (await import('../sbom/spdx.ts')).spdxDocument(parts);
  return (await import('../sbom/cyclonedx.ts')).cyclonedxDocument(parts);
}

/** What is in an image. Layers that are not on this machine are fetched; each is read once, and remembered. */
export async function inventoryOfImage(image: Image, context: Context): Promise<Inventory> {
  const { store, signal } = context;
  const findings: (readonly FileFinding[])[] = [];
  const tocs = [];
  for (const layer of await layersInStore(image.layers, context)) {
    tocs.push(await store.tocs.get(layer, { signal }));
    findings.push(await findingsOf(layer, context));
  }
  return inventoryOf(findings, mergeTocs(tocs));
}

/** @throws OCISLIM_DIGEST_MISMATCH when the content is not what the image's config says. */
async function findingsOf(layer: Layer, { store, signal }: Context): Promise<readonly FileFinding[]> {
  const note = await store.findings.get(layer.diffId);
  const known = note && decodeFindings(note);
  if (known !== undefined) return known;
  const { diffId, findings } = await scanLayer(await layer.open({ signal }), layer.descriptor.mediaType, {
    signal,
    temporaryFile: () => store.temporaryFile(),
  });
  if (diffId !== layer.diffId) {
    throw new OcislimError(
      'OCISLIM_DIGEST_MISMATCH',
      `layer ${layer.descriptor.digest}: unpacks to ${diffId}, its image says ${layer.diffId}`,
    );
  }
  await store.findings.set(layer.diffId, encodeFindings(findings)).catch(ignoreReadOnly);
  return findings;
}

function subjectOf(image: Image, { name, reference }: NamedAs, env: Context['env']): Subject {
  const { digest } = image.descriptor;
  const origins = layerOrigins(image);
  const annotations = image.manifest.annotations ?? {};
  return {
    name: reference === undefined ? name : familiarReference(reference),
    digest,
    platform: formatPlatform(platformOfConfig(image.config)),
    purl: reference && imagePurl({ repository: repositoryName(reference), digest, tag: reference.tag }),
    layers: image.layers.map(({ descriptor, diffId }, at) => ({
      digest: descriptor.digest,
      diffId,
      mediaType: descriptor.mediaType,
      origin: origins[at]?.origin ?? 'unknown',
    })),
    base: baseOf(annotations[Annotation.BaseName], annotations[Annotation.BaseDigest]),
    created: timeOf(image.config.created, env),
  };
}

/** What an image records of its base; anybody may have written it. */
function baseOf(name: string | undefined, digest: string | undefined): Subject['base'] {
  if (name === undefined) return undefined;
  if (digest === undefined || !/^sha(?:256|512):[0-9a-f]+$/.test(digest)) return { name };
  try {
    const reference = parseReference(name);
    const { tag } = reference;
    return { name, digest, purl: imagePurl({ repository: repositoryName(reference), digest, tag }) };
  } catch {
    return { name, digest };
  }
}

/** `SOURCE_DATE_EPOCH`, else the image's own time: never the clock's. */
function timeOf(created: string | undefined, env: Context['env']): string {
  if (env['SOURCE_DATE_EPOCH']) return createdTime({ env }).iso;
  const seconds = Math.floor(Date.parse(created ?? '') / 1000);
  return isoTime(seconds >= 0 && seconds < 253_402_300_800 ? seconds : 0);
}
