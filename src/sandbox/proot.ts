import { join } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Driver, Invocation } from './driver.ts';
import { makeMountPoint } from './mount-point.ts';
import { networkFiles } from './network-files.ts';
import type { Order, Room } from './room.ts';
import { copyTree } from './view.ts';
import { which } from './which.ts';

/**
 * Runs commands with proot, which needs no namespaces: it stops each system call and turns its paths (ptrace(2)). What
 * runs is kept in its root by that alone, sees the host's processes and devices, and has the host's network.
 */
export const proot: Driver = {
  name: 'proot',
  title: 'proot, with a copy for each run; without isolation from the network and from other processes',
  isolatesNetwork: false,
  mapsUsers: false,
  prepare,
  remove: removeTree,
};

async function prepare(room: Room, order: Order, folder: string): Promise<Invocation> {
  const file = await which('proot');
  if (file === undefined) throw new OcislimError('OCISLIM_SANDBOX_FAILED', 'proot: it is not installed');
  const root = join(folder, 'root');
  await copyTree(room.root, root);
  const layers = { lower: root, upper: root };
  const cwd = await makeMountPoint(layers, order.cwd, 'directory');
  const binds = ['-b', '/proc', '-b', '/dev'];
  for (const { source, target } of [...room.mounts, ...(await networkFiles(room, folder))])
    binds.push('-b', `${source}:${target}`);
  const { uid, gid } = order.identity;
  const user = uid === 0 && gid === 0 ? ['-0'] : ['-i', `${uid}:${gid}`];
  return {
    file,
    args: ['-v', '-1', '-r', root, ...binds, '-w', cwd, ...user, ...order.args],
    env: order.env,
    traces: true,
  };
}
