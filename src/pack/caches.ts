import { createHash } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from '#oci-spec-types';
import type { Recognised } from '../compile/recognise.ts';
import type { Context } from '../transports/context.ts';

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
