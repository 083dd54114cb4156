import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import pMap from 'p-map';
import { isLeftOut } from '../compile/copy.ts';
import type { Leaving } from '../compile/recipe.ts';
import { findSource } from '../compile/source.ts';
import { stampOf } from '../lib/file-memo.ts';
import { parseAddition } from './add.ts';
import { recogniseRequested } from './compile-source.ts';
import { isPattern, patternForm } from './inputs.ts';
import type { PackRequest } from './request.ts';

/** Files by absolute path, each with what tells whether it has changed. */
export type Snapshot = ReadonlyMap<string, string>;

/** What a result is made from: a file, or all in a folder but what is left out. */
export interface WatchTarget {
  /** Absolute. */
  readonly path: string;
  /** Whether a file or folder in the folder is no part of it. */
  isLeftOut?(path: string): boolean;
}

/** Files that are looked at at the same time. */
const CONCURRENCY = 32;

/**
 * What a request is about: the whole module or workspace of its source, or its programs, and what it adds. Of source that
 * cannot be recognised now, the folder that was named.
 */
export async function watchTargets(request: PackRequest, cwd: string): Promise<readonly WatchTarget[]> {
  const { path, compile, add } = request;
  const added = add.map((option) => ({ path: resolve(cwd, parseAddition(option).source) }));
  if (isPattern(path)) {
    const form = patternForm(path);
    const folder = resolve(cwd, dirname(path));
    const isOther = (file: string) => dirname(file) !== folder || !form.test(basename(file));
    return [{ path: folder, isLeftOut: isOther }, ...added];
  }
  const source = await findSource(path, cwd);
  if (source === undefined) return [{ path: resolve(cwd, path) }, ...added];
  const recognised = await recogniseRequested(source, path, compile).catch(() => undefined);
  const files = recognised?.program.files;
  const folder = recognised?.source.folder ?? source.folder;
  if (files !== undefined) return [...files.map((file) => ({ path: join(folder, file) })), ...added];
  if (recognised === undefined && source.file !== undefined)
    return [{ path: join(folder, source.file) }, ...added];
  const leavings: readonly Leaving[] = recognised?.recipe.leavings ?? [];
  const isNoPart = (file: string) =>
    isLeftOut(basename(file), leavings, (name) => existsSync(join(dirname(file), name)));
  return [{ path: folder, isLeftOut: isNoPart }, ...added];
}

/**
 * How files are now. What is missing is not in it, but where it would be is watched.
 * @param watchFolder called before a folder is read, so that no change falls between; with a name where only that matters
 */
export async function takeSnapshot(
  targets: readonly WatchTarget[],
  watchFolder: (folder: string, name?: string) => Promise<void>,
  signal: AbortSignal,
): Promise<Snapshot> {
  const files = new Map<string, string>();
  const visit = async (path: string, target: WatchTarget): Promise<void> => {
    signal.throwIfAborted();
    await watchFolder(path);
    const found = await readdir(path, { withFileTypes: true }).catch(() => []);
    const parts = found.filter((each) => target.isLeftOut?.(join(path, each.name)) !== true);
    for (const { name } of parts.filter((each) => each.isDirectory())) await visit(join(path, name), target);
    const names = parts.filter((each) => !each.isDirectory()).map(({ name }) => join(path, name));
    await pMap(names, (name) => note(name, files), { concurrency: CONCURRENCY });
  };
  for (const target of targets) {
    await watchFolder(...placeOf(target.path));
    const isFolder = (await stat(target.path).catch(() => undefined))?.isDirectory() === true;
    await (isFolder ? visit(target.path, target) : note(target.path, files));
  }
  return files;
}

async function note(path: string, files: Map<string, string>): Promise<void> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  // A link to nothing, and what went since the folder was read.
  if (found !== undefined) files.set(path, stampOf(found));
}

/** The nearest folder above a path that is there, and what in it leads to the path: a build may take away all of `dist`. */
function placeOf(path: string): [folder: string, name: string] {
  let folder = dirname(path);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const [name = ''] = relative(folder, path).split(sep);
  return [folder, name];
}
