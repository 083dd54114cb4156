import { mkdir, realpath, rename, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Platform } from '#oci-spec-types';
import { findArtifact } from '../compile/artifact.ts';
import { copySource, needsCopy } from '../compile/copy.ts';
import { fixedEnvironment, networkEnvironment } from '../compile/environment.ts';
import type { Compiled } from '../compile/host.ts';
import { SANDBOX_PLACES } from '../compile/places.ts';
import type { CacheName, Places, Plan, Wish } from '../compile/recipe.ts';
import type { Recognised } from '../compile/recognise.ts';
import { runPlan } from '../compile/run.ts';
import { environmentOf } from '../image/container-config.ts';
import type { Image } from '../image/model.ts';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { LineCutter } from '../lib/lines.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Driver } from '../sandbox/driver.ts';
import { type Mount, type Order, ROOT, type Room } from '../sandbox/room.ts';
import { runInRoom } from '../sandbox/start.ts';
import type { Context } from '../transports/context.ts';
import { cacheFolder, ownFolder } from './caches.ts';
import { unpackedInStore } from './layers.ts';
import type { CompileRequest } from './request.ts';
import { sandboxFor } from './sandbox.ts';

/** A toolchain's image, ready to run commands. */
export interface Bench {
  readonly root: string;
  readonly driver: Driver;
  readonly image: Image;
  readonly request: CompileRequest;
  readonly recognised: Recognised;
  readonly context: Context;
}

/** Unpacks an image, and chooses the sandbox for it. @throws what the store and the sandbox throw */
export async function openBench(
  image: Image,
  recognised: Recognised,
  request: CompileRequest,
  context: Context,
): Promise<Bench> {
  const { root } = await unpackedInStore(image.layers, context);
  const driver = await sandboxFor(request.sandbox, context, 'compile on the host with --toolchain host');
  return { root: root.path, driver, image, request, recognised, context };
}

/** What the recipe's commands print in the image; what is not there prints nothing. */
export async function identify(bench: Bench): Promise<string> {
  const outputs: string[] = [];
  for (const argv of bench.recognised.recipe.identify) {
    let output = '';
    const onOutput = (chunk: Buffer, stream: 'stdout' | 'stderr') => {
      if (stream === 'stdout') output += chunk.toString('utf8');
    };
    const run = { args: argv, env: {}, cwd: '/', mounts: [], network: 'none' } as const;
    const { code } = await runInside(bench, { ...run, onOutput });
    outputs.push(code === 0 ? output : '');
  }
  return outputs.join('\n');
}

/** Folders of this machine by where compiling has them. */
type Folders = Readonly<Record<'/src' | '/out' | '/work', string>>;

/** Compiles in the image, into an empty folder. @throws OCISLIM_COMPILE_FAILED, and what the sandbox throws */
export async function compileInside(
  bench: Bench,
  wish: Omit<Wish, 'places'>,
  output: string,
): Promise<Compiled> {
  const { recognised, request, context } = bench;
  const { source, recipe, program } = recognised;
  const plan = program.plan({ ...wish, places: SANDBOX_PLACES });
  const folder = await context.store.temporaryFile();
  const kept = removeOnInterrupt(folder);
  try {
    const isCopied = needsCopy(program, plan);
    const folders: Folders = {
      '/src': isCopied ? join(folder, 'src') : source.folder,
      '/out': join(folder, 'out'),
      '/work': join(folder, 'work'),
    };
    await mkdir(folders['/out'], { recursive: true });
    await mkdir(folders['/work']);
    if (isCopied) await copySource(source, recipe, program, folders['/src'], context.signal);
    const caches = await cacheMounts(plan.caches, recognised, wish.platform, request, context);
    const network = request.network ?? (plan.needsNetwork && !wish.offline ? 'host' : 'none');
    const reach = network === 'host' ? await networkOf(context.env) : { env: {}, mounts: [] };
    const mounts = [
      mount(folders['/src'], '/src', isCopied),
      mount(folders['/out'], '/out', true),
      mount(folders['/work'], '/work', true),
      ...caches,
      ...reach.mounts,
    ];
    const env = { ...fixedEnvironment(wish.created), ...reach.env };
    await runPlan(plan, async (args, { cwd, env: own, onLine }) => {
      const lines = new LineCutter(onLine);
      const onOutput = (chunk: Buffer) => lines.write(chunk);
      const { code } = await runInside(bench, {
        args,
        env: { ...env, ...own },
        cwd,
        mounts,
        network,
        onOutput,
      });
      lines.end();
      return { code, signal: null };
    });
    const artifact = await takeArtifact(plan, folders, caches);
    const path = join(output, `${program.name}${plan.kind === 'jar' ? extname(artifact) : ''}`);
    await rename(artifact, path);
    return { path, kind: plan.kind, start: plan.start, runsOn: plan.runsOn };
  } finally {
    await removeTree(folder);
    kept.forget();
  }
}

/** What a plan has made, on this machine. @throws OCISLIM_COMPILE_FAILED also for a link out of where it may be */
function takeArtifact(plan: Plan, folders: Folders, caches: readonly Mount[]): Promise<string> {
  const places: Places = {
    source: folders['/src'],
    output: folders['/out'],
    scratch: folders['/work'],
    cache: (name) =>
      caches.find(({ target }) => target === SANDBOX_PLACES.cache(name))?.source ?? folders['/work'],
  };
  const mounts = [
    ...Object.entries(folders),
    ...caches.map(({ target, source }) => [target, source] as const),
  ];
  const [target, source] = mounts.find(([each]) => plan.artifact.startsWith(`${each}/`)) ?? ['', ''];
  return findArtifact({ ...plan, artifact: join(source, plan.artifact.slice(target.length)) }, places);
}

/** What no build comes to, and a fork bomb does. */
const LIMITS = { processes: 8192 } as const;

interface InsideOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly mounts: readonly Mount[];
  readonly network: Room['network'];
  readonly onOutput: (chunk: Buffer, stream: 'stdout' | 'stderr') => void;
}

async function runInside(
  { root, driver, image, context }: Bench,
  { args, env, cwd, mounts, network, onOutput }: InsideOptions,
): Promise<{ readonly code: number }> {
  const room: Room = { root, mounts, network, hostname: 'ocislim', limits: LIMITS };
  const own = environmentOf(image.config.config ?? {});
  const order: Order = { args, env: { ...own, HOME: '/work', ...env }, cwd, identity: ROOT };
  const folder = await context.store.temporaryFile();
  return runInRoom(driver, room, order, { folder, signal: context.signal, onOutput });
}

/** Variables that name a file with certificates of authorities, such as those of a company's proxy. */
const CERTIFICATES = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO'];

/** How this machine reaches the network: its settings, and the certificates that it trusts. */
async function networkOf(
  env: NodeJS.ProcessEnv,
): Promise<{ readonly env: Readonly<Record<string, string>>; readonly mounts: readonly Mount[] }> {
  const mounts: Mount[] = [];
  const paths: Record<string, string> = {};
  for (const name of CERTIFICATES) {
    const source = await realpath(env[name] ?? '').catch(() => undefined);
    if (!env[name] || source === undefined || !(await stat(source)).isFile()) continue;
    paths[name] = `/etc/ocislim/${name}.pem`;
    mounts.push(mount(source, paths[name], false));
  }
  return { env: { ...networkEnvironment(env), ...paths }, mounts };
}

function mount(source: string, target: string, isWritable: boolean): Mount {
  return { source, target, isWritable };
}

/** Folders for what a toolchain keeps; with `--no-cache` none, so that it keeps it where it is thrown away. */
async function cacheMounts(
  names: readonly CacheName[],
  recognised: Recognised,
  platform: Platform,
  { cache }: CompileRequest,
  context: Context,
): Promise<readonly Mount[]> {
  if (!cache) return [];
  const folder = await cacheFolder(recognised, platform, context);
  const mounts: Mount[] = [];
  for (const name of names) {
    const source = join(folder, name);
    await ownFolder(source);
    mounts.push(mount(source, SANDBOX_PLACES.cache(name), true));
  }
  return mounts;
}
