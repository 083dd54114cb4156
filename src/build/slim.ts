import { posix } from 'node:path';
import { type ContainerConfig, hostPlatform } from '#oci-spec-types';
import { checkImage } from '../check/check.ts';
import { findCommand } from '../check/command.ts';
import type { Finding } from '../check/finding.ts';
import type { Dockerfile } from '../dockerfile/ast.ts';
import { isAbort, OcislimError } from '../lib/errors.ts';
import { unpackedSize } from '../pack/local.ts';
import type { Node, Tree } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import { type BuiltImages, buildImages } from './build.ts';
import { givenContext } from './context-name.ts';
import type { BuiltStage } from './environment.ts';
import { identityOf } from './identity.ts';
import { openImage } from './images.ts';
import { multiStage } from './multi-stage.ts';
import type { BuildRequest } from './request.ts';
import { StageTree } from './stage-tree.ts';
import { movedCommand, type StartCommand, withoutShell } from './start-command.ts';

export interface SlimRequest {
  readonly build: BuildRequest;
  /** The program that the image is for; default the one it starts, or the only one that its RUNs have made. */
  readonly artifact?: string | undefined;
  /** What it goes on; default the smallest on which it will start. */
  readonly base?: string | undefined;
}

/** A multi-stage Dockerfile in the place of one with a single stage, and what both come to. */
export interface SlimResult {
  readonly dockerfile: string;
  readonly artifact: string;
  readonly base: string;
  /** Bytes of all files, as `docker images` shows them. */
  readonly before: number;
  readonly after: number;
  /** What the check says of the program on its new base. */
  readonly check: readonly Finding[];
}

/** From the smallest on. A program that finds none of them is not what this is for. */
const BASES: readonly string[] = ['scratch', 'alpine', 'debian:stable-slim'];

/**
 * Proposes a multi-stage Dockerfile: the stage that is there builds, and only the program goes on a small base. Both are
 * built, so that what is proposed is known to build, and how large it is.
 * @throws OCISLIM_INPUT_INVALID where there is nothing to cut
 */
export async function slim(request: SlimRequest, context: Context): Promise<SlimResult> {
  const whole = await buildImages(request.build, context, requireOneStage);
  const [built] = whole.built;
  if (built === undefined) throw new OcislimError('OCISLIM_INTERNAL', 'nothing was built');
  const tree = await built.stage.tree.of(built.stage.state.layers);
  const artifact = findArtifact(built.stage, tree, request.artifact);
  const { config } = built.stage.state;
  const dest = `/usr/local/bin/${posix.basename(artifact.path)}`;
  const start = movedCommand(config, artifact.path, dest);
  const user = userInNumbers(config.User, tree);
  const program: Program = { artifact, dest, start, user, config };
  const { base, check, entrypoint } = await chooseBase(program, request, context);
  const last = { base, entrypoint, artifact: artifact.path, dest, user, start };
  const text = multiStage(whole.file, last);
  const proposed = await buildImages({ ...request.build, text }, context);
  return {
    dockerfile: text,
    artifact: `/${artifact.path}`,
    base,
    before: await sizeOf(whole, context),
    after: await sizeOf(proposed, context),
    check,
  };
}

function requireOneStage({ name, stages }: Dockerfile): void {
  if (stages.length === 1) return;
  throw new OcislimError('OCISLIM_INPUT_INVALID', `${name} has ${stages.length} stages already`, {
    hint: 'a smaller last base may be what is left: ocislim check says what a program needs',
  });
}

/** Names of users are those of the image that they stand in. */
function userInNumbers(user: string | undefined, tree: Tree): string | undefined {
  const { uid, gid } = identityOf(user ?? '', tree);
  if (uid === 0 && gid === 0) return undefined;
  return gid === 0 ? `${uid}` : `${uid}:${gid}`;
}

async function sizeOf({ built: [first] }: BuiltImages, context: Context): Promise<number> {
  return first === undefined ? 0 : unpackedSize(first.image, context);
}

/** Where compilers and package managers leave programs that are not the result. */
const BESIDE =
  /^(?:root\/\.|home\/[^/]+\/\.|tmp\/|var\/|usr\/(?:lib|share|bin|sbin)\/|bin\/|sbin\/|lib|opt\/)/;

function findArtifact({ state }: BuiltStage, tree: Tree, wanted: string | undefined): Node {
  const { config } = state;
  if (wanted !== undefined) {
    const node = tree.lookup(posix.resolve(config.WorkingDir || '/', wanted));
    if (node?.type === 'file') return node;
    throw new OcislimError('OCISLIM_INPUT_INVALID', `--artifact ${wanted}: the image has no such file`);
  }
  const count = state.base?.layers.length ?? 0;
  const isNew = ({ layer = -1 }: Node) => layer >= count;
  const command = findCommand({
    tree,
    config: { ...config, ...withoutShell(config) },
    platform: hostPlatform(),
    base: 'the image',
  });
  if (command.node !== undefined && isNew(command.node) && command.node.facts?.elf !== undefined)
    return command.node;
  const programs = [...tree.all()].filter(
    (node) =>
      isNew(node) &&
      (node.mode & 0o111) !== 0 &&
      node.facts?.elf !== undefined &&
      node.facts.elf.isLibrary === undefined &&
      !BESIDE.test(node.path),
  );
  const [only, ...others] = programs;
  if (only !== undefined && others.length === 0) return only;
  const names = programs.map(({ path }) => `/${path}`).sort();
  const shown = names.slice(0, 10).join(', ');
  throw new OcislimError(
    'OCISLIM_INPUT_INVALID',
    only === undefined
      ? 'no compiled program is what this Dockerfile makes'
      : `this Dockerfile makes ${names.length} programs: ${shown}`,
    { hint: 'say which file is the result with --artifact PATH' },
  );
}

/** What goes on a base, and how it starts there. */
interface Program {
  readonly artifact: Node;
  readonly dest: string;
  readonly start: StartCommand;
  readonly user: string | undefined;
  /** Of the image that it comes from. */
  readonly config: ContainerConfig;
}

interface Judged {
  readonly base: string;
  readonly check: readonly Finding[];
  /** The base's own. */
  readonly entrypoint: ContainerConfig['Entrypoint'];
}

async function chooseBase(
  program: Program,
  { build, base: wanted }: SlimRequest,
  context: Context,
): Promise<Judged> {
  const tried: Judged[] = [];
  for (const base of wanted === undefined ? BASES : [wanted]) {
    try {
      const where = givenContext(build, base) ?? base;
      tried.push({ ...(await judgeOn(where, program, context)), base });
    } catch (error) {
      if (wanted !== undefined || isAbort(error)) throw error;
      context.progress.note(
        `${base} was not tried: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  const found =
    tried.find(({ check }) => check.every(({ rule }) => rule === 'debug-data')) ??
    tried.find(({ check }) => check.every(({ level }) => level !== 'error'));
  if (found !== undefined) return found;
  const why = tried.map(({ base, check }) => `on ${base}: ${check[0]?.message ?? ''}`).join('; ');
  throw new OcislimError(
    'OCISLIM_CHECK_FAILED',
    `/${program.artifact.path} would start on none of them (${why})`,
    {
      hint: 'name a base that has what it needs with --base',
    },
  );
}

/** What the check says of the program alone on a base. */
async function judgeOn(
  base: string,
  { artifact, dest, start, user, config: own }: Program,
  context: Context,
): Promise<Judged> {
  const platform = hostPlatform();
  const opened = await openImage(base, platform, 0, context);
  const tree = await new StageTree(context).of(opened.state.layers);
  const { facts, size, mode } = artifact;
  const member = { path: dest.slice(1), type: 'file', mode, uid: 0, gid: 0, mtime: 0, size, facts } as const;
  tree.apply({ members: [member] });
  const ExposedPorts = own.ExposedPorts;
  const { state } = opened;
  const { User, Entrypoint } = state.config;
  // Of the base's own command nothing is left.
  const config = { ...state.config, Entrypoint: undefined, ...start, User: user ?? User, ExposedPorts };
  const check = await checkImage({ tree, config, platform, base, added: [dest.slice(1)] });
  return { base, check, entrypoint: Entrypoint };
}
