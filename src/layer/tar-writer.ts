import { Readable } from 'node:stream';
import { OcislimError } from '../lib/errors.ts';
import { systemPath } from './byte-text.ts';
import type { Entry } from './entry.ts';
import { BLOCK } from './tar-header.ts';
import { headerBytes, LARGEST_DEVICE, padding } from './ustar.ts';

/** What is collected before it is handed on, in bytes: headers and small files would be tiny chunks. */
const COLLECTED = 64 * 1024;

interface TarOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes entries as a tar: ustar, with PAX records only where a value does not fit, sorted by path, one entry a path,
 * no names of users. The bytes depend on the entries alone.
 * @throws OCISLIM_INTERNAL for an entry that no tar can hold; through the stream OCISLIM_INPUT_CHANGED when a file is
 *   not as long as its entry says.
 */
export function tarStream(entries: readonly Entry[], options: TarOptions = {}): Readable {
  const chunks = tarChunks(entries, options);
  const kept = async function* () {
    for await (const chunk of chunks) yield Buffer.from(chunk);
  };
  return Readable.from(kept());
}

/**
 * The same without a stream between, for large layers: a chunk is in memory that is used again, and holds only until the
 * next one is asked for.
 */
export function tarChunks(
  entries: readonly Entry[],
  { signal }: TarOptions = {},
): AsyncGenerator<Uint8Array> {
  const sorted = sortEntries(entries);
  sorted.forEach(checkEntry);
  return write(sorted, signal);
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

async function* write(
  entries: readonly Entry[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const collected = new Collected();
  for (const entry of entries) {
    signal?.throwIfAborted();
    yield* collected.add(headerBytes(entry));
    if (entry.type !== 'file' || !entry.size) continue;
    for await (const chunk of contentOf(entry)) {
      signal?.throwIfAborted();
      yield* collected.add(chunk);
    }
    yield* collected.add(Buffer.alloc(padding(entry.size)));
  }
  yield* collected.add(Buffer.alloc(2 * BLOCK));
  yield* collected.rest();
}

/** Small pieces become large ones, in memory that is used again; what is large already goes through. */
class Collected {
  readonly #memory = Buffer.allocUnsafe(COLLECTED);
  #size = 0;

  *add(bytes: Uint8Array): Generator<Uint8Array> {
    if (this.#size + bytes.length > COLLECTED) yield* this.rest();
    if (bytes.length >= COLLECTED) {
      yield bytes;
      return;
    }
    this.#memory.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  *rest(): Generator<Uint8Array> {
    const size = this.#size;
    this.#size = 0;
    if (size > 0) yield this.#memory.subarray(0, size);
  }
}

/** A file's content, of which there must be as much as its entry says. */
async function* contentOf(entry: Entry): AsyncGenerator<Uint8Array> {
  const { size = 0, open, chunks } = entry;
  const content = chunks?.() ?? (await open?.());
  if (content === undefined) throw impossible(entry, 'has a size but no content');
  let seen = 0;
  for await (const chunk of content as AsyncIterable<Uint8Array>) {
    seen += chunk.length;
    if (seen > size) throw changed(entry, `more than ${size}`);
    yield chunk;
  }
  if (seen < size) throw changed(entry, String(seen));
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
