import { Readable } from 'node:stream';
import { type Header, type Pack, pack } from 'tar-stream';
import { OcislimError } from '../lib/errors.ts';
import { systemPath } from './byte-text.ts';
import { fixedChunks } from './chunks.ts';
import type { Entry } from './entry.ts';
import { encodePax } from './pax.ts';

/** What the octal fields of tar-stream's header hold; anything larger goes into a PAX record. */
const LARGEST_ID = 0o777777;
const LARGEST_TIME = 2 ** 31 - 1;
const LARGEST_SIZE = 0o77777777777;
const LARGEST_DEVICE = 0o777777;
/** A bit beside the permissions that tar-stream masks out, without which it takes mode 0 for "not given". */
const REGULAR = 0o100000;

/**
 * Writes entries as a tar: ustar, with PAX records only where a value does not fit, sorted by path, one entry a path,
 * no names of users. The bytes depend on the entries alone. They come in chunks of exactly 64 KiB, the last one
 * excepted, which keeps hashing fast and compression independent of how files were read.
 * @throws OCISLIM_INTERNAL for an entry that no tar can hold; through the stream OCISLIM_INPUT_CHANGED when a file is
 *   not as long as its entry says.
 */
export function tarStream(
  entries: readonly Entry[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): Readable {
  const sorted = sortEntries(entries);
  sorted.forEach(checkEntry);
  const bytes = async function* () {
    const archive = pack();
    // Errors are thrown below; an archive that is given up before it is read would else throw them at the process.
    archive.on('error', () => {});
    const written = writeAll(archive, sorted, options.signal).catch((error: Error) => {
      archive.destroy(error);
      throw error;
    });
    written.catch(() => {});
    try {
      for await (const chunk of archive) yield chunk as Buffer;
    } catch (error) {
      await written;
      throw error;
    }
    // A destroyed archive just ends: what was read is whole only if all of it was written.
    await written;
  };
  return Readable.from(fixedChunks(bytes()));
}

/**
 * Entries in the order of a layer: a folder before what is in it, otherwise by the bytes of the path, so that no
 * locale has a say; hard links last, behind what they name.
 * @throws OCISLIM_INTERNAL when two entries have one path.
 */
function sortEntries(entries: readonly Entry[]): Entry[] {
  const keyed = entries.map((entry) => ({ entry, key: sortKey(entry) }));
  keyed.sort((a, b) => Buffer.compare(a.key, b.key));
  const sorted = keyed.map(({ entry }) => entry);
  const seen = new Set<string>();
  for (const entry of sorted) {
    if (seen.has(entry.path)) throw impossible(entry, 'is there twice');
    seen.add(entry.path);
  }
  return sorted;
}

function sortKey({ path, type }: Entry): Buffer {
  return Buffer.from(systemPath(`${type === 'hardlink' ? '1' : '0'}${path.replaceAll('/', '\0')}`));
}

async function writeAll(
  archive: Pack,
  entries: readonly Entry[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const entry of entries) {
    signal?.throwIfAborted();
    const records = byteRecords(entry);
    if (records.size > 0) archive.push(paxMember(records));
    if (entry.type === 'file' && entry.size) await writeFile(archive, entry, signal);
    else await writeHeader(archive, headerOf(entry));
  }
  archive.finalize();
}

function writeHeader(archive: Pack, header: ReturnType<typeof headerOf>): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = archive.entry(header, (error) => (error ? reject(error) : resolve()));
    sink.on('error', reject);
    sink.end(undefined);
  });
}

async function writeFile(archive: Pack, entry: Entry, signal: AbortSignal | undefined): Promise<void> {
  if (entry.open === undefined) throw impossible(entry, 'has a size but no content');
  const content = await entry.open();
  const header = headerOf(entry);
  await new Promise<void>((resolve, reject) => {
    const sink = archive.entry(header, (error) => (error ? reject(error) : resolve()));
    sink.on('error', reject);
    // A reader who left closes the archive: then nothing may wait for it to take more.
    const left = new Promise<never>((_, fail) => {
      sink.once('close', () => {
        content.destroy();
        fail(new OcislimError('OCISLIM_INTERRUPTED', 'nobody reads the archive any more'));
      });
    });
    left.catch(() => {});
    const feed = async () => {
      let seen = 0;
      for await (const chunk of content) {
        signal?.throwIfAborted();
        seen += (chunk as Buffer).length;
        if (seen > header.size) throw changed(entry, `more than ${header.size}`);
        if (!sink.write(chunk)) await Promise.race([drained(sink), left]);
      }
      if (seen < header.size) throw changed(entry, String(seen));
      sink.end(undefined);
    };
    feed().catch((error: Error) => {
      content.destroy();
      reject(error);
    });
  });
}

function drained(sink: ReturnType<Pack['entry']>): Promise<void> {
  return new Promise((resolve) => {
    sink.once('drain', () => resolve());
  });
}

/**
 * The records of an entry that has some which are bytes: tar-stream takes text alone, and then writes none of its own.
 * Others have none here.
 */
function byteRecords(entry: Entry): ReadonlyMap<string, Buffer> {
  const { linkname = '', xattrs = new Map() } = entry;
  const name = nameOf(entry);
  const records = new Map<string, Buffer>();
  const isText = (text: string) => typeof systemPath(text) === 'string';
  if (xattrs.size === 0 && isText(name) && isText(linkname)) return records;
  for (const [key, value] of Object.entries(numbersBeyond(entry))) records.set(key, Buffer.from(value));
  if (!fitsUstar(name)) records.set('path', Buffer.from(systemPath(name)));
  if (!fitsUstar('', linkname)) records.set('linkpath', Buffer.from(systemPath(linkname)));
  const sorted = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, value] of sorted) records.set(`SCHILY.xattr.${key}`, value);
  return records;
}

/** A member that holds records for the next (pax(1p) § pax Header Block). */
function paxMember(records: ReadonlyMap<string, Uint8Array>): Buffer {
  const content = encodePax(records);
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, digits: number) =>
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at);
  header.write('PaxHeader', 0);
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(content.length, 124, 11);
  octal(0, 136, 11);
  header.write('x', 156);
  header.write('ustar\u000000', 257);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function nameOf({ type, path }: Entry): string {
  return type === 'directory' ? `${path}/` : path;
}

/** For a header whose name is in a record of its own. */
function standIn(name: string): string {
  return name.replace(/[^ -~]/g, '_').slice(0, 100);
}

function typeOf({ type, device }: Entry): NonNullable<Header['type']> {
  if (type === 'hardlink') return 'link';
  if (type !== 'device') return type;
  return device?.kind === 'block' ? 'block-device' : 'character-device';
}

/** What octal fields do not hold. */
function numbersBeyond({ uid, gid, mtime, size = 0, type }: Entry): Readonly<Record<string, string>> {
  return {
    ...(uid > LARGEST_ID ? { uid: String(uid) } : {}),
    ...(gid > LARGEST_ID ? { gid: String(gid) } : {}),
    ...(mtime > LARGEST_TIME ? { mtime: String(mtime) } : {}),
    ...(type === 'file' && size > LARGEST_SIZE ? { size: String(size) } : {}),
  };
}

function headerOf(entry: Entry): Partial<Header> & Pick<Header, 'name' | 'size'> {
  const { type, uid, gid, mtime, linkname, device } = entry;
  const size = type === 'file' ? (entry.size ?? 0) : 0;
  const hasRecords = byteRecords(entry).size > 0;
  const name = hasRecords ? standIn(nameOf(entry)) : nameOf(entry);
  const link = hasRecords && linkname !== undefined ? standIn(linkname) : linkname;
  const pax = hasRecords ? {} : numbersBeyond(entry);
  const needsPax = Object.keys(pax).length > 0 || !fitsUstar(name, link);
  return {
    name,
    type: typeOf(entry),
    mode: REGULAR | entry.mode,
    uid: Math.min(uid, LARGEST_ID),
    gid: Math.min(gid, LARGEST_ID),
    mtime: new Date(Math.min(mtime, LARGEST_TIME) * 1000),
    size,
    ...(link === undefined ? {} : { linkname: link }),
    ...(device === undefined ? {} : { devmajor: device.major, devminor: device.minor }),
    ...(needsPax ? { pax } : {}),
  };
}

/** Whether ustar's name fields (100 bytes, with a prefix of 155) hold the names, all of them ASCII. */
function fitsUstar(name: string, linkname = ''): boolean {
  if (!isAscii(name) || !isAscii(linkname) || linkname.length > 100) return false;
  if (name.length <= 100) return true;
  // The split that tar-stream makes: the shortest prefix that leaves at most 100 bytes.
  const slash = name.indexOf('/', name.length - 101);
  return slash > 0 && slash <= 155 && slash < name.length - 1;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

function checkEntry(entry: Entry): void {
  const { path, type, mode, uid, gid, mtime, size = 0, linkname, device, xattrs } = entry;
  const parts = path.split('/');
  if (path.includes('\0') || linkname?.includes('\0')) throw impossible(entry, 'has a NUL in its name');
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    throw impossible(entry, 'is no clean path');
  const isLink = type === 'symlink' || type === 'hardlink';
  if (isLink !== (linkname !== undefined && linkname !== ''))
    throw impossible(entry, 'has a wrong link name');
  if (!isWhole(mode, 0o7777)) throw impossible(entry, `has mode ${mode}`);
  if (!isWhole(uid, 2 ** 32 - 2) || !isWhole(gid, 2 ** 32 - 2)) throw impossible(entry, 'has no legal owner');
  if (!isWhole(mtime, 2 ** 40)) throw impossible(entry, `has time ${mtime}`);
  if ((type === 'device') !== (device !== undefined)) throw impossible(entry, 'is half a device');
  for (const number of [device?.major ?? 0, device?.minor ?? 0])
    if (!isWhole(number, LARGEST_DEVICE)) throw impossible(entry, `has device number ${number}`);
  for (const name of xattrs?.keys() ?? [])
    if (!/^[^=\0]+$/.test(name)) throw impossible(entry, `has an attribute ${JSON.stringify(name)}`);
  if (!isWhole(size, Number.MAX_SAFE_INTEGER)) throw impossible(entry, `has size ${size}`);
}

function isWhole(value: number, largest: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= largest;
}

function impossible({ path }: Entry, why: string): OcislimError {
  return new OcislimError('OCISLIM_INTERNAL', `layer: entry ${JSON.stringify(path)} ${why}`);
}

function changed({ path, size }: Entry, seen: string): OcislimError {
  return new OcislimError(
    'OCISLIM_INPUT_CHANGED',
    `/${path}: ${seen} bytes, but it had ${size} when it was looked at`,
    {
      hint: 'pack again once nothing writes to it',
    },
  );
}
