import { lstat, mkdir, readlink, realpath, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import { type EmptyMount, isEmptyMount, type Mount } from './room.ts';

/** Links that one path may lead through, as in Linux. */
export const LINK_LIMIT = 40;

/** A place that something will be mounted at. */
export interface Wanted {
  readonly target: string;
  readonly kind: 'file' | 'directory';
}

/** Places without any link in them, absolute in the sandbox. */
export interface Places {
  readonly dev: string;
  readonly proc: string;
  /** One for each that was wanted. */
  readonly points: readonly string[];
  readonly cwd: string;
  /** What was made for them, relative to the root, folders before what is in them. */
  readonly stubs: readonly string[];
}

/**
 * Makes places for mounts, and the folder that the command starts in, where there are none. Links are followed as they
 * would be inside, so that nothing is made or mounted outside the root (CVE-2024-1753). Nothing else may be changing the
 * root meanwhile. `/dev` and `/proc` will hold something else, with links that lead anywhere (CVE-2024-21626).
 * @throws OCISLIM_SANDBOX_FAILED where a file is in the way, or a place is in `/dev` or `/proc`
 */
export async function makePlaces(root: string, wanted: readonly Wanted[], cwd: string): Promise<Places> {
  const stubs: string[] = [];
  const dev = await makePlace(root, { target: '/dev', kind: 'directory' }, [], stubs);
  const proc = await makePlace(root, { target: '/proc', kind: 'directory' }, [], stubs);
  const points: string[] = [];
  for (const each of [...wanted, { target: cwd, kind: 'directory' } as const])
    points.push(await makePlace(root, each, [dev, proc], stubs));
  return { dev, proc, points: points.slice(0, -1), cwd: points.at(-1) ?? '/', stubs };
}

async function makePlace(
  root: string,
  { target, kind }: Wanted,
  closed: readonly string[],
  stubs: string[],
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
    const there = await lstat(join(root, path)).catch(() => undefined);
    if (there?.isSymbolicLink()) {
      if (++links > LINK_LIMIT) throw inTheWay(target, 'links that lead nowhere');
      const linkname = await readlink(join(root, path));
      if (linkname.startsWith('/')) trail = [];
      rest = [...linkname.split('/').filter(isPart), ...rest];
      continue;
    }
    const isLast = rest.length === 0;
    if (there === undefined) {
      stubs.push(path);
      if (isLast && kind === 'file') await writeFile(join(root, path), '', { flag: 'wx', mode: 0o644 });
      else await mkdir(join(root, path), { mode: 0o755 });
    } else if (!isLast && !there.isDirectory()) throw inTheWay(target, `/${path} is a file`);
    else if (isLast && there.isDirectory() !== (kind === 'directory'))
      throw inTheWay(target, `/${path} is ${kind === 'directory' ? 'a file' : 'a folder'}`);
    trail = [...trail, name];
  }
  return `/${trail.join('/')}`;
}

/**
 * Makes places of mounts that are within other mounts, in what is mounted there. Links in that are not followed: in a
 * sandbox that is being made, absolute ones lead to the host's files.
 * @param points of the mounts, as {@link Places} has them
 * @returns the numbers of the mounts, those that others are in first
 * @throws OCISLIM_SANDBOX_FAILED where a link or a file is in the way
 */
export async function makeInnerPlaces(
  mounts: readonly (Mount | EmptyMount)[],
  wanted: readonly Wanted[],
  points: readonly string[],
): Promise<readonly number[]> {
  const order = [...mounts.keys()].sort((a, b) => (points[a] ?? '').length - (points[b] ?? '').length);
  for (const [rank, at] of order.entries()) {
    const point = points[at] ?? '';
    const above = order.slice(0, rank).findLast((each) => point.startsWith(`${points[each] ?? ''}/`));
    const outer = above === undefined ? undefined : mounts[above];
    if (above === undefined || outer === undefined || isEmptyMount(outer)) continue;
    const kind = wanted[at]?.kind ?? 'directory';
    await makeWithin(outer.source, point.slice((points[above] ?? '').length + 1), kind, point);
  }
  return order;
}

async function makeWithin(folder: string, path: string, kind: Wanted['kind'], shown: string): Promise<void> {
  const parts = path.split('/');
  for (const at of parts.keys()) {
    const isFile = kind === 'file' && at === parts.length - 1;
    const full = join(folder, ...parts.slice(0, at + 1));
    const there = await lstat(full).catch(() => undefined);
    if (there?.isSymbolicLink()) throw inTheWay(shown, 'a link of another mount is in the way');
    if (there !== undefined && there.isDirectory() === isFile)
      throw inTheWay(shown, `${isFile ? 'a folder' : 'a file'} of another mount is in the way`);
    if (there !== undefined) continue;
    try {
      await (isFile ? writeFile(full, '', { flag: 'wx' }) : mkdir(full));
    } catch (error) {
      throw inTheWay(shown, error instanceof Error ? error.message : String(error));
    }
  }
}

/**
 * Takes places for mounts away again that nothing was put into. A command can have moved their parents away, and left links
 * that lead to the host's folders.
 */
export async function removeStubs(root: string, stubs: readonly string[]): Promise<void> {
  for (const stub of stubs.toReversed()) {
    const parts = stub.split('/');
    const above = await Promise.all(
      parts.slice(1).map((_, at) => lstat(join(root, ...parts.slice(0, at + 1))).catch(() => undefined)),
    );
    if (!above.every((each) => each?.isDirectory())) continue;
    const path = join(root, stub);
    const there = await lstat(path).catch(() => undefined);
    // What has something in it is the command's.
    if (there?.isDirectory()) await rmdir(path).catch(() => {});
    else if (there?.isFile() && there.size === 0) await rm(path);
  }
}

/**
 * Sees to it that links of what is mounted lead no command's folder out of that.
 * @throws OCISLIM_SANDBOX_FAILED
 */
export async function checkWorkingFolder(
  cwd: string,
  mounts: readonly (Mount | EmptyMount)[],
): Promise<void> {
  for (const mount of mounts) {
    const { target } = mount;
    if (cwd !== target && !cwd.startsWith(`${target}/`)) continue;
    if (isEmptyMount(mount)) {
      if (cwd !== target) throw inTheWay(cwd, `${target} is empty`);
      continue;
    }
    const { source } = mount;
    const [real, root] = await Promise.all(
      [join(source, cwd.slice(target.length)), source].map((path) => realpath(path).catch(() => undefined)),
    );
    if (real === undefined || root === undefined || !`${real}/`.startsWith(`${root}/`))
      throw inTheWay(cwd, `it is no folder in ${target}`);
  }
}

function isPart(part: string): boolean {
  return part !== '' && part !== '.';
}

function inTheWay(target: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_SANDBOX_FAILED', `${target} cannot be made in the sandbox: ${why}`);
}
