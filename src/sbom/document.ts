import { createHash } from 'node:crypto';
import type { Inventory } from './inventory.ts';

/** The forms that documents have. */
export const SBOM_FORMATS = ['spdx', 'cyclonedx'] as const;
export type SbomFormat = (typeof SBOM_FORMATS)[number];

/** What a document is about: one platform's image. */
export interface Subject {
  /** As people know it, e.g. `ghcr.io/me/app:1`. */
  readonly name: string;
  /** Of the image's manifest. */
  readonly digest: string;
  /** E.g. `linux/amd64`. */
  readonly platform: string;
  readonly purl?: string | undefined;
  /** From the base up. */
  readonly layers: readonly {
    readonly digest: string;
    readonly diffId: string;
    readonly mediaType: string;
    readonly origin: 'base' | 'app' | 'unknown';
  }[];
  readonly base?:
    | { readonly name: string; readonly digest?: string | undefined; readonly purl?: string | undefined }
    | undefined;
  /** RFC 3339. */
  readonly created: string;
}

export interface DocumentParts {
  readonly subject: Subject;
  readonly inventory: Inventory;
  /** Of ocislim. */
  readonly version: string;
}

/** A UUID that follows from what a document says (RFC 9562 § 5.8), so that the same content has the same one. */
export function contentUuid(parts: DocumentParts, form: string): string {
  const hash = createHash('sha256').update(JSON.stringify([form, parts]));
  const bytes = hash.digest().subarray(0, 16);
  bytes.writeUInt8(((bytes[6] ?? 0) & 0x0f) | 0x80, 6);
  bytes.writeUInt8(((bytes[8] ?? 0) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** `sha256:HEX` without its algorithm, and the algorithm. */
export function splitDigest(digest: string): readonly [algorithm: string, hex: string] {
  const at = digest.indexOf(':');
  return [digest.slice(0, at), digest.slice(at + 1)];
}

/** What a component is called where a name has no group beside it. */
export function fullName({
  group,
  name,
  ecosystem,
}: {
  group?: string | undefined;
  name: string;
  ecosystem: string;
}): string {
  if (group === undefined) return name;
  return ecosystem === 'maven' ? `${group}:${name}` : `${group}/${name}`;
}

/** JSON with an indent, as people read it, and an end of line. */
export function encodeDocument(document: object): Buffer {
  return Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
}
