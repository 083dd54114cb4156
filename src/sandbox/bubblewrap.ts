import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeTree } from '../lib/remove-tree.ts';
import { type ControlGroup, makeControlGroup } from './control-group.ts';
import type { Driver, Invocation } from './driver.ts';
import { makeMountPoint } from './mount-point.ts';
import { networkFiles } from './network-files.ts';
import type { Limits, Order, Room } from './room.ts';
import { copyTree } from './view.ts';

const execute = promisify(execFile);

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
    mapsUsers: authority !== 'user',
    prepare: (room, order, folder) => prepare(authority, hasOverlay, room, order, folder),
    remove: (folder) => removeFor(authority, folder),
  };
}

const TITLES: Readonly<Record<Authority, string>> = {
  root: 'root',
  'user-range': 'a user with a range of ids',
  user: 'a user with one id',
};

/** `unshare` of util-linux; `--map-auto` came with 2.38. */
const NAMESPACES: Readonly<Record<Authority, readonly string[]>> = {
  root: [],
  'user-range': ['--user', '--map-auto', '--map-root-user'],
  user: ['--user', '--map-root-user'],
};

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
  const { uid, gid, gids } = order.identity;
  // Others may not see into this user's folders; what they need is mounted where they can.
  const isOther = uid !== 0 && authority !== 'user';
  const place = isOther ? await mkdtemp(join(tmpdir(), 'ocislim-room-')) : folder;
  if (isOther) await chmod(place, 0o711);
  const root = join(place, 'root');
  const layers = await makeLayers(hasOverlay, room.root, folder);
  const files = await networkFiles(room, folder);
  const group = authority === 'root' ? await makeControlGroup(room.limits) : undefined;

  const stage: string[] = group === undefined ? [] : group.files.map((file) => `echo 0 > ${quote(file)}`);
  await mkdir(root, { recursive: true });
  if (hasOverlay) {
    const options = `lowerdir=lower,upperdir=upper,workdir=work${authority === 'root' ? '' : ',userxattr'}`;
    stage.push(`cd ${quote(folder)}`, `mount -t overlay overlay -o ${options} ${quote(root)}`, 'cd /');
  } else stage.push(`mount --bind ${quote(layers.upper)} ${quote(root)}`);

  const binds: string[] = [];
  for (const [at, { source, target, isWritable }] of [...room.mounts, ...files].entries()) {
    const isFolder = (await stat(source)).isDirectory();
    const point = await makeMountPoint(layers, target, isFolder ? 'directory' : 'file');
    let from = source;
    if (isOther) {
      from = join(place, `mount-${at}`);
      await (isFolder ? mkdir(from) : writeFile(from, ''));
      stage.push(`mount --bind ${quote(source)} ${quote(from)}`);
    }
    binds.push(isWritable ? '--bind' : '--ro-bind', from, point);
  }
  const cwd = await makeMountPoint(layers, order.cwd, 'directory');
  const [dev, proc] = [
    await makeMountPoint(layers, '/dev', 'directory'),
    await makeMountPoint(layers, '/proc', 'directory'),
  ];
  const user = isOther || (authority === 'user' && uid !== 0);
  const hiddenArgs = [
    ...['--bind', root, '/', '--dev', dev, '--proc', proc, ...binds],
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(room.network === 'none' ? ['--unshare-net'] : []),
    ...['--hostname', room.hostname, '--die-with-parent', '--info-fd', '4', '--sync-fd', '5', '--chdir', cwd],
    ...(order.isInteractive ? [] : ['--new-session']),
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
  return {
    file: 'unshare',
    args: [
      ...[...NAMESPACES[authority], '--mount', '--propagation', 'private', '--'],
      ...['sh', '-c', `set -e\n${stage.join('\n')}`, 'sh', ...inner],
    ],
    env: hostEnvironment(),
    hiddenArgs,
    tellsProcess: true,
    dispose: () => dispose(isOther ? place : undefined, group),
  };
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

async function removeFor(authority: Authority, folder: string): Promise<void> {
  if (authority !== 'user-range') return removeTree(folder);
  // Files may belong to ids that only the namespace can name.
  const args = [...NAMESPACES[authority], '--', 'rm', '-rf', '--', folder];
  await execute('unshare', args).catch(() => removeTree(folder));
}
