import { constants, existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Leaving, Plan, Program, Recipe } from './recipe.ts';
import type { Source } from './source.ts';

/** Whether a plan is for a copy of the source. A program of single files sees these alone, so that its key knows all it sees. */
export function needsCopy(
  { files }: Pick<Program, 'files'>,
  { writesSource }: Pick<Plan, 'writesSource'>,
): boolean {
  return writesSource || files !== undefined;
}

/** Whether a file or folder is no part of a source: what git keeps, and what compiling leaves. */
export function isLeftOut(
  name: string,
  leavings: readonly Leaving[],
  hasSibling: (name: string) => boolean,
): boolean {
  return name === '.git' || leavings.some((each) => each.name === name && hasSibling(each.beside));
}

/** Copies what a program is compiled from into a new folder, so that compiling changes nothing of the user's. */
export async function copySource(
  { folder }: Source,
  { leavings }: Pick<Recipe, 'leavings'>,
  { files }: Pick<Program, 'files'>,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  const common = { preserveTimestamps: true, mode: constants.COPYFILE_FICLONE };
  const isPart = (path: string) => {
    signal?.throwIfAborted();
    return !isLeftOut(basename(path), leavings, (name) => existsSync(join(dirname(path), name)));
  };
  if (files === undefined) {
    const filter = (path: string) => path === folder || isPart(path);
    await cp(folder, target, { ...common, recursive: true, verbatimSymlinks: true, filter });
    return;
  }
  await mkdir(target, { recursive: true });
  for (const file of files) {
    await mkdir(dirname(join(target, file)), { recursive: true });
    await cp(join(folder, file), join(target, file), { ...common, dereference: true });
  }
}
