import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { join, posix, resolve } from 'node:path';
import type { RunInstruction } from '../dockerfile/ast.ts';
import { copyKey } from '../dockerfile/copy-key.ts';
import type { CopyRequest } from '../dockerfile/copy-request.ts';
import { expandWord } from '../dockerfile/expand.ts';
import {
  type CacheMount,
  type Mount as MountSpec,
  parseMount,
  type SecretMount,
} from '../dockerfile/mounts.ts';
import { OcislimError } from '../lib/errors.ts';
import { removeTree } from '../lib/remove-tree.ts';
import { ownFolder } from '../pack/caches.ts';
import { Tree } from '../rootfs/tree.ts';
import type { EmptyMount, Mount } from '../sandbox/room.ts';
import type { Presence } from '../store/locks.ts';
import { workdirOf } from './configure.ts';
import { type NamedTree, namedTree } from './named-tree.ts';
import type { StageState } from './state.ts';
import type { Step } from './step.ts';

/** A mount of a RUN, and what its result depends on of it. */
export interface DescribedMount {
  readonly spec: MountSpec;
  /** Absolute, in the image. */
  readonly target: string;
  /** What it is a part of, where it is one. */
  readonly from?: NamedTree | undefined;
  /** Part of the step's key: what a command can see of it that is not thrown away. */
  readonly key: unknown;
}

export interface PreparedMounts {
  readonly mounts: readonly (Mount | EmptyMount)[];
  /** Variables that come with them. */
  readonly env: Readonly<Record<string, string>>;
  /** One more: a program that is there for the command alone. */
  file(content: string, target: string): Promise<Mount>;
  dispose(): Promise<void>;
}

/** Reads the mounts of a RUN; nothing is made yet. @throws OCISLIM_DOCKERFILE_INVALID */
export async function describeMounts(
  { mounts, range }: RunInstruction,
  state: StageState,
  step: Step,
): Promise<readonly DescribedMount[]> {
  const { file } = step.env;
  const get = (name: string) => state.vars.get(name);
  const expand = (text: string) => expandWord(text, { get }, { escape: file.escape });
  const described: DescribedMount[] = [];
  for (const word of mounts) {
    const spec = parseMount(word.text, { file, range: word.range ?? range }, expand);
    described.push(await describe(spec, described.length, state, step));
  }
  return described;
}

async function describe(spec: MountSpec, at: number, state: StageState, step: Step): Promise<DescribedMount> {
  const path = targetOf(spec, at);
  const target = path === undefined ? '' : workdirOf(state.config, path);
  if (spec.type === 'bind' || (spec.type === 'cache' && spec.from !== undefined)) {
    const from = await namedTree(spec.from, step);
    const key = [spec.type, target, spec.readOnly, await copyKey(requestOf(spec.source), await from.tree())];
    return { spec, target, from, key: spec.type === 'cache' ? [...key, spec.id] : key };
  }
  switch (spec.type) {
    case 'cache':
      return { spec, target, key: [spec.type, target, spec.id, spec.readOnly, ownedOf(spec)] };
    case 'secret':
      return { spec, target, key: [spec.type, target, spec.id, spec.env ?? null, ownedOf(spec)] };
    case 'tmpfs':
      return { spec, target, key: [spec.type, target, spec.size ?? null] };
    default:
      return { spec, target, key: [spec.type, target] };
  }
}

function ownedOf({ mode, uid, gid }: CacheMount | SecretMount): readonly number[] {
  return [mode, uid, gid];
}

function targetOf(spec: MountSpec, at: number): string | undefined {
  return spec.type === 'ssh' ? (spec.target ?? `/run/buildkit/ssh_agent.${at}`) : spec.target;
}

/** A part of a tree as the whole of another. */
function requestOf(source: string): CopyRequest {
  return { kind: 'copy', sources: [source || '/'], destination: '/', workdir: '/', created: 0 };
}

/** Makes what is mounted. @throws OCISLIM_STEP_FAILED for what is required and not given */
export async function prepareMounts(
  described: readonly DescribedMount[],
  step: Step,
): Promise<PreparedMounts> {
  const { context } = step.env;
  const folder = await context.store.temporaryFile();
  const mounts: (Mount | EmptyMount)[] = [];
  const env: Record<string, string> = {};
  const locks: Presence[] = [];
  const dispose = async () => {
    for (const lock of locks) await lock.release();
    await removeTree(folder);
  };
  try {
    await mkdir(folder, { mode: 0o700 });
    const taken = await takeCaches(described, locks, step);
    for (const [at, each] of described.entries()) {
      const place = join(folder, `${at}`);
      const { spec, target } = each;
      switch (spec.type) {
        case 'tmpfs':
          mounts.push({ kind: 'empty', target, size: spec.size });
          break;
        case 'bind': {
          const source = await materialise(each, place, step);
          mounts.push({ source, target, isWritable: !spec.readOnly });
          break;
        }
        case 'cache':
          mounts.push({
            source: await cacheOf(each, spec, place, step, taken),
            target,
            isWritable: !spec.readOnly,
            owner: spec.uid === 0 && spec.gid === 0 ? undefined : { uid: spec.uid, gid: spec.gid },
          });
          break;
        case 'secret': {
          const content = await secretOf(spec, step);
          if (content === undefined) break;
          if (spec.env !== undefined) env[spec.env] = content.toString('utf8');
          if (spec.target === undefined) break;
          await writeFile(place, content, { mode: spec.mode & 0o777 });
          mounts.push({ source: place, target, isWritable: false, owner: { uid: spec.uid, gid: spec.gid } });
          break;
        }
        case 'ssh': {
          const socket = step.env.request.ssh.get(spec.id);
          if (socket === undefined && spec.required)
            throw missing(`ssh agent ${spec.id}`, `--ssh ${spec.id}`);
          if (socket === undefined) break;
          mounts.push({ source: await requireSocket(spec.id, socket, step), target, isWritable: true });
          env['SSH_AUTH_SOCK'] ??= target;
          break;
        }
      }
    }
    const file = async (content: string, at: string): Promise<Mount> => {
      const source = join(folder, 'script');
      await writeFile(source, content, { mode: 0o755 });
      return { source, target: at, isWritable: false };
    };
    return { mounts, env, file, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Writes a part of a tree into a folder of its own; what a command changes there is thrown away with it. */
async function materialise({ spec, from }: DescribedMount, place: string, step: Step): Promise<string> {
  if (spec.type !== 'bind' || from === undefined) throw new OcislimError('OCISLIM_INTERNAL', 'no bind mount');
  const { context } = step.env;
  const [{ planCopy }, { storeLayer }, { unpackLayers }] = await Promise.all([
    import('../dockerfile/copy.ts'),
    import('../pack/assemble.ts'),
    import('../rootfs/unpack.ts'),
  ]);
  const tree = await from.tree();
  const node = await tree.lookup(spec.source || '/');
  const entries = await planCopy(requestOf(spec.source), tree, new Tree());
  const layer = await storeLayer(entries, { kind: 'none' }, context);
  await unpackLayers([layer], place, { signal: context.signal });
  // Of a single file there is nothing else in the folder.
  const name = posix.basename(posix.resolve('/', spec.source));
  return node?.type === 'file' ? join(place, name) : place;
}

function cacheName(id: string): string {
  return createHash('sha256').update(`run ${id}`).digest('hex').slice(0, 32);
}

/**
 * Waits for the caches that a command is to have for itself: each once and in one order, so that no two commands wait for
 * each other.
 * @returns the names of private ones that another command has, so that this one gets a new folder
 */
async function takeCaches(
  described: readonly DescribedMount[],
  locks: Presence[],
  { env }: Step,
): Promise<ReadonlySet<string>> {
  const { store, signal } = env.context;
  const specs = described.flatMap(({ spec }) =>
    spec.type === 'cache' && spec.sharing !== 'shared' ? [spec] : [],
  );
  const isPrivate = new Map(specs.map(({ id, sharing }) => [cacheName(id), sharing === 'private']));
  const taken = new Set<string>();
  for (const name of [...isPrivate.keys()].sort()) {
    const lock = `cache-${name.slice(0, 24)}`;
    if (isPrivate.get(name) && (await store.locks.isTaken(lock))) {
      taken.add(name);
      continue;
    }
    const own = await store.locks.acquire(lock, { signal });
    if (own !== undefined) locks.push(own);
  }
  return taken;
}

/** The folder that stays. */
async function cacheOf(
  described: DescribedMount,
  { id, mode }: CacheMount,
  place: string,
  step: Step,
  taken: ReadonlySet<string>,
): Promise<string> {
  const { store } = step.env.context;
  const name = cacheName(id);
  if (taken.has(name)) return newFolder(place);
  const folder = join(store.root, 'caches', name);
  if (await ownFolder(folder)) return folder;
  if (described.from !== undefined) await seed(described, folder, step);
  await chmod(folder, mode & 0o7777);
  return folder;
}

async function newFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  return path;
}

async function seed(described: DescribedMount, folder: string, step: Step): Promise<void> {
  const { spec } = described;
  if (spec.type !== 'cache') return;
  await rmdir(folder);
  const bind = {
    type: 'bind',
    target: spec.target,
    source: spec.source,
    from: spec.from,
    readOnly: true,
  } as const;
  try {
    await materialise({ ...described, spec: bind }, folder, step);
  } catch (error) {
    // What is there counts as whole the next time.
    await removeTree(folder);
    throw error;
  }
}

async function secretOf({ id, required }: SecretMount, step: Step): Promise<Buffer | undefined> {
  const { request, context } = step.env;
  const source = request.secrets.find((each) => each.id === id);
  if (source === undefined) {
    if (required) throw missing(`secret ${id}`, `--secret id=${id},src=FILE`);
    return undefined;
  }
  if (source.from === 'file') return readFile(resolve(context.cwd, source.name));
  const value = context.env[source.name];
  if (value === undefined) throw missing(`secret ${id}`, `the variable ${source.name}`);
  return Buffer.from(value);
}

/** @throws OCISLIM_USAGE for what is no socket, such as a private key, which a command must not get */
async function requireSocket(id: string, path: string, { env }: Step): Promise<string> {
  const full = resolve(env.context.cwd, path);
  const found = await stat(full).catch(() => undefined);
  if (found?.isSocket()) return full;
  const why = found === undefined ? 'there is no such socket' : 'it is no socket of an agent';
  throw new OcislimError('OCISLIM_USAGE', `--ssh ${id}=${path}: ${why}`, {
    hint: 'keys are added to an agent with ssh-add, and it is given with --ssh default',
  });
}

function missing(what: string, give: string): OcislimError {
  return new OcislimError('OCISLIM_STEP_FAILED', `${what} is needed, and was not given`, {
    hint: `give it with ${give}`,
  });
}
