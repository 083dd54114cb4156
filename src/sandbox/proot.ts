import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import { which } from '../lib/which.ts';
import type { Driver, Invocation } from './driver.ts';
import { makeMountPoint, makeWorkingFolder } from './mount-point.ts';
import { networkFiles } from './network-files.ts';
import { launcher } from './old-calls.ts';
import { loaderOf } from './proot-loader.ts';
import type { Order, Room } from './room.ts';
import { copyTree } from './view.ts';

/**
 * Runs commands with proot, which needs no namespaces: it stops each system call and turns its paths (ptrace(2)). What
 * runs is kept in its root by that alone, sees the host's processes and devices, and has the host's network.
 */
export const proot: Driver = {
  name: 'proot',
  title: 'proot, with a copy for each run; without isolation from the network and from other processes',
  isolatesNetwork: false,
  prepare,
};

async function prepare(room: Room, order: Order, folder: string): Promise<Invocation> {
  const file = await which('proot');
  if (file === undefined) throw new OcislimError('OCISLIM_SANDBOX_FAILED', 'proot: it is not installed');
  const root = join(folder, 'root');
  await copyTree(room.root, root);
  const layers = { lower: root, upper: root };
  const given = [...room.mounts, ...(await networkFiles(room, folder))];
  // Without a place to bind to, it would make one in `/tmp`, which may not be writable.
  const closed: string[] = [];
  const binds: string[] = [];
  for (const path of ['/proc', '/dev']) {
    const point = await makeMountPoint(layers, path, 'directory');
    binds.push('-b', `${path}:${point}`);
    closed.push(point);
  }
  for (const { source, target } of given) {
    const kind = (await stat(source)).isDirectory() ? 'directory' : 'file';
    binds.push('-b', `${source}:${await makeMountPoint(layers, target, kind, closed)}`);
  }
  const cwd = await makeWorkingFolder(layers, order.cwd, room.mounts, closed);
  const { uid, gid } = order.identity;
  const user = uid === 0 && gid === 0 ? ['-0'] : ['-i', `${uid}:${gid}`];
  const args = ['-v', '-1', '-r', root, ...binds, '-w', cwd, ...user, ...order.args];
  const loader = await loaderOf(file);
  const loading = join(folder, 'loader');
  if (loader !== undefined) await writeFile(loading, loader, { mode: 0o755 });
  const own = loader === undefined ? { PROOT_TMP_DIR: folder } : { PROOT_LOADER: loading };
  const env = { ...order.env, ...own };
  if (process.arch !== 'x64') return { file, args, env, traces: true };
  const launching = join(folder, 'launcher');
  await writeFile(launching, launcher(), { mode: 0o755 });
  return { file: launching, args: [file, ...args], env, traces: true };
}
