import { constants } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Plan, Program, Recipe } from './recipe.ts';
import type { Source } from './source.ts';

/** Whether a plan is for a copy of the source. A program of single files sees these alone, so that its key knows all it sees. */
export function needsCopy(
  { files }: Pick<Program, 'files'>,
  { writesSource }: Pick<Plan, 'writesSource'>,
): boolean {
  return writesSource || files !== undefined;
}

/** Copies what a program is compiled from into a new folder, so that compiling changes nothing of the user's. */
export async function copySource(
  { folder }: Source,
  { leavings }: Pick<Recipe, 'leavings'>,
  { files }: Pick<Program, 'files'>,
  target: string,
): Promise<void> {
  const left = new Set(leavings.map((path) => join(folder, path)));
  const options = {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
    mode: constants.COPYFILE_FICLONE,
    filter: (path: string) => basename(path) !== '.git' && !left.has(path),
  };
  if (files === undefined) {
    await cp(folder, target, options);
    return;
  }
  await mkdir(target, { recursive: true });
  for (const file of files) {
    await mkdir(dirname(join(target, file)), { recursive: true });
    await cp(join(folder, file), join(target, file), {
      ...options,
      verbatimSymlinks: false,
      dereference: true,
    });
  }
}
