import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { hostPlatform, type Platform } from '#oci-spec-types';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { outputOf, runProcess } from '../lib/process.ts';
import { which } from '../lib/which.ts';
import { findArtifact } from './artifact.ts';
import { copySource, needsCopy } from './copy.ts';
import { hostEnvironment } from './environment.ts';
import { hostCache } from './places.ts';
import type { Places, Plan, Recipe, Wish } from './recipe.ts';
import type { Recognised } from './recognise.ts';
import { type Runner, runPlan } from './run.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface HostOptions {
  readonly platform: Platform;
  readonly link: Wish['link'];
  readonly jlink: boolean;
  readonly offline: boolean;
  /** Seconds since the epoch. */
  readonly created: number;
  /** What {@link identifyHost} has found. */
  readonly toolchain: string | undefined;
  /** An existing folder that gets the result. */
  readonly output: string;
  /** A folder for what outlasts the run and belongs to this project. */
  readonly caches: string;
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
}

/** What was compiled. */
export interface Compiled {
  readonly path: string;
  readonly kind: Plan['kind'];
  readonly start?: Plan['start'];
  readonly runsOn?: Plan['runsOn'];
}

/**
 * Compiles a program with the tools of this machine.
 * @throws OCISLIM_TOOLCHAIN_MISSING | OCISLIM_COMPILE_FAILED | OCISLIM_PLATFORM_UNAVAILABLE
 */
export async function compileOnHost(recognised: Recognised, options: HostOptions): Promise<Compiled> {
  const temporary = await mkdtemp(join(tmpdir(), 'ocislim-compile-'));
  const kept = removeOnInterrupt(temporary);
  try {
    const { plan, places } = await prepare(recognised, options, temporary);
    const { env, created, signal } = options;
    const fixed = hostEnvironment(env, created);
    const run: Runner = (argv, each) => runProcess(argv, { ...each, env: { ...fixed, ...each.env }, signal });
    await runPlan(plan, run, options.onLine);
    const artifact = await findArtifact(plan, places);
    const extension = plan.kind === 'jar' ? extname(artifact) : '';
    const path = join(options.output, `${recognised.program.name}${extension}`);
    await move(artifact, path);
    return { path, kind: plan.kind, start: plan.start, runsOn: plan.runsOn };
  } finally {
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
    kept.forget();
  }
}

/** Looks for the tools, and makes the places that the plan is in terms of. */
async function prepare(
  { source, recipe, program }: Recognised,
  options: HostOptions,
  temporary: string,
): Promise<{ readonly plan: Plan; readonly places: Places }> {
  const { env, caches, signal } = options;
  const copied: Places = {
    source: join(temporary, 'src'),
    output: join(temporary, 'out'),
    scratch: join(temporary, 'work'),
    cache: (name) => hostCache(name, env, caches),
  };
  const wish: Wish = { ...options, places: copied, host: thisMachine() };
  // The tools that it takes anyhow first: without them nothing can be said of other platforms.
  const native = { platform: hostPlatform(), host: hostPlatform(), jlink: false };
  await requireTools(recipe, program.plan({ ...wish, ...native }), env);
  const draft = program.plan(wish);
  await requireTools(recipe, draft, env);

  await mkdir(copied.output);
  await mkdir(copied.scratch);
  await Promise.all(draft.caches.map((name) => mkdir(copied.cache(name), { recursive: true })));
  if (needsCopy(program, draft)) {
    await copySource(source, recipe, program, copied.source, signal);
    return { plan: draft, places: copied };
  }
  const places = { ...copied, source: source.folder };
  return { plan: program.plan({ ...wish, places }), places };
}

/** What compilers make here that are told nothing of platforms. */
function thisMachine(): Platform {
  return { ...hostPlatform(), os: process.platform };
}

async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async (error: unknown) => {
    if (systemCode(error) !== 'EXDEV') throw error;
    await cp(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  });
}

/**
 * What this machine's toolchain for a recipe says of itself: a part of the key, and what plans are made by.
 * @returns undefined where no command could tell; empty where the toolchain is not there
 */
export async function identifyHost(
  { recipe, source }: Recognised,
  options: { readonly env: Environment; readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  if (recipe.identify.length === 0) return undefined;
  const env = hostEnvironment(options.env, 0);
  const outputs = recipe.identify.map((argv) =>
    outputOf(argv, { env, cwd: source.folder, signal: options.signal }),
  );
  return (await Promise.all(outputs)).map((output) => output ?? '').join('\n');
}

/** @throws OCISLIM_TOOLCHAIN_MISSING naming what was looked for, and the image that has it */
async function requireTools(recipe: Recipe, plan: Plan, env: Environment): Promise<void> {
  const missing = await missingTools(plan, env);
  if (missing.length === 0) return;
  const [image = 'IMAGE'] = plan.images;
  throw new OcislimError(
    'OCISLIM_TOOLCHAIN_MISSING',
    `${recipe.title}: ${missing.join(', ')} not found in PATH (looked for ${plan.tools.join(', ')})`,
    { hint: `install it, or compile in an image that has it: --toolchain ${image}` },
  );
}

/** Which of a plan's tools are not there. */
export async function missingTools(
  { tools }: Pick<Plan, 'tools'>,
  env: Environment,
): Promise<readonly string[]> {
  const found = await Promise.all(tools.map((tool) => which(tool, env)));
  return tools.filter((_, at) => !found[at]);
}
