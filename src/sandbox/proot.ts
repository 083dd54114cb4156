import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import { which } from '../lib/which.ts';
import type { Driver, Invocation } from './driver.ts';
import { checkWorkingFolder, makeInnerPlaces, makePlaces } from './mount-point.ts';
import { networkFiles } from './network-files.ts';
import { launcher } from './old-calls.ts';
import { loaderOf } from './proot-loader.ts';
import { type EmptyMount, isEmptyMount, type Mount, type Order, type Room } from './room.ts';
import { copyTree } from './view.ts';

/**
 * Runs commands with proot, which needs no namespaces: it stops each system call and turns its paths (ptrace(2)). What
 * runs is kept in its root by that alone, sees the host's processes and devices, and has the host's network.
 */
export const proot: Driver = {
  name: 'proot',
  title: 'proot, with a copy for each run; without isolation from the network and from other processes',
  isolatesNetwork: false,
  files: { method: 'copy', ids: process.geteuid?.() === 0 ? 'root' : 'one', entering: [] },
  prepare,
};

async function prepare(room: Room, order: Order, folder: string): Promise<Invocation> {
  const file = await which('proot');
  if (file === undefined) throw new OcislimError('OCISLIM_SANDBOX_FAILED', 'proot: it is not installed');
  const root = room.isOwnRoot ? room.root : join(folder, 'root');
  if (!room.isOwnRoot) await copyTree(room.root, root);
  const mounts = [...room.mounts, ...(await networkFiles(room, folder))];
  const sources = await Promise.all(mounts.map((mount, at) => sourceOf(mount, join(folder, `empty-${at}`))));
  const wanted = await Promise.all(
    mounts.map(async ({ target }, at) => {
      const isFolder = (await stat(sources[at] ?? '')).isDirectory();
      return { target, kind: isFolder ? 'directory' : 'file' } as const;
    }),
  );
  await checkWorkingFolder(order.cwd, room.mounts);
  const { dev, proc, points, cwd, stubs } = await makePlaces(root, wanted, order.cwd);
  const inOrder = await makeInnerPlaces(mounts, wanted, points);
  // Without a place to bind to, it would make one in `/tmp`, which may not be writable.
  const all = [['/proc', proc], ['/dev', dev], ...inOrder.map((at) => [sources[at], points[at]])];
  const binds = all.flatMap(([source, point]) => ['-b', `${source}:${point}`]);
  const { uid, gid } = order.identity;
  const user = uid === 0 && gid === 0 ? ['-0'] : ['-i', `${uid}:${gid}`];
  const args = ['-v', '-1', '-r', root, ...binds, '-w', cwd, ...user, ...order.args];
  const loader = await loaderOf(file);
  const loading = join(folder, 'loader');
  if (loader !== undefined) await writeFile(loading, loader, { mode: 0o755 });
  const own = loader === undefined ? { PROOT_TMP_DIR: folder } : { PROOT_LOADER: loading };
  const env = { ...order.env, ...own };
  const left = { folder: root, stubs };
  if (process.arch !== 'x64') return { file, args, env, traces: true, left };
  const launching = join(folder, 'launcher');
  await writeFile(launching, launcher(), { mode: 0o755 });
  return { file: launching, args: [file, ...args], env, traces: true, left };
}

async function sourceOf(mount: Mount | EmptyMount, empty: string): Promise<string> {
  if (!isEmptyMount(mount)) return mount.source;
  await mkdir(empty);
  await chmod(empty, 0o1777);
  return empty;
}
