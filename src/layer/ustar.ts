import { systemPath } from './byte-text.ts';
import type { Entry } from './entry.ts';
import { encodePax } from './pax.ts';
import { BLOCK } from './tar-header.ts';

/** What the octal fields of a ustar header hold; anything larger goes into a PAX record. */
const LARGEST_ID = 0o777777;
const LARGEST_TIME = 2 ** 31 - 1;
const LARGEST_SIZE = 0o77777777777;
export const LARGEST_DEVICE = 0o777777;

const TYPES: Readonly<Record<Exclude<Entry['type'], 'device'>, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  directory: '5',
  fifo: '6',
};
const CHARACTER = '3';
const BLOCKS = '4';
const RECORDS = 'x';

/** What stands before an entry's content: its ustar header, and before that a member with PAX records where a value does not fit. */
export function headerBytes(entry: Entry): Buffer {
  const records = recordsOf(entry);
  const header = ownHeader(entry, records.size > 0);
  if (records.size === 0) return header;
  const content = encodePax(records);
  const before = ustar({ name: 'PaxHeader', mode: 0o644, size: content.length, type: RECORDS });
  return Buffer.concat([before, content, Buffer.alloc(padding(content.length)), header]);
}

/** Bytes that fill `size` up to whole blocks. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function ownHeader(entry: Entry, hasRecords: boolean): Buffer {
  const { type, mode, uid, gid, mtime, size = 0, linkname = '', device } = entry;
  const written = (text: string) => (hasRecords ? standIn(text) : text);
  return ustar({
    name: written(nameOf(entry)),
    linkname: written(linkname),
    mode,
    uid: Math.min(uid, LARGEST_ID),
    gid: Math.min(gid, LARGEST_ID),
    mtime: Math.min(mtime, LARGEST_TIME),
    size: type === 'file' ? Math.min(size, LARGEST_SIZE) : 0,
    type: type !== 'device' ? TYPES[type] : device?.kind === 'block' ? BLOCKS : CHARACTER,
    device,
  });
}

interface Fields {
  /** With its trailing slash where it is a folder's; more than 100 bytes only where {@link prefixEnd} finds where to split it. */
  readonly name: string;
  readonly linkname?: string;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly size: number;
  readonly type: string;
  readonly device?: Entry['device'];
}

/** The block of pax(1p) § ustar Interchange Format, without names of users. */
function ustar(fields: Fields): Buffer {
  const { name, linkname = '', mode, uid = 0, gid = 0, mtime = 0, size, type, device } = fields;
  const header = Buffer.alloc(BLOCK);
  const put = (text: string, at: number) => void header.write(text, at, 'latin1');
  const octal = (value: number, at: number, digits: number) =>
    put(`${value.toString(8).padStart(digits, '0')} `, at);
  const split = name.length > 100 ? prefixEnd(name) : 0;
  put(split > 0 ? name.slice(split + 1) : name, 0);
  octal(mode, 100, 6);
  octal(uid, 108, 6);
  octal(gid, 116, 6);
  octal(size, 124, 11);
  octal(mtime, 136, 11);
  put(type, 156);
  put(linkname, 157);
  put('ustar\u000000', 257);
  octal(device?.major ?? 0, 329, 6);
  octal(device?.minor ?? 0, 337, 6);
  if (split > 0) put(name.slice(0, split), 345);
  // The sum counts its own field as spaces.
  let sum = 8 * 0x20;
  for (const byte of header) sum += byte;
  octal(sum, 148, 6);
  return header;
}

/** What the header of an entry does not hold. */
function recordsOf(entry: Entry): ReadonlyMap<string, Buffer> {
  const { uid, gid, mtime, size = 0, type, linkname = '', xattrs } = entry;
  const name = nameOf(entry);
  const records = new Map<string, Buffer>();
  const number = (key: string, value: number, largest: number) => {
    if (value > largest) records.set(key, Buffer.from(String(value)));
  };
  number('uid', uid, LARGEST_ID);
  number('gid', gid, LARGEST_ID);
  number('mtime', mtime, LARGEST_TIME);
  if (type === 'file') number('size', size, LARGEST_SIZE);
  if (!isAscii(name) || (name.length > 100 && prefixEnd(name) === 0))
    records.set('path', Buffer.from(systemPath(name)));
  if (!isAscii(linkname) || linkname.length > 100) records.set('linkpath', Buffer.from(systemPath(linkname)));
  const sorted = [...(xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, value] of sorted) records.set(`SCHILY.xattr.${key}`, value);
  return records;
}

function nameOf({ type, path }: Entry): string {
  return type === 'directory' ? `${path}/` : path;
}

/** Where to split a name that is too long: the shortest prefix that leaves at most 100 bytes; 0 for nowhere. */
function prefixEnd(name: string): number {
  const slash = name.indexOf('/', name.length - 101);
  return slash > 0 && slash <= 155 && slash < name.length - 1 ? slash : 0;
}

/** For a header whose name is in a record of its own. */
function standIn(name: string): string {
  return name.replace(/[^ -~]/g, '_').slice(0, 100);
}

function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
  return /^[\x00-\x7f]*$/.test(text);
}
