import { contentUuid, type DocumentParts, encodeDocument, splitDigest } from './document.ts';
import type { Component, EvidenceFile } from './inventory.ts';
import type { Licence } from './licence.ts';

type Layers = DocumentParts['subject']['layers'];

/**
 * An inventory as CycloneDX 1.6 JSON (ECMA-424). Files stand as occurrences with their components, layers as properties.
 * It has the image's time, and a serial number that follows from its content.
 */
export function cyclonedxDocument(parts: DocumentParts): Buffer {
  const { subject, inventory, version } = parts;
  const { base, layers } = subject;
  const { os } = inventory;
  return encodeDocument({
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${contentUuid(parts, 'cyclonedx')}`,
    version: 1,
    metadata: {
      timestamp: subject.created,
      tools: { components: [{ type: 'application', name: 'ocislim', version }] },
      component: {
        type: 'container',
        'bom-ref': subject.digest,
        name: subject.name,
        version: subject.digest,
        hashes: [hashOf(subject.digest)],
        purl: subject.purl,
        ...(base === undefined ? {} : { pedigree: { ancestors: [baseComponent(base)] } }),
        properties: [
          { name: 'ocislim:platform', value: subject.platform },
          ...layers.flatMap(({ digest, diffId, origin }, at) => [
            { name: `ocislim:layer:${at + 1}:digest`, value: digest },
            { name: `ocislim:layer:${at + 1}:diffId`, value: diffId },
            ...(origin === 'unknown' ? [] : [{ name: `ocislim:layer:${at + 1}:origin`, value: origin }]),
          ]),
          ...inventory.unread.map(({ path, why }) => ({ name: 'ocislim:unread', value: `/${path}: ${why}` })),
        ],
      },
    },
    components: [
      ...(os === undefined
        ? []
        : [
            {
              type: 'operating-system',
              'bom-ref': `os:${os.id}`,
              name: os.id,
              version: os.version,
              description: os.name,
            },
          ]),
      ...inventory.components.map((component) => componentOf(component, inventory.files, layers)),
    ],
  });
}

function baseComponent({ name, digest, purl }: NonNullable<DocumentParts['subject']['base']>): object {
  return {
    type: 'container',
    name,
    version: digest,
    ...(digest === undefined ? {} : { hashes: [hashOf(digest)] }),
    purl,
  };
}

function componentOf(component: Component, files: readonly EvidenceFile[], layers: Layers): object {
  const { key, package: found, purl, licence } = component;
  return {
    type: 'library',
    'bom-ref': key,
    group: found.group,
    name: found.name,
    version: found.version,
    licenses: licencesOf(licence),
    purl,
    evidence: {
      occurrences: component.files.map(({ file, evidence }) => ({
        location: `/${files[file]?.path ?? ''}`,
        additionalContext: evidence === 'contains' ? 'the file contains it' : 'the file records it',
      })),
    },
    properties: component.layers.map((layer) => ({
      name: 'ocislim:layer',
      value: layers[layer]?.digest ?? String(layer),
    })),
  };
}

/** One licence of SPDX's list, an expression of them, or what else was said. */
function licencesOf(licence: Licence | undefined): readonly object[] | undefined {
  if (licence === undefined) return undefined;
  const { id, expression, said } = licence;
  if (id !== undefined) return [{ license: { id } }];
  return expression === undefined ? [{ license: { name: said } }] : [{ expression }];
}

function hashOf(digest: string): object {
  const [algorithm, content] = splitDigest(digest);
  return { alg: algorithm === 'sha512' ? 'SHA-512' : 'SHA-256', content };
}
