import { OcislimError } from '../lib/errors.ts';
import type { FileTree } from './file-tree.ts';

/** Names of a folder that are compared with one that is not there. */
const COMPARED = 2000;

/** The error for a path that is not there, with what may be meant. */
export async function missingSource(tree: FileTree, path: string, shown: string): Promise<OcislimError> {
  const message = `${shown}: not in ${tree.name}`;
  if (await tree.isLeftOut?.(path))
    return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${message}: .dockerignore leaves it out`, {
      hint: `take it back in with a line !${path} at the end of .dockerignore`,
    });
  const link = await tree.lookup(path, { followLast: false });
  if (link?.type === 'symlink')
    return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${message}: it is a link to ${link.linkname}`, {
      hint: 'a link leads nowhere out of where it is copied from',
    });
  const near = await nearestName(tree, path);
  return new OcislimError('OCISLIM_INPUT_NOT_FOUND', message, {
    hint: near === undefined ? undefined : `did you mean ${near}?`,
  });
}

async function nearestName(tree: FileTree, path: string): Promise<string | undefined> {
  const cut = path.lastIndexOf('/');
  const folder = path.slice(0, Math.max(cut, 0));
  const name = path.slice(cut + 1);
  const names = (await tree.list(folder)).slice(0, COMPARED);
  const limit = Math.max(1, Math.floor(name.length / 3));
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const each of names) {
    if (Math.abs(each.length - name.length) > limit) continue;
    const distance = distanceOf(each.toLowerCase(), name.toLowerCase());
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { name: each, distance };
  }
  if (best === undefined) return undefined;
  return folder === '' ? best.name : `${folder}/${best.name}`;
}

/** How many characters must be put in, taken out or changed. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
