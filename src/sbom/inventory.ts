import { posix } from 'node:path';
import type { Node, Tree } from '../rootfs/tree.ts';
import type { Evidence, FoundPackage, OsRelease } from './component.ts';
import { allOf, type Licence, licenceOf } from './licence.ts';
import { INSTALLED, NPM_MANIFEST } from './npm.ts';
import { purlOf } from './purl.ts';
import type { FileFinding } from './scan.ts';

/** What is in an image, as a document tells it. */
export interface Inventory {
  readonly os?: OsRelease | undefined;
  /** Files that tell of components, sorted by path. */
  readonly files: readonly EvidenceFile[];
  /** Sorted by their keys. */
  readonly components: readonly Component[];
  /** Files that must tell of components and could not be read, with why. */
  readonly unread: readonly { readonly path: string; readonly why: string }[];
}

export interface EvidenceFile {
  /** Without a slash in front. */
  readonly path: string;
  readonly sha1: string;
  readonly sha256: string;
  /** Counted from the base up. */
  readonly layer: number;
}

export interface Component {
  /** Tells it from all others. */
  readonly key: string;
  readonly package: FoundPackage;
  readonly purl?: string | undefined;
  readonly licence?: Licence | undefined;
  /** The files that tell of it, by their places in {@link Inventory.files}. */
  readonly files: readonly { readonly file: number; readonly evidence: Evidence }[];
  /** The layers that brought it. */
  readonly layers: readonly number[];
}

/**
 * What the findings of an image's layers come to: of a file that several layers have, the uppermost's count.
 * @param tree the merged tree of the same layers
 */
export function inventoryOf(layers: readonly (readonly FileFinding[])[], tree: Tree): Inventory {
  const byPlace = layers.map((findings) => new Map(findings.map((each) => [each.offset, each])));
  const byPath = layers.map((findings) => new Map(findings.map((each) => [each.path, each])));
  const at = ({ layer = -1, offset = -1 }: Node) => byPlace[layer]?.get(offset);
  const seen = new Set<FileFinding>();
  const found = [...tree.all()]
    .filter(({ type }) => type === 'file')
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .flatMap((node) => {
      const finding = at(node);
      // Hard links are one file.
      if (finding === undefined || seen.has(finding) || !counts(node.path, tree)) return [];
      seen.add(finding);
      return [{ node, finding }];
    });
  const os = found.find(({ finding }) => finding.os !== undefined)?.finding.os;
  const files: EvidenceFile[] = [];
  const components = new Map<string, Component>();
  for (const { node, finding } of found) {
    const { sha1, sha256, evidence, packages } = finding;
    const { path, layer = 0 } = node;
    if (sha1 === undefined || sha256 === undefined) continue;
    const file = files.push({ path, sha1, sha256, layer }) - 1;
    const origins = evidence === 'records' ? originsOf(finding, layer, byPath) : undefined;
    for (const each of packages) {
      const purl = purlOf(each, os);
      const key = purl ?? JSON.stringify([each.ecosystem, each.group, each.name, each.version]);
      const from = origins?.get(identity(each)) ?? layer;
      const known = components.get(key);
      const licence = licenceOf(each.licence) ?? documented(each, tree, at);
      components.set(key, {
        key,
        package: each,
        purl,
        licence: known?.licence ?? licence,
        files: [...(known?.files.filter((other) => other.file !== file) ?? []), { file, evidence }],
        layers: [...new Set([...(known?.layers ?? []), from])].sort((a, b) => a - b),
      });
    }
  }
  const unread = found.flatMap(({ node, finding }) =>
    finding.unread === undefined ? [] : [{ path: node.path, why: finding.unread }],
  );
  const sorted = [...components.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return { os, files, components: sorted, unread };
}

/** A package.json that is neither installed nor an application's own is a part of some package. */
function counts(path: string, tree: Tree): boolean {
  if (!NPM_MANIFEST.test(path) || INSTALLED.test(path)) return true;
  return tree.lookup(posix.join(posix.dirname(path), 'node_modules'))?.type === 'directory';
}

/** The layer that each package of a database came with: the lowest from which on all have it. */
function originsOf(
  { path, packages }: FileFinding,
  layer: number,
  byPath: readonly ReadonlyMap<string, FileFinding>[],
): ReadonlyMap<string, number> {
  const origins = new Map(packages.map((each) => [identity(each), layer]));
  const left = new Set(origins.keys());
  for (let below = layer - 1; below >= 0 && left.size > 0; below--) {
    const before = byPath[below]?.get(path);
    if (before === undefined) continue;
    const there = new Set(before.packages.map(identity));
    for (const each of left) {
      if (there.has(each)) origins.set(each, below);
      else left.delete(each);
    }
  }
  return origins;
}

function identity({ name, version, arch }: FoundPackage): string {
  return JSON.stringify([name, version, arch]);
}

/** What a Debian package's copyright file says. */
function documented(
  { ecosystem, name }: FoundPackage,
  tree: Tree,
  at: (node: Node) => FileFinding | undefined,
): Licence | undefined {
  const node = ecosystem === 'deb' ? tree.lookup(`usr/share/doc/${name}/copyright`) : undefined;
  return allOf((node && at(node)?.licences) ?? []);
}
