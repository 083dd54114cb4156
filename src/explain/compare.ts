import type { ContainerConfig } from '#oci-spec-types';
import type { Node } from '../rootfs/tree.ts';
import { type ChangedFile, type ChangedPart, type ChangedSetting, settingsOf } from './model.ts';
import type { ProgramParts } from './parts.ts';

/** A file of a merged tree, with what tells whether its content is another's. */
export interface ComparedNode extends Node {
  /** Equal for the same content; undefined where it is not known. */
  readonly content?: string | undefined;
}

export type ComparedTree = ReadonlyMap<string, ComparedNode>;

export interface FileDifference {
  readonly added: readonly ChangedFile[];
  readonly removed: readonly ChangedFile[];
  readonly changed: readonly ChangedFile[];
  readonly unchanged: number;
}

/** What is not the same in two file trees; what moves most bytes comes first. Folders count by their mode and owner. */
export function compareTrees(from: ComparedTree, to: ComparedTree): FileDifference {
  const [added, removed, changed]: ChangedFile[][] = [[], [], []];
  let unchanged = 0;
  for (const [path, node] of to) {
    const before = from.get(path);
    if (before === undefined) added?.push({ path, delta: node.size, size: node.size, what: [] });
    else {
      const what = changesOf(before, node);
      if (what.length === 0) unchanged++;
      else changed?.push({ path, delta: node.size - before.size, size: node.size, what });
    }
  }
  for (const [path, { size }] of from)
    if (!to.has(path)) removed?.push({ path, delta: -size, size, what: [] });
  const sorted = (list: readonly ChangedFile[] = []) =>
    list.toSorted((a, b) => Math.abs(b.delta) - Math.abs(a.delta) || (a.path < b.path ? -1 : 1));
  return { added: sorted(added), removed: sorted(removed), changed: sorted(changed), unchanged };
}

function changesOf(a: ComparedNode, b: ComparedNode): readonly string[] {
  const hasOtherContent = a.type === 'file' && (a.size !== b.size || a.content !== b.content);
  return [
    ...(a.type === b.type ? [] : ['type']),
    ...(a.type === b.type && hasOtherContent ? ['content'] : []),
    ...(a.linkname === b.linkname ? [] : ['target']),
    ...(a.mode === b.mode ? [] : ['mode']),
    ...(a.uid === b.uid && a.gid === b.gid ? [] : ['owner']),
  ];
}

/** Settings that are new, gone or another, in the order of their names. */
export function compareConfigs(from: ContainerConfig, to: ContainerConfig): readonly ChangedSetting[] {
  const [before, after] = [settingsOf(from), settingsOf(to)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .map((key) => ({ key, from: before.get(key), to: after.get(key) }))
    .filter((each) => each.from !== each.to);
}

/** Parts of a program that have changed, the largest changes first. */
export function compareParts(from: ProgramParts, to: ProgramParts): readonly ChangedPart[] {
  const sizes = (parts: ProgramParts) => new Map(parts.parts.map(({ name, size }) => [name, size]));
  const [before, after] = [sizes(from), sizes(to)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((name) => ({ name, from: before.get(name) ?? 0, to: after.get(name) ?? 0 }))
    .filter((part) => part.from !== part.to)
    .sort((a, b) => Math.abs(b.to - b.from) - Math.abs(a.to - a.from) || (a.name < b.name ? -1 : 1));
}
