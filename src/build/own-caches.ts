import { createHash } from 'node:crypto';
import { join, posix } from 'node:path';
import { formatPlatform } from '#oci-spec-types';
import { ownFolder } from '../pack/caches.ts';
import type { Tree } from '../rootfs/tree.ts';
import type { Mount } from '../sandbox/room.ts';
import type { BuildEnvironment } from './environment.ts';

/** What compilers and package managers keep below a home to be faster, and would make again. */
const CACHES: readonly string[] = ['.cache/go-build', '.cache/pip', '.npm'];

/**
 * Folders that stay from one build to the next, as if each RUN had asked for them: only for commands whose stage becomes
 * no part of the image, where the image has nothing at their place, and where the Dockerfile does not name them.
 */
export async function ownCaches(
  home: string,
  tree: Tree,
  given: readonly string[],
  { file, project, platform, context }: Pick<BuildEnvironment, 'file' | 'project' | 'platform' | 'context'>,
): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const cache of CACHES) {
    const target = posix.join(home, cache);
    const isTaken = given.some((each) => isWithin(target, each) || isWithin(each, target));
    if (isTaken || tree.lookup(target) !== undefined || file.text.includes(posix.basename(cache))) continue;
    const name = JSON.stringify(['own', project, formatPlatform(platform), cache]);
    const folder = createHash('sha256').update(name).digest('hex').slice(0, 32);
    const source = join(context.store.root, 'caches', folder);
    await ownFolder(source);
    mounts.push({ source, target, isWritable: true });
  }
  return mounts;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
