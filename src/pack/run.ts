import { basename } from 'node:path';
import { hostPlatform, type Platform } from '#oci-spec-types';
import { findCommand } from '../check/command.ts';
import { pathOf, type Subject } from '../check/subject.ts';
import { homeOf, resolveUser } from '../check/user.ts';
import { environmentOf } from '../image/container-config.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Image } from '../image/model.ts';
import { type ConfigChanges, changeConfig } from '../image/mutate.ts';
import { imageFor } from '../image/select.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { mergeTocs } from '../rootfs/tree.ts';
import type { SandboxName } from '../sandbox/choose.ts';
import type { Limits, Mount, Network, Order, Room } from '../sandbox/room.ts';
import { type Exit, runInRoom, type StartOptions } from '../sandbox/start.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';
import { unpackedInStore } from './layers.ts';
import { tocsOf } from './prepare.ts';
import { sandboxFor } from './sandbox.ts';

export interface RunRequest {
  /** A name in the store, a reference, or any other source. */
  readonly image: string;
  /** Take the place of the image's `Cmd` where there are any. */
  readonly args: readonly string[];
  readonly config: Pick<ConfigChanges, 'entrypoint' | 'env' | 'user' | 'workdir'>;
  readonly platform?: Platform | undefined;
  readonly mounts: readonly Mount[];
  readonly network: Network;
  readonly limits: Limits;
  readonly sandbox: SandboxName;
  readonly isInteractive: boolean;
}

export type RunOptions = Pick<StartOptions, 'onOutput' | 'passesOn'>;

/**
 * Starts an image in a sandbox and waits for its end.
 * @throws OCISLIM_CHECK_FAILED where its command or its user is not there; what the source and the sandbox throw
 */
export async function run(request: RunRequest, context: Context, options: RunOptions = {}): Promise<Exit> {
  const { image, name } = await within(request.image, () => openImage(request, context));
  const cmd = request.args.length > 0 ? request.args : undefined;
  const config = changeConfig(image.config.config ?? {}, { ...request.config, cmd });
  return startImage(
    { ...image, config: { ...image.config, config } },
    { ...request, name, instead: `start it with an engine: ocislim copy ${name} docker-daemon:NAME` },
    context,
    options,
  );
}

async function openImage(
  { image: where, platform }: RunRequest,
  context: Context,
): Promise<{ readonly image: Image; readonly name: string }> {
  const { signal } = context;
  const { artifact } = await openSource(parseLocation(where, { default: 'any' }), context);
  const image = await imageFor(artifact, platform ?? hostPlatform(), { signal });
  return { image, name: where };
}

type StartRequest = Pick<RunRequest, 'mounts' | 'network' | 'limits' | 'sandbox' | 'isInteractive'> & {
  readonly name: string;
  /** What else the user can do where nothing can run it. */
  readonly instead: string;
};

/** Starts an image; layers that the store has not got are fetched. */
export async function startImage(
  image: Image,
  { name, mounts, network, limits, sandbox, isInteractive, instead }: StartRequest,
  context: Context,
  options: RunOptions,
): Promise<Exit> {
  const { store, signal, progress } = context;
  const driver = await sandboxFor(sandbox, context, instead);
  // The first time, it is also how their tables of contents come to be known.
  const { root, layers } = await unpackedInStore(image.layers, context, { withTocs: true });
  const tree = mergeTocs(await tocsOf({ ...image, layers }, context));
  const config = image.config.config ?? {};
  const subject: Subject = { tree, config, platform: platformOfConfig(image.config), base: name };
  const order = orderOf(subject, mounts, isInteractive, context.env);
  if (network === 'none' && !driver.isolatesNetwork)
    progress.warn(`${driver.name} cannot keep ${name} off the network`);
  const room: Room = { root: root.path, mounts, network, hostname: hostnameOf(name), limits };
  return runInRoom(driver, room, order, { folder: await store.temporaryFile(), signal, ...options });
}

function orderOf(
  subject: Subject,
  mounts: readonly Mount[],
  isInteractive: boolean,
  env: NodeJS.ProcessEnv,
): Order {
  const { config, tree, base } = subject;
  const command = findCommand(subject);
  const user = resolveUser(config.User ?? '', tree, base);
  const [word = ''] = command.words;
  const isMounted = mounts.some(({ target }) => word === target || word.startsWith(`${target}/`));
  const [problem] = [...(isMounted ? [] : command.findings), ...user.findings];
  if (problem !== undefined)
    throw new OcislimError('OCISLIM_CHECK_FAILED', problem.message, { hint: problem.remedy });
  const { uid, gids } = user.identity ?? { uid: 0, gids: new Set([0]) };
  const [gid = 0, ...others] = gids;
  return {
    args: [command.path ?? word, ...command.words.slice(1)],
    env: {
      PATH: pathOf(config),
      HOME: homeOf(uid, tree),
      ...(isInteractive && env['TERM'] ? { TERM: env['TERM'] } : {}),
      ...environmentOf(config),
    },
    cwd: config.WorkingDir || '/',
    identity: { uid, gid, gids: others },
    isInit: true,
  };
}

/** The name without transport, registry, folder, tag and digest, as far as host names go (RFC 1123). */
function hostnameOf(name: string): string {
  const plain = basename(name.replace(/^(?:oci|oci-archive|docker|docker-archive|docker-daemon|store):/, ''))
    .replace(/[@:].*$/, '')
    .replace(/[^A-Za-z0-9-]/g, '-');
  return plain.replace(/^-+/, '').slice(0, 63) || 'ocislim';
}
