import { chmod, lstat, mkdir, stat, writeFile } from 'node:fs/promises';
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
  const { own: guarded, handed } = divided(order.env);
  const command = [...(await settingOf(handed, root)), ...order.args];
  const args = ['-v', '-1', '-r', root, ...binds, '-w', cwd, ...user, ...command];
  const loader = await loaderOf(file);
  const loading = join(folder, 'loader');
  if (loader !== undefined) await writeFile(loading, loader, { mode: 0o755 });
  const own = loader === undefined ? { PROOT_TMP_DIR: folder } : { PROOT_LOADER: loading };
  const env = { ...guarded, ...own };
  const left = { folder: root, stubs };
  if (process.arch !== 'x64') return { file, args, env, traces: true, left };
  const launching = join(folder, 'launcher');
  await writeFile(launching, launcher(), { mode: 0o755 });
  return { file: launching, args: [file, ...args], env, traces: true, left };
}

/** What loaders and libraries of the host's own programs, proot among them, would obey (ld.so(8), proot(1)). */
const OBEYED = /^(?:LD_|PROOT_|MALLOC_|GLIBC_|(?:GCONV_PATH|LOCPATH|NLSPATH|GETCONF_DIR|TMPDIR|TZDIR)$)/;

/** Variables that proot may have as well, and those that only the command may. */
function divided(env: Readonly<Record<string, string>>): Record<'own' | 'handed', Record<string, string>> {
  const parts = { own: {} as Record<string, string>, handed: {} as Record<string, string> };
  for (const [name, value] of Object.entries(env)) parts[OBEYED.test(name) ? 'handed' : 'own'][name] = value;
  return parts;
}

/** What sets variables within the root; nothing where it has no `env`, so that they are not set. */
async function settingOf(env: Readonly<Record<string, string>>, root: string): Promise<readonly string[]> {
  if (Object.keys(env).length === 0) return [];
  for (const path of ['/usr/bin/env', '/bin/env']) {
    const there = await lstat(join(root, path)).catch(() => undefined);
    if (there !== undefined) return [path, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  }
  return [];
}

async function sourceOf(mount: Mount | EmptyMount, empty: string): Promise<string> {
  if (!isEmptyMount(mount)) return mount.source;
  await mkdir(empty);
  await chmod(empty, 0o1777);
  return empty;
}
