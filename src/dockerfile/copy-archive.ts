import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { readTar, type TarMember } from '../layer/tar-reader.ts';
import { writeStreamAtomically } from '../lib/atomic-file.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { openTarStream, type TarStream } from './archive-content.ts';
import type { ModeChange } from './chmod.ts';
import type { Owner } from './chown.ts';
import type { Selected } from './copy-select.ts';
import { type CopyTarget, folderOf, type Planned } from './copy-target.ts';

export interface Unpacking {
  readonly target: CopyTarget;
  readonly owner?: Owner | undefined;
  readonly chmod?: ModeChange | undefined;
  readonly temporaryFile?: (() => Promise<string>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Archive {
  /** Puts its members into a folder, which is their root: nothing in them leads out of it. */
  unpackInto(destination: string): Promise<void>;
}

/** Bytes of a tar without compression; what is beyond is a bomb. */
const SIZE_LIMIT = 64 * 2 ** 30;

/** What ADD unpacks: a tar, perhaps compressed, by its content and whatever its name. Undefined for other files. */
export async function openArchive(item: Selected, unpacking: Unpacking): Promise<Archive | undefined> {
  if (item.root.type !== 'file') return undefined;
  const open = async () => openTarStream(await item.open(item.root), item.shown);
  const first = await open();
  if (first === undefined) return undefined;
  first.stream.destroy();
  return {
    unpackInto: (destination) => within(item.shown, () => unpack(item.shown, open, destination, unpacking)),
  };
}

async function unpack(
  what: string,
  open: () => Promise<TarStream | undefined>,
  destination: string,
  unpacking: Unpacking,
): Promise<void> {
  const tar = await open();
  if (tar === undefined) throw new OcislimError('OCISLIM_INPUT_CHANGED', 'changed while it was read');
  const root = unpacking.target.resolve(destination);
  unpacking.target.makeFolder(root);
  await unpackTar(tar, what, root, unpacking);
}

/**
 * Puts the members of a tar without compression into a folder; their content goes to a temporary file.
 * @throws OCISLIM_ARCHIVE_INVALID for members that no layer can hold, and damaged archives
 */
export async function unpackTar(
  tar: TarStream,
  what: string,
  root: string,
  unpacking: Unpacking,
): Promise<void> {
  const { temporaryFile, signal } = unpacking;
  if (temporaryFile === undefined)
    throw new OcislimError('OCISLIM_INPUT_INVALID', 'an archive, which cannot be unpacked here');
  const file = await temporaryFile();
  await writeStreamAtomically(file, bounded(tar.stream, what), { mode: 0o600, signal });
  const visit = (member: TarMember) => add(member, root, file, unpacking);
  const { ended } = await readTar(createReadStream(file), visit, { signal, what });
  if (!ended && tar.isPacked)
    throw new OcislimError('OCISLIM_ARCHIVE_INVALID', `${what}: cut short, it has no end marker`);
}

function bounded(tar: Readable, what: string): Readable {
  let size = 0;
  tar.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > SIZE_LIMIT)
      tar.destroy(
        new OcislimError('OCISLIM_ARCHIVE_INVALID', `${what}: more than ${SIZE_LIMIT} bytes unpacked`),
      );
  });
  return tar.pause();
}

/** Links on a member's way are followed inside the destination, which is their root, as in a chroot. */
function add(member: TarMember, root: string, file: string, { target, owner, chmod }: Unpacking): void {
  const { path, type, linkname, xattrs } = member;
  if (path === '') return;
  const { uid, gid } = owner ?? member;
  const mode = chmod?.(member.mode, type === 'directory') ?? member.mode;
  const common = { mode, uid, gid, ...(xattrs === undefined ? {} : { xattrs }) };
  const full = target.resolve(path, { root, followLast: type === 'directory' });
  target.makeFolder(folderOf(full));
  if (type === 'directory') {
    target.putFolder(full, { type, ...common }, path, { replaces: true });
  } else if (type === 'symlink') {
    if (linkname) target.replace(full, { ...common, type, mode: 0o777, linkname });
  } else if (type === 'hardlink') {
    target.replace(full, linked(member, root, target));
  } else if (type === 'file') {
    const { size, offset } = member;
    const open = async () => createReadStream(file, { start: offset, end: offset + size - 1 });
    target.replace(full, {
      ...common,
      type,
      size,
      inode: `${file} ${offset}`,
      ...(size > 0 ? { open } : {}),
    });
  } else {
    throw new OcislimError('OCISLIM_ARCHIVE_INVALID', `${JSON.stringify(path)} is a ${type}`, {
      hint: 'files, folders and links can be added',
    });
  }
}

/** A hard link is the file that it names, which the archive must have. */
function linked({ path, linkname = '' }: TarMember, root: string, target: CopyTarget): Planned {
  const named = target.planned(target.resolve(linkname, { root, followLast: false }));
  if (named !== undefined && named.type !== 'directory') return named;
  throw new OcislimError(
    'OCISLIM_ARCHIVE_INVALID',
    `${JSON.stringify(path)} is a hard link to ${JSON.stringify(linkname)}, which is no file before it in the archive`,
  );
}
