import { chmod, lstat, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ControlGroup, makeControlGroup } from './control-group.ts';
import type { Driver, Files, Invocation } from './driver.ts';
import { hostEnvironment, quote } from './host-shell.ts';
import { checkWorkingFolder, makeInnerPlaces, makePlaces, type Wanted } from './mount-point.ts';
import { networkFiles } from './network-files.ts';
import { makeOverlay, makePlacesIn } from './overlay.ts';
import { type EmptyMount, isEmptyMount, type Limits, type Mount, type Order, type Room } from './room.ts';
import { copyTree } from './view.ts';

/** Who prepares the room. */
export type Authority =
  /** The real root. */
  | 'root'
  /** An ordinary user with a range of ids of their own (subuid(5)). */
  | 'user-range'
  /** An ordinary user, who is root in a namespace with one id. */
  | 'user';

/**
 * Runs commands with bubblewrap. A shell, in a mount namespace of its own, lays a writable layer over the root file
 * system and then becomes bubblewrap, which makes `/dev` and `/proc`, changes the root and lets go of privileges. So
 * there is no mount that could outlive the run.
 */
export function bubblewrap(authority: Authority, hasOverlay: boolean): Driver {
  return {
    name: 'bubblewrap',
    title: `bubblewrap as ${TITLES[authority]}, ${hasOverlay ? 'with overlay' : 'with a copy for each run'}`,
    isolatesNetwork: true,
    files: {
      method: hasOverlay ? 'overlay' : 'copy',
      ids: IDS[authority],
      entering: authority === 'root' ? [] : ['unshare', ...NAMESPACES[authority], '--'],
    },
    prepare: (room, order, folder) => prepare(authority, hasOverlay, room, order, folder),
  };
}

const TITLES: Readonly<Record<Authority, string>> = {
  root: 'root',
  'user-range': 'a user with a range of ids',
  user: 'a user with one id',
};

const IDS: Readonly<Record<Authority, Files['ids']>> = { root: 'root', 'user-range': 'range', user: 'one' };

/** For `unshare` of util-linux; `--map-auto` came with 2.38. */
const NAMESPACES: Readonly<Record<Authority, readonly string[]>> = {
  root: [],
  'user-range': ['--user', '--map-auto', '--map-root-user'],
  user: ['--user', '--map-root-user'],
};

/**
 * Ends bubblewrap when this process ends, however it does, and with it all that it has started: it is the first process
 * of a namespace. Its own `--die-with-parent` ends the command alone, and no longer once that has become another user
 * (prctl(2), PR_SET_PDEATHSIG). It comes after the user namespace, whose making takes such a wish back.
 */
const LIFELINE = ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--pid', '--kill-child'] as const;

/** What Docker leaves to root in a container, less what makes devices, raw packets and audit records. */
const CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
];

async function prepare(
  authority: Authority,
  hasOverlay: boolean,
  room: Room,
  order: Order,
  folder: string,
): Promise<Invocation> {
  // Others may not see into this user's folders; what they need is mounted where they can.
  const isOther = order.identity.uid !== 0 && authority !== 'user';
  const place = isOther ? await mkdtemp('/tmp/ocislim-room-') : folder;
  const group = authority === 'root' ? await makeControlGroup(room.limits) : undefined;
  const remove = () => dispose(isOther ? place : undefined, group);
  try {
    if (isOther) await chmod(place, 0o711);
    const invocation = await invoke({ authority, hasOverlay, isOther, place, group }, room, order, folder);
    return { ...invocation, dispose: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

interface Stage {
  readonly authority: Authority;
  readonly hasOverlay: boolean;
  readonly isOther: boolean;
  readonly place: string;
  readonly group: ControlGroup | undefined;
}

async function invoke(
  { authority, hasOverlay, isOther, place, group }: Stage,
  room: Room,
  order: Order,
  folder: string,
): Promise<Invocation> {
  const { uid, gid, gids } = order.identity;
  const root = join(place, 'root');
  const files = await networkFiles(room, folder);
  const mounts = [...room.mounts, ...files];
  const wanted = await Promise.all(mounts.map(wantedFor));
  await checkWorkingFolder(order.cwd, room.mounts);
  await mkdir(root, { recursive: true });

  const entering = [...NAMESPACES[authority], '--mount', '--propagation', 'private', '--'];
  const stage: string[] = group === undefined ? [] : group.files.map((file) => `echo 0 > ${quote(file)}`);
  const overlay = hasOverlay ? await makeOverlay(room, folder, root, authority === 'root') : undefined;
  const upper = overlay?.upper ?? (await ownRoot(room, folder));
  const { dev, proc, points, cwd, stubs } =
    overlay === undefined
      ? await makePlaces(upper, wanted, order.cwd)
      : await makePlacesIn(overlay, root, entering, wanted, order.cwd);
  stage.push(...(overlay?.mount ?? [`mount --bind ${quote(upper)} ${quote(root)}`]));

  const binds: string[] = [];
  for (const at of await makeInnerPlaces(mounts, wanted, points)) {
    const [mount, point = ''] = [mounts[at], points[at]];
    if (mount === undefined) continue;
    if (isEmptyMount(mount)) {
      const size = mount.size === undefined ? [] : ['--size', String(mount.size)];
      binds.push(...size, '--perms', '1777', '--tmpfs', point);
      continue;
    }
    const { source, isWritable, owner } = mount;
    // Where there is but one id, it stands for all.
    if (owner !== undefined)
      stage.push(`chown -h ${owner.uid}:${owner.gid} ${quote(source)} 2>/dev/null || :`);
    let from = source;
    if (isOther) {
      from = join(place, `mount-${at}`);
      await (wanted[at]?.kind === 'directory' ? mkdir(from) : writeFile(from, ''));
      stage.push(`mount --rbind ${quote(source)} ${quote(from)}`);
    }
    binds.push(isWritable ? '--bind' : '--ro-bind', from, point);
  }
  const user = isOther || (authority === 'user' && uid !== 0);
  const hiddenArgs = [
    ...['--bind', root, '/', '--dev', dev, '--proc', proc],
    // Settings of the kernel are the host's, and root's to change.
    ...['--ro-bind', '/proc/sys', `${proc}/sys`],
    ...(authority === 'root' ? await hideMachine(proc) : []),
    ...binds,
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(room.network === 'none' ? ['--unshare-net'] : []),
    ...['--hostname', room.hostname, '--die-with-parent', '--info-fd', '4', '--sync-fd', '5', '--chdir', cwd],
    // Without a terminal of its own, it can neither put words into this one (TIOCSTI) nor take its signals.
    '--new-session',
    ...(order.isInit ? ['--as-pid-1'] : []),
    ...(user ? ['--unshare-user', '--uid', `${uid}`, '--gid', `${gid}`] : []),
    ...(user ? [] : ['--cap-drop', 'ALL', ...CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name}`])]),
    '--clearenv',
    ...Object.entries(order.env).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
  const groups = gids.length > 0 ? ['--groups', gids.join(',')] : ['--clear-groups'];
  const inner = [
    ...(group === undefined ? limitsOf(room.limits) : []),
    ...(isOther ? ['setpriv', '--reuid', `${uid}`, '--regid', `${gid}`, ...groups] : []),
    ...['bwrap', '--args', '3', '--', ...order.args],
  ];
  stage.push('exec "$@"');
  const [file = '', ...args] = [
    ...(authority === 'root' ? [] : ['unshare', ...NAMESPACES[authority], '--']),
    ...LIFELINE,
    ...['--mount', '--propagation', 'private', '--'],
    ...['sh', '-c', `set -e\n${stage.join('\n')}`, 'sh', ...inner],
  ] as const;
  return {
    file,
    args,
    env: hostEnvironment(),
    hiddenArgs,
    tellsProcess: true,
    left: { folder: upper, stubs },
  };
}

/**
 * What `/proc` tells and takes of the machine as a whole, as container engines hide it. To the root of a user namespace
 * most of it is closed by itself.
 */
const MACHINE = [
  'acpi',
  'asound',
  'fs',
  'interrupts',
  'kcore',
  'keys',
  'latency_stats',
  'sched_debug',
  'scsi',
  'timer_list',
];

async function hideMachine(proc: string): Promise<readonly string[]> {
  const hidden: string[] = [];
  for (const name of MACHINE) {
    const there = await lstat(`/proc/${name}`).catch(() => undefined);
    const path = `${proc}/${name}`;
    if (there?.isDirectory()) hidden.push('--tmpfs', path, '--remount-ro', path);
    else if (there?.isFile()) hidden.push('--ro-bind', '/dev/null', path);
  }
  return hidden;
}

async function wantedFor(mount: Mount | EmptyMount): Promise<Wanted> {
  const isFolder = isEmptyMount(mount) || (await stat(mount.source)).isDirectory();
  return { target: mount.target, kind: isFolder ? 'directory' : 'file' };
}

/** The root that the command may write to, where there is no overlay. */
async function ownRoot({ root, isOwnRoot }: Room, folder: string): Promise<string> {
  if (isOwnRoot) return root;
  const copy = join(folder, 'upper');
  await copyTree(root, copy);
  return copy;
}

/** Without control groups, each process has its own limit of memory, and all of the user's in the namespace count. */
function limitsOf({ memory, processes }: Limits): readonly string[] {
  const limits = [
    ...(memory === undefined ? [] : [`--data=${memory}`]),
    ...(processes === undefined ? [] : [`--nproc=${processes}`]),
  ];
  return limits.length === 0 ? [] : ['prlimit', ...limits, '--'];
}

async function dispose(place: string | undefined, group: ControlGroup | undefined): Promise<void> {
  await group?.remove();
  // Nothing is mounted there any more, nor was it ever for others than the run.
  if (place !== undefined) await rm(place, { recursive: true, force: true });
}
