import type { Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, readlink, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import type { Mount } from './room.ts';

/** Links that one path may lead through, as in Linux. */
const LINK_LIMIT = 40;

/** Where a room's files come from, and where new ones go; both the same where the room has a copy of its own. */
export interface Layers {
  readonly lower: string;
  readonly upper: string;
}

/**
 * Makes a place for a mount where there is none. Links are followed as they would be inside, so that nothing is made
 * or mounted outside the root (CVE-2024-1753). Nothing else may be changing the root meanwhile.
 * @param closed places that will hold something else, with links of its own; `/proc` leads anywhere (CVE-2024-21626)
 * @returns the place without any link in it, absolute in the sandbox
 * @throws OCISLIM_SANDBOX_FAILED where a file is in the way, or it leads to what is closed
 */
export async function makeMountPoint(
  { lower, upper }: Layers,
  target: string,
  kind: 'file' | 'directory',
  closed: readonly string[] = [],
): Promise<string> {
  let rest = target.split('/').filter(isPart);
  let trail: string[] = [];
  let links = 0;
  while (rest.length > 0) {
    const [name = '', ...after] = rest;
    rest = after;
    if (name === '..') {
      trail.pop();
      continue;
    }
    const path = [...trail, name].join('/');
    const taken = closed.find((each) => `/${path}` === each);
    if (taken !== undefined) throw inTheWay(target, `it leads into ${taken}`);
    const there = await find({ lower, upper }, path);
    if (there?.stats.isSymbolicLink()) {
      if (++links > LINK_LIMIT) throw inTheWay(target, 'links that lead nowhere');
      const linkname = await readlink(there.path);
      if (linkname.startsWith('/')) trail = [];
      rest = [...linkname.split('/').filter(isPart), ...rest];
      continue;
    }
    const isLast = rest.length === 0;
    if (there === undefined) await create({ lower, upper }, trail, name, isLast ? kind : 'directory');
    else if (!isLast && !there.stats.isDirectory()) throw inTheWay(target, `/${path} is a file`);
    else if (isLast && there.stats.isDirectory() !== (kind === 'directory'))
      throw inTheWay(target, `/${path} is ${kind === 'directory' ? 'a file' : 'a folder'}`);
    trail = [...trail, name];
  }
  return `/${trail.join('/')}`;
}

/**
 * Makes the folder that a command starts in. Where it is in a mount, links of what is mounted may not lead out of that.
 * @throws OCISLIM_SANDBOX_FAILED
 */
export async function makeWorkingFolder(
  layers: Layers,
  cwd: string,
  mounts: readonly Mount[],
  closed: readonly string[],
): Promise<string> {
  const inside = mounts.filter(({ target }) => cwd === target || cwd.startsWith(`${target}/`));
  for (const { source, target } of inside) {
    const [real, root] = await Promise.all(
      [join(source, cwd.slice(target.length)), source].map((path) => realpath(path).catch(() => undefined)),
    );
    if (real === undefined || root === undefined || !`${real}/`.startsWith(`${root}/`))
      throw inTheWay(cwd, `it is no folder in ${target}`);
  }
  return makeMountPoint(layers, cwd, 'directory', closed);
}

function isPart(part: string): boolean {
  return part !== '' && part !== '.';
}

async function find(
  { lower, upper }: Layers,
  path: string,
): Promise<{ readonly path: string; readonly stats: Stats } | undefined> {
  for (const folder of [upper, lower]) {
    const full = join(folder, path);
    const stats = await lstat(full).catch(() => undefined);
    if (stats !== undefined) return { path: full, stats };
  }
  return undefined;
}

/** Folders that only the lower layer has get their like in the upper one, since that is what will be seen. */
async function create(
  { lower, upper }: Layers,
  parents: readonly string[],
  name: string,
  kind: 'file' | 'directory',
): Promise<void> {
  for (let depth = 1; depth <= parents.length; depth++) {
    const path = parents.slice(0, depth).join('/');
    const made = await mkdir(join(upper, path)).then(
      () => true,
      () => false,
    );
    if (!made) continue;
    const like = await lstat(join(lower, path));
    await chmod(join(upper, path), like.mode & 0o7777);
    // An ordinary user owns both.
    await chown(join(upper, path), like.uid, like.gid).catch(() => {});
  }
  const full = join(upper, ...parents, name);
  if (kind === 'directory') await mkdir(full, { mode: 0o755 });
  else await writeFile(full, '', { flag: 'wx', mode: 0o644 });
}

function inTheWay(target: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_SANDBOX_FAILED', `${target} cannot be made in the sandbox: ${why}`);
}
