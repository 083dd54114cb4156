import { OcislimError } from '../lib/errors.ts';
import type { Program, Recipe } from './recipe.ts';
import { RECIPES } from './recipes/index.ts';
import { enclosing, type Source, SourceFolder } from './source.ts';

/** A program, and the recipe that knows it. */
export interface Recognised {
  /** The whole that it is a part of: perhaps a folder above the one that was named. */
  readonly source: Source;
  readonly recipe: Recipe;
  readonly program: Program;
}

export interface Choice {
  /** Name of the recipe. */
  readonly recipe?: string | undefined;
  /** Name of the program. */
  readonly bin?: string | undefined;
}

/** Names of programs that a message lists. */
const SHOWN = 20;

/**
 * Finds out what a source is and which of its programs is meant, without running any of its code.
 * @param shown the source as the user named it
 * @throws OCISLIM_INPUT_INVALID with the choices where there are several, or with what was looked for where there is none
 */
export async function recognise(source: Source, shown: string, choice: Choice = {}): Promise<Recognised> {
  const found = await fitting(source, chosenRecipes(choice.recipe));
  const [first, ...others] = found;
  if (first === undefined) throw unknown(source, shown, choice);
  if (others.length > 0) {
    const names = found.map(({ recipe }) => recipe.name);
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `${shown}: is ${found.map(({ recipe }) => recipe.title).join(' and ')} at once`,
      { hint: `say which with ${names.map((name) => `--recipe ${name}`).join(' or ')}` },
    );
  }
  return { ...first, program: chosenProgram(first.programs, shown, choice.bin) };
}

interface Found {
  readonly source: Source;
  readonly recipe: Recipe;
  readonly programs: readonly Program[];
}

async function fitting(source: Source, recipes: readonly Recipe[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const recipe of recipes) {
    const one =
      (await recogniseBy(recipe, await wholeOf(source, recipe))) ?? (await recogniseBy(recipe, source));
    if (one !== undefined) found.push(one);
  }
  const certain = found.filter(({ recipe }) => recipe.isFallback !== true);
  return certain.length > 0 ? certain : found;
}

async function recogniseBy(recipe: Recipe, source: Source): Promise<Found | undefined> {
  const programs = await recipe.recognise(new SourceFolder(source));
  const bad = programs.find(({ name }) => !isFileName(name));
  if (bad !== undefined) throw badName(bad.name);
  return programs.length > 0 ? { source, recipe, programs } : undefined;
}

/** The module or workspace that a folder is a part of. */
async function wholeOf(source: Source, { roots = [] }: Recipe): Promise<Source> {
  if (source.file !== undefined) return source;
  for (const root of roots) {
    const whole = await enclosing(source, root);
    if (whole !== undefined) return whole;
  }
  return source;
}

/** Names become paths and arguments. */
function isFileName(name: string): boolean {
  return /^[^/\\\0-][^/\\\0]{0,199}$/.test(name) && name !== '.' && name !== '..';
}

function badName(name: string): OcislimError {
  const shown = JSON.stringify(name.slice(0, 100));
  return new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: no name for a program`);
}

function chosenRecipes(name: string | undefined): readonly Recipe[] {
  const chosen = RECIPES.filter((recipe) => name === undefined || recipe.name === name);
  if (chosen.length > 0) return chosen;
  throw new OcislimError('OCISLIM_USAGE', `--recipe ${name}: no such recipe`, {
    hint: `there are ${RECIPES.map((recipe) => recipe.name).join(', ')}`,
  });
}

function chosenProgram(programs: readonly Program[], shown: string, bin: string | undefined): Program {
  const names = programs.map((program) => program.name);
  const listed = [...names.slice(0, SHOWN), ...(names.length > SHOWN ? ['…'] : [])].join(', ');
  if (bin !== undefined) {
    const named = programs.find((program) => program.name === bin);
    if (named !== undefined) return named;
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: has no program ${bin}`, {
      hint: `it has ${listed}`,
    });
  }
  const defaults = programs.filter((program) => program.isDefault);
  const [only, ...others] = defaults.length > 0 ? defaults : programs;
  if (only !== undefined && others.length === 0) return only;
  throw new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: has several programs: ${listed}`, {
    hint: `say which with --bin ${names[0]}`,
  });
}

function unknown(source: Source, shown: string, { recipe }: Choice): OcislimError {
  const recipes = chosenRecipes(recipe);
  const signs = recipes.flatMap((each) => each.signs).join(', ');
  const what = source.file === undefined ? 'a folder with nothing in it' : 'a file';
  return new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: ${what} that ocislim knows to compile`, {
    hint: `looked for ${signs}; say how it is built with --build CMD --artifact PATH, or pack the compiled program`,
  });
}
