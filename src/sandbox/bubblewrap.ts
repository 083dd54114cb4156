import { chmod, lstat, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ControlGroup, makeControlGroup } from './control-group.ts';
import type { Driver, Invocation } from './driver.ts';
import { makeMountPoint, makeWorkingFolder } from './mount-point.ts';
import { networkFiles } from './network-files.ts';
import type { Limits, Order, Room } from './room.ts';
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
    prepare: (room, order, folder) => prepare(authority, hasOverlay, room, order, folder),
  };
}

const TITLES: Readonly<Record<Authority, string>> = {
  root: 'root',
  'user-range': 'a user with a range of ids',
  user: 'a user with one id',
};

/** For `unshare` of util-linux; `--map-auto` came with 2.38. */
const NAMESPACES: Readonly<Record<Exclude<Authority, 'root'>, readonly string[]>> = {
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
  const layers = await makeLayers(hasOverlay, room.root, folder);
  const files = await networkFiles(room, folder);

  const stage: string[] = group === undefined ? [] : group.files.map((file) => `echo 0 > ${quote(file)}`);
  await mkdir(root, { recursive: true });
  if (hasOverlay) {
    const options = `lowerdir=lower,upperdir=upper,workdir=work${authority === 'root' ? '' : ',userxattr'}`;
    stage.push(`cd ${quote(folder)}`, `mount -t overlay overlay -o ${options} ${quote(root)}`, 'cd /');
  } else stage.push(`mount --bind ${quote(layers.upper)} ${quote(root)}`);

  const [dev, proc] = [
    await makeMountPoint(layers, '/dev', 'directory'),
    await makeMountPoint(layers, '/proc', 'directory'),
  ];
  const binds: string[] = [];
  for (const [at, { source, target, isWritable }] of [...room.mounts, ...files].entries()) {
    const isFolder = (await stat(source)).isDirectory();
    const point = await makeMountPoint(layers, target, isFolder ? 'directory' : 'file', [dev, proc]);
    let from = source;
    if (isOther) {
      from = join(place, `mount-${at}`);
      await (isFolder ? mkdir(from) : writeFile(from, ''));
      stage.push(`mount --rbind ${quote(source)} ${quote(from)}`);
    }
    binds.push(isWritable ? '--bind' : '--ro-bind', from, point);
  }
  const cwd = await makeWorkingFolder(layers, order.cwd, room.mounts, [dev, proc]);
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

async function makeLayers(hasOverlay: boolean, root: string, folder: string) {
  const upper = join(folder, 'upper');
  if (!hasOverlay) {
    await copyTree(root, upper);
    return { lower: upper, upper };
  }
  const like = await stat(root);
  await mkdir(upper);
  await chmod(upper, like.mode & 0o7777);
  await mkdir(join(folder, 'work'));
  await symlink(root, join(folder, 'lower'));
  return { lower: root, upper };
}

/** What `unshare`, `sh`, `mount` and bubblewrap itself need; the command gets none of it. */
function hostEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' };
}

/** Without control groups, each process has its own limit of memory, and all of the user's in the namespace count. */
function limitsOf({ memory, processes }: Limits): readonly string[] {
  const limits = [
    ...(memory === undefined ? [] : [`--data=${memory}`]),
    ...(processes === undefined ? [] : [`--nproc=${processes}`]),
  ];
  return limits.length === 0 ? [] : ['prlimit', ...limits, '--'];
}

/** For POSIX shells. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function dispose(place: string | undefined, group: ControlGroup | undefined): Promise<void> {
  await group?.remove();
  // Nothing is mounted there any more, nor was it ever for others than the run.
  if (place !== undefined) await rm(place, { recursive: true, force: true });
}
