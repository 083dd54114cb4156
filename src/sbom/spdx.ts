import { createHash } from 'node:crypto';
import { contentUuid, type DocumentParts, encodeDocument, fullName, splitDigest } from './document.ts';
import type { Component } from './inventory.ts';

const NO_ASSERTION = 'NOASSERTION';

interface Relationship {
  readonly spdxElementId: string;
  readonly relationshipType: string;
  readonly relatedSpdxElement: string;
  readonly comment?: string;
}

/**
 * An inventory as SPDX 2.3 JSON (spdx.github.io/spdx-spec/v2.3). The image contains layers, and layers components; files
 * come from layers, and contain components or record them. It has the image's time and a name that follows from its content.
 */
export function spdxDocument(parts: DocumentParts): Buffer {
  const { subject, inventory, version } = parts;
  const image = 'SPDXRef-Image';
  const layerIds = subject.layers.map((_, at) => `SPDXRef-Layer-${at + 1}`);
  const fileIds = inventory.files.map(({ path }) => `SPDXRef-File-${short(path)}`);
  const relationships: Relationship[] = [];
  const relate = (from: string, type: string, to: string, comment?: string) =>
    relationships.push({
      spdxElementId: from,
      relationshipType: type,
      relatedSpdxElement: to,
      ...(comment === undefined ? {} : { comment }),
    });

  relate('SPDXRef-DOCUMENT', 'DESCRIBES', image);
  for (const id of layerIds) relate(image, 'CONTAINS', id);
  const { base } = subject;
  if (base !== undefined) relate(image, 'DESCENDANT_OF', 'SPDXRef-Base');
  if (inventory.os !== undefined) relate(image, 'CONTAINS', 'SPDXRef-OperatingSystem');
  for (const [at, { layer }] of inventory.files.entries())
    relate(fileIds[at] ?? '', 'EXPANDED_FROM_ARCHIVE', layerIds[layer] ?? image);
  for (const component of inventory.components) {
    const id = componentId(component);
    for (const layer of component.layers) relate(layerIds[layer] ?? image, 'CONTAINS', id);
    for (const { file, evidence } of component.files) {
      const fileId = fileIds[file] ?? '';
      if (evidence === 'contains') relate(fileId, 'CONTAINS', id);
      else relate(id, 'OTHER', fileId, 'the file records that the package is installed');
    }
  }

  const { created } = subject;
  return encodeDocument({
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: subject.name,
    documentNamespace: `urn:uuid:${contentUuid(parts, 'spdx')}`,
    creationInfo: { created, creators: [`Tool: ocislim-${version}`] },
    ...(inventory.unread.length === 0
      ? {}
      : { comment: `Not read: ${inventory.unread.map(({ path, why }) => `/${path} (${why})`).join('; ')}` }),
    packages: [
      packageOf(image, subject.name, {
        versionInfo: subject.digest,
        checksums: [checksum(subject.digest)],
        externalRefs: purlRef(subject.purl),
        primaryPackagePurpose: 'CONTAINER',
        comment: subject.platform,
      }),
      ...(base === undefined
        ? []
        : [
            packageOf('SPDXRef-Base', base.name, {
              ...(base.digest === undefined
                ? {}
                : { versionInfo: base.digest, checksums: [checksum(base.digest)] }),
              externalRefs: purlRef(base.purl),
              primaryPackagePurpose: 'CONTAINER',
            }),
          ]),
      ...subject.layers.map(({ digest, diffId, mediaType, origin }, at) =>
        packageOf(layerIds[at] ?? '', `layer ${at + 1}`, {
          versionInfo: digest,
          checksums: [checksum(digest)],
          primaryPackagePurpose: 'ARCHIVE',
          comment: [
            mediaType,
            `diffID ${diffId}`,
            ...(origin === 'unknown' ? [] : [`of the ${origin}`]),
          ].join('; '),
        }),
      ),
      ...(inventory.os === undefined
        ? []
        : [
            packageOf('SPDXRef-OperatingSystem', inventory.os.id, {
              versionInfo: inventory.os.version,
              summary: inventory.os.name,
              primaryPackagePurpose: 'OPERATING_SYSTEM',
            }),
          ]),
      ...inventory.components.map(componentPackage),
    ],
    files: inventory.files.map(({ path, sha1, sha256 }, at) => ({
      fileName: `./${path}`,
      SPDXID: fileIds[at],
      checksums: [
        { algorithm: 'SHA1', checksumValue: sha1 },
        { algorithm: 'SHA256', checksumValue: sha256 },
      ],
      licenseConcluded: NO_ASSERTION,
      licenseInfoInFiles: [NO_ASSERTION],
      copyrightText: NO_ASSERTION,
    })),
    relationships,
  });
}

function componentPackage(component: Component): object {
  const { package: found, purl, licence } = component;
  const comments = licence !== undefined && licence.expression === undefined;
  return packageOf(componentId(component), fullName(found), {
    versionInfo: found.version,
    licenseDeclared: licence?.expression ?? NO_ASSERTION,
    ...(comments ? { licenseComments: `said to be: ${licence.said}` } : {}),
    externalRefs: purlRef(purl),
    primaryPackagePurpose: 'LIBRARY',
  });
}

/** Fields in the order of the specification; those that are undefined are left out. */
function packageOf(id: string, name: string, more: Readonly<Record<string, unknown>>): object {
  return {
    name,
    SPDXID: id,
    downloadLocation: NO_ASSERTION,
    filesAnalyzed: false,
    licenseConcluded: NO_ASSERTION,
    licenseDeclared: NO_ASSERTION,
    copyrightText: NO_ASSERTION,
    ...more,
  };
}

function purlRef(purl: string | undefined): readonly object[] | undefined {
  if (purl === undefined) return undefined;
  return [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }];
}

function checksum(digest: string): object {
  const [algorithm, checksumValue] = splitDigest(digest);
  return { algorithm: algorithm.toUpperCase(), checksumValue };
}

function componentId({ key, package: { ecosystem } }: Component): string {
  return `SPDXRef-Package-${ecosystem}-${short(key)}`;
}

/** Identifiers have letters, digits, `.` and `-` alone (SPDX 2.3 § 7.2). */
function short(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
