import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { formatPlatform } from '#oci-spec-types';
import { platformOfConfig } from '../image/load.ts';
import type { Artifact, Image, Opaque } from '../image/model.ts';
import { referrerOf } from '../image/referrer.ts';
import { writeBytesAtomically } from '../lib/atomic-file.ts';
import { isoTime } from '../lib/time.ts';
import { PREDICATE_TYPE, PROVENANCE_MEDIA_TYPE } from '../provenance/statement.ts';
import type { Reference } from '../registry/reference.ts';
import type { SbomFormat } from '../sbom/document.ts';
import type { Context } from '../transports/context.ts';

/** Documents about a result that are made with it. */
export interface DocumentsRequest {
  readonly sbom?: SbomFormat | undefined;
  /** A folder that gets the same as files, too. */
  readonly sbomDir?: string | undefined;
  readonly provenance: boolean;
  /** A file that gets the same, too. */
  readonly provenanceFile?: string | undefined;
}

/** Media types of SBOMs (IANA), which tools look for among what refers to an image. */
const SBOM_TYPES: Readonly<Record<SbomFormat, string>> = {
  spdx: 'application/spdx+json',
  cyclonedx: 'application/vnd.cyclonedx+json',
};
const EXTENSIONS: Readonly<Record<SbomFormat, string>> = { spdx: 'spdx.json', cyclonedx: 'cdx.json' };

export interface MadeImages {
  readonly artifact: Artifact;
  readonly images: readonly Image[];
  readonly references: readonly Reference[];
  /** Seconds since the epoch. */
  readonly created: number;
  /** What a provenance says; called where one is asked for. */
  provenance(): Promise<Uint8Array>;
}

/**
 * Makes the documents that a request asks for and writes their files: an SBOM for each platform's image, about that; one
 * provenance, about the whole.
 * @returns the manifests that carry them, to be attached wherever the result goes
 */
export async function makeDocuments(
  request: DocumentsRequest | undefined,
  made: MadeImages,
  context: Context,
): Promise<readonly Opaque[]> {
  if (request === undefined) return [];
  const { artifact, images, references, created } = made;
  const annotations = { 'org.opencontainers.image.created': isoTime(created) };
  const documents: Opaque[] = [];
  const { sbom, sbomDir, provenance, provenanceFile } = request;
  if (sbom !== undefined) {
    // What reads zips and licences is loaded for SBOMs alone.
    const { sbomOf } = await import('./sbom.ts');
    const [reference] = references;
    for (const image of images) {
      const payload = await sbomOf(image, { name: 'image', reference, format: sbom }, context);
      documents.push(
        referrerOf({ subject: image.descriptor, artifactType: SBOM_TYPES[sbom], payload, annotations }),
      );
      if (sbomDir === undefined) continue;
      const path = join(resolve(context.cwd, sbomDir), fileName(image, images.length, reference, sbom));
      await mkdir(resolve(context.cwd, sbomDir), { recursive: true });
      await writeBytesAtomically(path, payload);
    }
  }
  if (provenance) {
    const payload = await made.provenance();
    documents.push(
      referrerOf({
        subject: artifact.descriptor,
        artifactType: PROVENANCE_MEDIA_TYPE,
        payload,
        annotations: {
          ...annotations,
          // What BuildKit and cosign tell statements apart by.
          'in-toto.io/predicate-type': PREDICATE_TYPE,
        },
      }),
    );
    if (provenanceFile !== undefined)
      await writeBytesAtomically(resolve(context.cwd, provenanceFile), payload);
  }
  return documents;
}

/** The last part of the image's name; with its platform where there are several. */
function fileName(image: Image, count: number, reference: Reference | undefined, format: SbomFormat): string {
  const name = reference?.repository.split('/').at(-1) ?? 'image';
  const platform = formatPlatform(platformOfConfig(image.config)).replaceAll('/', '-');
  return `${count === 1 ? name : `${name}-${platform}`}.${EXTENSIONS[format]}`;
}
