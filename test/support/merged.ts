import { createHash } from 'node:crypto';
import type { Image } from '../../src/image/model.ts';
import { measuredTar } from '../../src/layer/measured-tar.ts';
import { readTar, type TarMember } from '../../src/layer/tar-reader.ts';

/**
 * What a container sees at each path, in one line: type, mode and owner, then content (as JSON where it is short text,
 * else its digest), link target, and extended attributes. Written apart from `rootfs/tree.ts`, so that each can judge
 * the other.
 */
export type Listing = ReadonlyMap<string, string>;

interface Inode {
  readonly line: string;
  readonly isFolder: boolean;
}

interface ReadMember {
  readonly path: string;
  readonly isFolder: boolean;
  /** Of a hard link the path of the file that it is. */
  readonly linkTo?: string | undefined;
  readonly line: string;
}

const TEXT_LIMIT = 400;
const readLayers = new Map<string, Promise<readonly ReadMember[]>>();

/** The members of each layer; those that several images share are read once. */
export function layersOf(image: Image): Promise<readonly (readonly ReadMember[])[]> {
  return Promise.all(
    image.layers.map((layer) => {
      const known = readLayers.get(layer.diffId) ?? readLayer(layer);
      readLayers.set(layer.diffId, known);
      return known;
    }),
  );
}

async function readLayer(layer: Image['layers'][number]): Promise<readonly ReadMember[]> {
  const { tar } = measuredTar(await layer.open(), layer.descriptor.mediaType);
  const members: ReadMember[] = [];
  await readTar(tar, async (member, content) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const { path, type, linkname } = member;
    members.push({
      path,
      isFolder: type === 'directory',
      linkTo: type === 'hardlink' ? linkname : undefined,
      line: lineOf(member, Buffer.concat(chunks)),
    });
  });
  return members;
}

const KINDS = {
  directory: 'dir',
  symlink: 'link',
  file: 'file',
  hardlink: 'file',
  device: 'device',
  fifo: 'fifo',
};

function lineOf({ type, mode, uid, gid, linkname, device, xattrs }: TarMember, content: Buffer): string {
  // A link has no mode of its own, and builders write what they like.
  const what = type === 'symlink' ? `${uid}:${gid}` : `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
  const numbers = device === undefined ? [] : [`${device.kind} ${device.major}:${device.minor}`];
  const body = type === 'file' ? [shown(content)] : type === 'symlink' ? [`-> ${linkname}`] : numbers;
  const attributes = [...(xattrs ?? [])].map(([name, value]) => `${name}=${value.toString('hex')}`).sort();
  return [KINDS[type], what, ...body, ...attributes].join(' ');
}

function shown(content: Buffer): string {
  const text = content.toString();
  const isText = content.length <= TEXT_LIMIT && Buffer.from(text).equals(content);
  return isText ? JSON.stringify(text) : `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The merged file system of all layers by path, whiteouts applied (image-spec layer.md). */
export async function mergedListing(image: Image): Promise<Listing> {
  const merged = new Map<string, Inode>();
  for (const members of await layersOf(image)) merge(merged, members);
  const names = new Map<Inode, string[]>();
  for (const [path, inode] of merged) names.set(inode, [...(names.get(inode) ?? []), path].sort());
  const lines = [...merged].map(([path, inode]): [string, string] => {
    const [first, ...others] = names.get(inode) ?? [];
    return [path, others.length > 0 ? `${inode.line} = ${first}` : inode.line];
  });
  return new Map(lines.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function merge(merged: Map<string, Inode>, members: readonly ReadMember[]): void {
  const removeBelow = (path: string) => {
    for (const other of [...merged.keys()])
      if (other.startsWith(path === '' ? '' : `${path}/`)) merged.delete(other);
  };
  // Whiteouts are about lower layers alone, wherever in the tar they stand.
  for (const { path } of members) {
    const [, folder = '', name = ''] = /^(?:(.*)\/)?\.wh\.([^/]*)$/.exec(path) ?? [];
    if (name === '') continue;
    const target = folder === '' ? name : `${folder}/${name}`;
    if (name === '.wh..opq') removeBelow(folder);
    else {
      removeBelow(target);
      merged.delete(target);
    }
  }
  for (const { path, isFolder, linkTo, line } of members) {
    if (path === '' || /(?:^|\/)\.wh\.[^/]*$/.test(path)) continue;
    if (!isFolder) removeBelow(path);
    const linked = linkTo === undefined ? undefined : merged.get(linkTo);
    merged.set(path, linked ?? { line, isFolder });
  }
}

/** What differs between two listings, by path: the new line, or `gone`. */
export function changes(before: Listing, after: Listing): Record<string, string> {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changed = paths.filter((path) => before.get(path) !== after.get(path));
  return Object.fromEntries(changed.map((path) => [path, after.get(path) ?? 'gone']));
}
