import { nearest } from '../config/nearest.ts';
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
  // However it is written in capitals.
  const lower = new Map(names.map((each) => [each.toLowerCase(), each]));
  const best = lower.get(nearest(name.toLowerCase(), [...lower.keys()]) ?? '');
  if (best === undefined) return undefined;
  return folder === '' ? best : `${folder}/${best}`;
}
