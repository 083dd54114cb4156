import { createHash } from 'node:crypto';
import { hostPlatform, type Platform } from '#oci-spec-types';
import { type Compiled, compileOnHost, identifyHost, missingTools } from '../compile/host.ts';
import type { KeyOptions } from '../compile/key.ts';
import { SANDBOX_PLACES } from '../compile/places.ts';
import type { Wish } from '../compile/recipe.ts';
import type { Recognised } from '../compile/recognise.ts';
import { imageFor } from '../image/select.ts';
import { within } from '../lib/errors.ts';
import type { Context } from '../transports/context.ts';
import { openPinned } from '../transports/pinned.ts';
import { cacheFolder } from './caches.ts';
import { type Bench, compileInside, identify, openBench } from './compile-inside.ts';
import type { CompileRequest } from './request.ts';

/** What is wished of a compiler, beside where it runs. */
export type CompileWish = Omit<Wish, 'places' | 'host' | 'toolchain'>;

/** Where programs of one source are compiled: on this machine, or in an image. */
export interface Toolchain {
  /** For people: `this machine`, or the image's name. */
  readonly name: string;
  readonly compiler: KeyOptions['compiler'];
  /** What its compilers say of themselves. */
  readonly toolchain: string | undefined;
  readonly host: Platform;
  /** Compiles into an empty folder. */
  compile(wish: CompileWish, output: string): Promise<Compiled>;
}

/**
 * The toolchain for a source. `auto` is this machine where it has the tools, else the image that the recipe names.
 * @throws OCISLIM_TOOLCHAIN_MISSING, what the image's source and the sandbox throw
 */
export async function openToolchain(
  recognised: Recognised,
  wish: CompileWish,
  request: CompileRequest,
  context: Context,
): Promise<Toolchain> {
  const { recipe, program } = recognised;
  if (request.toolchain === 'host') return hostToolchain(recognised, context);
  if (request.toolchain !== 'auto') return imageToolchain(request.toolchain, recognised, request, context);
  const native = hostPlatform();
  const plan = program.plan({ ...wish, places: SANDBOX_PLACES, host: native, platform: native });
  const missing = await missingTools(plan, context.env);
  const [image] = plan.images;
  if (missing.length === 0 || image === undefined) return hostToolchain(recognised, context);
  context.progress.note(`${recipe.title}: ${missing.join(', ')} not found in PATH; compiling in ${image}`);
  return imageToolchain(image, recognised, request, context);
}

async function hostToolchain(recognised: Recognised, context: Context): Promise<Toolchain> {
  const { env, signal } = context;
  const toolchain = await identifyHost(recognised, { env, signal });
  return {
    name: 'this machine',
    compiler: { host: toolchain },
    toolchain,
    host: { ...hostPlatform(), os: process.platform },
    compile: async (wish, output) => {
      const caches = await cacheFolder(recognised, wish.platform, context);
      return compileOnHost(recognised, { ...wish, toolchain, output, caches, env, signal });
    },
  };
}

async function imageToolchain(
  name: string,
  recognised: Recognised,
  request: CompileRequest,
  context: Context,
): Promise<Toolchain> {
  return within(`toolchain ${name}`, async () => {
    const { signal, store } = context;
    const { artifact } = await openPinned(name, { default: 'any' }, context);
    const image = await imageFor(artifact, hostPlatform(), { signal });
    let bench: Promise<Bench> | undefined;
    const open = () => {
      bench ??= openBench(image, recognised, request, context);
      return bench;
    };
    // Where all is known, nothing of the image is fetched, and nothing runs.
    const { digest } = image.descriptor;
    const question = JSON.stringify([digest, recognised.recipe.identify]);
    const key = createHash('sha256').update(question).digest('hex');
    const known = await store.compiled.get<{ readonly toolchain: string }>(key);
    const toolchain = known?.note.toolchain ?? (await identify(await open()));
    // What says nothing of itself may do so another time.
    if (toolchain.trim() !== '') await store.compiled.ensure(key, async () => ({ toolchain }), { signal });
    const host = hostPlatform();
    return {
      name,
      compiler: { image: digest },
      toolchain,
      host,
      compile: async (wish, output) => compileInside(await open(), { ...wish, toolchain, host }, output),
    };
  });
}
