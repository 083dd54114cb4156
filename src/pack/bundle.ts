import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { open, type Entry as ZipEntry, type ZipFile } from 'yauzl';
import type { Entry } from '../layer/entry.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';

export interface BundleOptions {
  /** Folder in the image that the files go to, without a leading slash. */
  readonly prefix: string;
  /** Seconds since the epoch, for every file. */
  readonly mtime: number;
  readonly signal?: AbortSignal | undefined;
}

/** Beyond these a zip is an attack or a mistake. */
const FILE_LIMIT = 100_000;
const TOTAL_LIMIT = 16 * 1024 ** 3;
/** Deflate cannot do better than 1:1032; below this many bytes no ratio matters. */
const RATIO_LIMIT = 200;
const RATIO_FLOOR = 64 * 1024 * 1024;
/** Longest target of a link that is read. */
const LINK_LIMIT = 4096;

/**
 * The files of a zip as entries of a layer. yauzl refuses paths that climb; what it lets pass is refused here: names
 * that are empty or not clean, two files of one name, wrong checksums, bombs, links that lead out.
 * @throws OCISLIM_ARCHIVE_INVALID naming the zip and the member
 */
export async function readBundle(path: string, options: BundleOptions): Promise<Entry[]> {
  const { prefix, mtime, signal } = options;
  const owner = { uid: 0, gid: 0, mtime };
  const entries = new Map<string, Entry>();
  const folder = (at: string): Entry => ({ path: at, type: 'directory', mode: 0o755, ...owner });
  if (prefix !== '') entries.set(prefix, folder(prefix));
  const zip = await openZip(path);
  let total = 0;
  try {
    for await (const member of zip.eachEntry()) {
      signal?.throwIfAborted();
      const wrong = (why: string) => invalid(path, `${JSON.stringify(member.fileName.slice(0, 200))} ${why}`);
      const isFolder = member.fileName.endsWith('/');
      const name = cleanName(isFolder ? member.fileName.slice(0, -1) : member.fileName, wrong);
      const at = prefix === '' ? name : `${prefix}/${name}`;
      if (entries.size >= FILE_LIMIT) throw invalid(path, `more than ${FILE_LIMIT} files`);
      total += member.uncompressedSize;
      checkSize(member, total, path, wrong);
      const before = entries.get(at);
      if (before !== undefined && !(isFolder && before.type === 'directory')) throw wrong('is in it twice');
      addParents(at, prefix, entries, folder, wrong);
      entries.set(at, isFolder ? folder(at) : await entryOf(zip, member, at, name, owner, path, wrong));
    }
  } catch (error) {
    throw error instanceof OcislimError ? error : explained(path, error);
  } finally {
    zip.close();
  }
  const files = [...entries.values()];
  if (!files.some((entry) => entry.type === 'file')) throw invalid(path, 'holds no file');
  return files;
}

async function openZip(path: string): Promise<ZipFile> {
  const openFile = promisify<string, object, ZipFile>(open);
  try {
    return await openFile(path, { lazyEntries: true, autoClose: false, strictFileNames: true });
  } catch (error) {
    throw explained(path, error);
  }
}

function cleanName(name: string, wrong: (why: string) => OcislimError): string {
  if (name === '' || name.includes('\0') || name.includes('\\') || name !== posix.normalize(name))
    throw wrong('is no clean name');
  if (name === '.' || name.startsWith('/') || name.split('/').includes('..'))
    throw wrong('leads out of the zip');
  return name;
}

function checkSize(
  member: ZipEntry,
  total: number,
  path: string,
  wrong: (why: string) => OcislimError,
): void {
  if (member.isEncrypted()) throw wrong('is encrypted');
  const { compressedSize, uncompressedSize } = member;
  if (uncompressedSize > RATIO_FLOOR && uncompressedSize > compressedSize * RATIO_LIMIT)
    throw wrong(`unpacks to more than ${RATIO_LIMIT} times its size`);
  if (total > TOTAL_LIMIT) throw invalid(path, `unpacks to more than ${TOTAL_LIMIT} bytes`);
}

/** Folders that a zip does not list still have to be folders. */
function addParents(
  at: string,
  prefix: string,
  entries: Map<string, Entry>,
  folder: (at: string) => Entry,
  wrong: (why: string) => OcislimError,
): void {
  for (
    let parent = posix.dirname(at);
    parent !== '.' && parent.length > prefix.length;
    parent = posix.dirname(parent)
  ) {
    const there = entries.get(parent);
    if (there === undefined) entries.set(parent, folder(parent));
    else if (there.type !== 'directory') throw wrong('is in a folder that is a file');
  }
}

const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
const S_IFREG = 0o100000;

async function entryOf(
  zip: ZipFile,
  member: ZipEntry,
  at: string,
  name: string,
  owner: { readonly uid: number; readonly gid: number; readonly mtime: number },
  path: string,
  wrong: (why: string) => OcislimError,
): Promise<Entry> {
  const unixMode = member.externalFileAttributes >>> 16;
  const format = unixMode & S_IFMT;
  if (format === S_IFLNK) {
    if (member.uncompressedSize > LINK_LIMIT) throw wrong('is a link that is too long');
    const chunks: Buffer[] = [];
    for await (const chunk of await contentOf(zip, member, path)) chunks.push(chunk as Buffer);
    const linkname = Buffer.concat(chunks).toString();
    const target = posix.join(posix.dirname(name), linkname);
    if (
      linkname === '' ||
      linkname.startsWith('/') ||
      target.split('/').includes('..') ||
      linkname.includes('\0')
    )
      throw wrong(`is a link that leads out of the zip, to ${JSON.stringify(linkname)}`);
    return { path: at, type: 'symlink', mode: 0o777, linkname, ...owner };
  }
  if (format !== 0 && format !== S_IFREG) throw wrong('is neither a file nor a folder nor a link');
  return {
    path: at,
    type: 'file',
    mode: (unixMode & 0o111) === 0 ? 0o644 : 0o755,
    ...owner,
    size: member.uncompressedSize,
    open: () => openMember(path, member),
  };
}

/** Opens the zip again for one member, so that a bundle can be read at any time and twice. */
async function openMember(path: string, member: ZipEntry): Promise<Readable> {
  const zip = await openZip(path);
  try {
    const content = await contentOf(zip, member, path);
    content.once('close', () => zip.close());
    return content;
  } catch (error) {
    zip.close();
    throw error;
  }
}

async function contentOf(zip: ZipFile, member: ZipEntry, path: string): Promise<Readable> {
  const openStream = promisify<ZipEntry, Readable>(zip.openReadStream.bind(zip));
  let stream: Readable;
  try {
    stream = await openStream(member);
  } catch (error) {
    throw explained(path, error);
  }
  const checked = async function* () {
    let checksum = 0;
    try {
      for await (const chunk of stream) {
        checksum = crc32(chunk as Buffer, checksum);
        yield chunk as Buffer;
      }
    } catch (error) {
      throw explained(path, error);
    }
    if (checksum !== member.crc32) throw invalid(path, `${member.fileName} has a wrong checksum`);
  };
  return Readable.from(checked());
}

function explained(path: string, error: unknown): OcislimError {
  const why = error instanceof Error ? error.message : String(error);
  const what = systemCode(error) === undefined ? `not a zip that can be read (${why})` : why;
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${path}: ${what}`, { cause: error });
}

function invalid(path: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${path}: ${why}`);
}
