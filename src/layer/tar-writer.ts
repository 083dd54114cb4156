import { Readable } from 'node:stream';
import { type Header, type Pack, pack } from 'tar-stream';
import { OcislimError } from '../lib/errors.ts';
import { fixedChunks } from './chunks.ts';
import type { Entry } from './entry.ts';

/** What the octal fields of tar-stream's header hold; anything larger goes into a PAX record. */
const LARGEST_ID = 0o777777;
const LARGEST_TIME = 2 ** 31 - 1;
const LARGEST_SIZE = 0o77777777777;
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
  return Buffer.from(`${type === 'hardlink' ? '1' : '0'}${path.replaceAll('/', '\0')}`);
}

async function writeAll(
  archive: Pack,
  entries: readonly Entry[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const entry of entries) {
    signal?.throwIfAborted();
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

function headerOf(entry: Entry): Partial<Header> & Pick<Header, 'name' | 'size'> {
  const { type, uid, gid, mtime } = entry;
  const size = type === 'file' ? (entry.size ?? 0) : 0;
  const name = type === 'directory' ? `${entry.path}/` : entry.path;
  const pax: Record<string, string> = {
    ...(uid > LARGEST_ID ? { uid: String(uid) } : {}),
    ...(gid > LARGEST_ID ? { gid: String(gid) } : {}),
    ...(mtime > LARGEST_TIME ? { mtime: String(mtime) } : {}),
    ...(size > LARGEST_SIZE ? { size: String(size) } : {}),
  };
  const needsPax = Object.keys(pax).length > 0 || !fitsUstar(name, entry.linkname);
  return {
    name,
    type: type === 'hardlink' ? 'link' : type,
    mode: REGULAR | entry.mode,
    uid: Math.min(uid, LARGEST_ID),
    gid: Math.min(gid, LARGEST_ID),
    mtime: new Date(Math.min(mtime, LARGEST_TIME) * 1000),
    size,
    ...(entry.linkname === undefined ? {} : { linkname: entry.linkname }),
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
  const { path, type, mode, uid, gid, mtime, size = 0, linkname } = entry;
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
