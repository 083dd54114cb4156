import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import { Tree } from '../rootfs/tree.ts';
import { type ModeChange, parseChmod } from './chmod.ts';
import { type Owner, parseChown } from './chown.ts';
import type { Archive, Unpacking } from './copy-archive.ts';
import { type CopyRequest, type Destination, destinationOf, isLinked } from './copy-request.ts';
import { type Picked, type Selected, selectSources } from './copy-select.ts';
import { CopyTarget, folderOf, join, type Planned } from './copy-target.ts';
import type { FileNode, FileTree } from './file-tree.ts';
import { noRemotes, type Remotes } from './remote.ts';

export interface CopyOptions {
  /** What ADD fetches with; default nothing. */
  readonly remotes?: Remotes | undefined;
  /** Gives the path of a file, not made yet, that an archive is unpacked to; who gives it removes it. */
  readonly temporaryFile?: (() => Promise<string>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The entries of a layer that COPY or ADD puts on top of an image, as BuildKit has it (fsutil's copy): links of the image
 * that are on the way to the destination are followed, parents are made, a file takes the place of a file. None where
 * nothing changes.
 * @param image what the image has so far
 * @throws OCISLIM_INPUT_NOT_FOUND for a source that is not there, OCISLIM_INPUT_INVALID for what cannot be, such as a file
 *   in a folder's place, or an owner that the image does not know
 */
export async function planCopy(
  request: CopyRequest,
  source: FileTree,
  image: Tree,
  options: CopyOptions = {},
): Promise<Entry[]> {
  const { remotes = noRemotes, signal } = options;
  const owner = request.chown === undefined ? undefined : parseChown(request.chown, image);
  const chmod = request.chmod === undefined ? undefined : parseChmod(request.chmod);
  // Made folders get no more than permissions of it (BuildKit's mkdir).
  const made = { mode: (chmod?.(0o755, true) ?? 0o755) & 0o777, uid: owner?.uid ?? 0, gid: owner?.gid ?? 0 };
  const target = new CopyTarget(isLinked(request) ? new Tree() : image, made);
  const destination = destinationOf(request);
  const selected = await selectSources(request, source, remotes);
  const unpacking: Unpacking = { target, owner, chmod, temporaryFile: options.temporaryFile, signal };
  for (const [number, item] of selected.entries()) {
    signal?.throwIfAborted();
    const archive = item.mayUnpack ? await archiveOf(item, unpacking) : undefined;
    if (archive === undefined)
      place(item, number, { target, destination, owner, chmod, count: selected.length });
    else await archive.unpackInto(destination.path);
  }
  return target.entries(request.created);
}

async function archiveOf(item: Selected, unpacking: Unpacking): Promise<Archive | undefined> {
  const { openArchive } = await import('./copy-archive.ts');
  return openArchive(item, unpacking);
}

interface Placing {
  readonly target: CopyTarget;
  readonly destination: Destination;
  readonly owner: Owner | undefined;
  readonly chmod: ModeChange | undefined;
  /** Sources, each file of a wildcard being one. */
  readonly count: number;
}

/** @param number tells the inodes of one source from those of another */
function place(item: Selected, number: number, placing: Placing): void {
  const { target, destination, count } = placing;
  const { path, isFolder } = destination;
  target.makeFolder(target.resolve(isFolder ? path : folderOf(path)));
  const there = target.resolve(path);
  const look = (node: FileNode) => plannedOf(item, node, number, placing);
  if (item.root.type === 'directory') {
    target.makeFolder(there);
    placeContents(item.contents, there, target, look, item.shown);
    return;
  }
  const isIntoFolder = there === '' || target.at(there)?.type === 'directory';
  if (!isIntoFolder && count > 1)
    throw new OcislimError('OCISLIM_INPUT_INVALID', `several sources, but /${path} is no folder`, {
      hint: `end the destination with a slash: /${path}/`,
    });
  if (isIntoFolder) target.putLeaf(join(there, item.name), look(item.root), item.shown);
  else {
    target.makeFolder(folderOf(there));
    target.putLeaf(there, look(item.root), item.shown);
  }
}

function placeContents(
  contents: readonly Picked[],
  folder: string,
  target: CopyTarget,
  look: (node: FileNode) => Planned,
  shown: string,
): void {
  const folders = new Map([['', folder]]);
  for (const { path, node, isImplied } of contents) {
    const above = folders.get(folderOf(path)) ?? join(folder, folderOf(path));
    const plain = join(above, path.slice(path.lastIndexOf('/') + 1));
    if (node.type !== 'directory') {
      target.putLeaf(plain, look(node), `${shown}: ${path}`);
      continue;
    }
    // A link of the image to a folder stays what it is, and leads on.
    const isLink = target.at(plain)?.type === 'symlink';
    const real = isLink ? target.resolve(plain) : plain;
    folders.set(path, real);
    const isThere = target.at(real)?.type === 'directory';
    if (isLink && !isThere)
      throw new OcislimError(
        'OCISLIM_INPUT_INVALID',
        `${shown}: /${plain} is a link to no folder, a folder cannot replace it`,
      );
    if (isLink || (isImplied && isThere)) continue;
    target.putFolder(real, look(node), `${shown}: ${path}`);
  }
}

function plannedOf(item: Selected, node: FileNode, number: number, { owner, chmod }: Placing): Planned {
  const { type, linkname, xattrs } = node;
  const { uid, gid } = owner ?? node;
  const common = { uid, gid, ...(xattrs === undefined ? {} : { xattrs }) };
  if (type === 'symlink') return { type, mode: 0o777, linkname, ...common };
  const mode = chmod?.(node.mode, type === 'directory') ?? node.mode;
  if (type === 'directory') return { type, mode, ...common };
  // One of a context may have nobody at its other end; one of an image is as good as a folder.
  if (type === 'fifo' && node.layer !== undefined) return { type, mode, ...common };
  if (type !== 'file')
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${item.shown}: /${node.path} is a ${type}`, {
      hint: 'files, folders and links can be copied; leave it out with --exclude or .dockerignore',
    });
  const inode = node.inode === undefined ? undefined : `${number} ${node.inode}`;
  return { type, mode, size: node.size, open: () => item.open(node), inode, ...common };
}
