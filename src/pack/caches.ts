import { createHash } from 'node:crypto';
import { lstat, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from '#oci-spec-types';
import type { Recognised } from '../compile/recognise.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Context } from '../transports/context.ts';

/**
 * Makes a folder that commands get and keep. What ran before had it in its hands, and could have left a link to anywhere in
 * its place (CVE-2024-9675).
 * @returns whether it was there
 */
export async function ownFolder(path: string): Promise<boolean> {
  const there = await lstat(path).catch(() => undefined);
  if (there?.isDirectory()) return true;
  if (there !== undefined) await removeTree(path);
  await mkdir(path, { recursive: true });
  return false;
}

/** Where a project's caches for a platform are. What one project's build leaves there, no other's uses. */
export async function cacheFolder(
  { source }: Recognised,
  { os, architecture, variant = '' }: Platform,
  { store }: Context,
): Promise<string> {
  const project = JSON.stringify([await realpath(source.folder), os, architecture, variant]);
  const name = createHash('sha256').update(project).digest('hex').slice(0, 32);
  const folder = join(store.root, 'caches', name);
  await mkdir(folder, { recursive: true });
  return folder;
}
