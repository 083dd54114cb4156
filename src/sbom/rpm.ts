import type { ReadAt } from '../elf/file.ts';
import { type FoundPackage, field } from './component.ts';
import { sqliteRows } from './sqlite.ts';

/** Tags of a package's header (rpm's rpmtag.h). */
const Tag = {
  Name: 1000,
  Version: 1001,
  Release: 1002,
  Epoch: 1003,
  License: 1014,
  Arch: 1022,
  Source: 1044,
};
const INT32 = 4;
const STRING = 6;
const I18N_STRING = 9;
const PACKAGE_LIMIT = 200_000;

/**
 * The packages of rpm's database where that is SQLite, as it is since rpm 4.16: a header for each in the table `Packages`.
 * @throws RangeError where it is damaged
 */
export async function parseRpm(read: ReadAt): Promise<readonly FoundPackage[]> {
  const found: FoundPackage[] = [];
  for await (const row of sqliteRows(read, 'Packages')) {
    const header = row.find((value) => Buffer.isBuffer(value));
    if (Buffer.isBuffer(header)) found.push(...packageOf(header));
    if (found.length > PACKAGE_LIMIT) throw new RangeError('more packages than there can be');
  }
  return found;
}

/** Two counts, as many entries of four numbers, and the values that those point into (rpm's file format, "Header"). */
export function packageOf(header: Buffer): readonly FoundPackage[] {
  if (header.length < 8) return [];
  const [count, size] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const values = 8 + 16 * count;
  if (values + size > header.length) return [];
  const data = header.subarray(values, values + size);
  const tags = new Map<number, string>();
  for (let at = 8; at < values; at += 16) {
    const tag = header.readUInt32BE(at);
    const value = textOf(data, header.readUInt32BE(at + 4), header.readUInt32BE(at + 8));
    if (value !== undefined && !tags.has(tag)) tags.set(tag, value);
  }
  const name = field(tags.get(Tag.Name));
  const [version, release] = [field(tags.get(Tag.Version)), field(tags.get(Tag.Release))];
  // Keys that packages are signed with are kept as packages.
  if (name === undefined || version === undefined || release === undefined || name === 'gpg-pubkey')
    return [];
  return [
    {
      ecosystem: 'rpm',
      name,
      version: `${version}-${release}`,
      arch: field(tags.get(Tag.Arch)),
      epoch: field(tags.get(Tag.Epoch)),
      upstream: field(tags.get(Tag.Source)),
      licence: field(tags.get(Tag.License)),
    },
  ];
}

function textOf(data: Buffer, type: number, at: number): string | undefined {
  if (type === INT32) return at + 4 > data.length ? undefined : String(data.readUInt32BE(at));
  if (type !== STRING && type !== I18N_STRING) return undefined;
  const end = data.indexOf(0, at);
  return end < 0 ? undefined : data.toString('utf8', at, end);
}
