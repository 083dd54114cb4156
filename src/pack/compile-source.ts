import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { formatPlatform, hostPlatform, type Platform } from '#oci-spec-types';
import type { Compiled } from '../compile/host.ts';
import { compileKey } from '../compile/key.ts';
import type { Program } from '../compile/recipe.ts';
import { commandRecipe } from '../compile/recipes/command.ts';
import { type Recognised, recognise } from '../compile/recognise.ts';
import { type Source, SourceFolder } from '../compile/source.ts';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Context } from '../transports/context.ts';
import { cacheFolder } from './caches.ts';
import type { FoundInputs } from './compile.ts';
import { type Input, lookAt } from './inputs.ts';
import type { CompileRequest, PackRequest } from './request.ts';
import { type CompileWish, openToolchain, type Toolchain } from './toolchain.ts';

/** Compiles a source for each platform that is asked for. @throws what recognising and compiling throw */
export async function compileSource(
  source: Source,
  request: PackRequest,
  context: Context,
): Promise<FoundInputs> {
  const { path, platforms, compile } = request;
  const recognised = await recogniseRequested(source, path, compile);
  const wanted = platforms.length > 0 ? platforms : [hostPlatform()];
  const first = wishFor(request, wanted[0] ?? hostPlatform(), context);
  const toolchain = await openToolchain(recognised, first, compile, context);
  const made: Made[] = [];
  const dispose = async () => {
    for (const each of made) await each.dispose();
  };
  try {
    const inputs: Input[] = [];
    for (const platform of wanted) {
      const wish = wishFor(request, platform, context);
      const compiled = await compileOnce(recognised, toolchain, wish, compile, context);
      made.push(compiled);
      inputs.push({ platform, source: await sourceOf(compiled, context.cwd) });
    }
    const { program } = recognised;
    const runsOn = made[0]?.runsOn;
    const compiledIn = 'image' in toolchain.compiler ? toolchain.name : 'host';
    const compiled = { recognised, toolchain: toolchain.toolchain };
    return { name: program.name, inputs, runsOn, compiledIn, compiled, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** What a source is, as the request wants it compiled. @throws what recognising throws */
export async function recogniseRequested(
  source: Source,
  shown: string,
  { build, artifact, recipe, bin, env = {} }: CompileRequest,
): Promise<Recognised> {
  const recognised =
    build === undefined && artifact === undefined
      ? await recognise(source, shown, { recipe, bin })
      : await asCommand(source, shown, build, artifact);
  const { program } = recognised;
  const plan: Program['plan'] = (wish) => {
    const planned = program.plan(wish);
    return { ...planned, env: { ...planned.env, ...env } };
  };
  return { ...recognised, program: { ...program, plan } };
}

async function asCommand(
  source: Source,
  shown: string,
  build: string | undefined,
  artifact: string | undefined,
): Promise<Recognised> {
  if (build === undefined || artifact === undefined) {
    throw new OcislimError('OCISLIM_USAGE', '--build and --artifact belong together', {
      hint: "for example --build 'make hello' --artifact build/hello",
    });
  }
  const recipe = commandRecipe({ build, artifact });
  const [program] = await recipe.recognise(new SourceFolder(source));
  if (program === undefined) throw new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: no source`);
  return { source, recipe, program };
}

function wishFor({ compile, created }: PackRequest, platform: Platform, { offline }: Context): CompileWish {
  const { link, jlink } = compile;
  return { platform, link, jlink, offline, created };
}

/** Compiles unless the same was compiled before: same sources, toolchain, command, platform. */
async function compileOnce(
  recognised: Recognised,
  toolchain: Toolchain,
  wish: CompileWish,
  { cache }: CompileRequest,
  context: Context,
): Promise<Made> {
  const { store, signal, progress } = context;
  const { program, recipe } = recognised;
  const label = `${program.name} ${formatPlatform(wish.platform)}`;
  const compile = async (output: string): Promise<Compiled> => {
    const task = progress.task(`${label} (${recipe.title}, ${toolchain.name})`);
    try {
      const compiled = await toolchain.compile(wish, output);
      task.done('compiled');
      return { ...compiled, path: basename(compiled.path) };
    } catch (error) {
      task.fail();
      throw error;
    }
  };
  const key = cache ? await keyFor(recognised, toolchain, wish, context) : undefined;
  if (key === undefined) return compileForOnce(compile, context);
  const known = await store.compiled.get<Compiled>(key);
  if (known !== undefined) progress.note(`${label}: nothing has changed since it was compiled`);
  const { folder, note } = known ?? (await store.compiled.ensure<Compiled>(key, compile, { signal }));
  return { ...note, path: join(folder, note.path), dispose: async () => {} };
}

type Made = Compiled & { readonly dispose: () => Promise<void> };

/** What is not kept is there until it is disposed of. */
async function compileForOnce(
  compile: (output: string) => Promise<Compiled>,
  { store }: Context,
): Promise<Made> {
  const folder = await store.temporaryFile();
  const kept = removeOnInterrupt(folder);
  const dispose = async () => {
    await removeTree(folder);
    kept.forget();
  };
  try {
    await mkdir(folder);
    const compiled = await compile(folder);
    return { ...compiled, path: join(folder, compiled.path), dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function keyFor(
  recognised: Recognised,
  { compiler, toolchain, host }: Toolchain,
  wish: CompileWish,
  context: Context,
): Promise<string | undefined> {
  const memo = join(await cacheFolder(recognised, wish.platform, context), 'sources.json');
  return compileKey(recognised, { ...wish, compiler, toolchain, host, memo, signal: context.signal });
}

async function sourceOf({ path, kind, start = [] }: Compiled, cwd: string): Promise<Input['source']> {
  return kind === 'folder' ? { kind, path, start } : lookAt(path, cwd);
}
