import { type ElfFile, Fields, openElf, PT_DYNAMIC, PT_LOAD, type ReadAt } from './file.ts';

/** What a program or a library wants from others at its start, and offers them (ELF gABI, chapter 5). */
export interface Linkage {
  /** `DT_NEEDED`, in order. */
  readonly needed: readonly string[];
  /** `DT_SONAME`. */
  readonly soname?: string | undefined;
  /** `DT_RPATH` and `DT_RUNPATH`, split at colons, with `$ORIGIN` and the like as written. */
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
  /** Versions that must be defined (`.gnu.version_r`), by the library's name in `needed`; weak ones are left out. */
  readonly versionsNeeded: Readonly<Record<string, readonly string[]>>;
  /** `.gnu.version_d`, without the library's own name. */
  readonly versionsDefined: readonly string[];
  /** Set where the linker has marked it as a program that runs at any address, not a library (`DF_1_PIE`). */
  readonly isPie?: true | undefined;
}

/** Real dynamic sections have some tens of entries, libraries with many dependencies some hundreds. */
const DYNAMIC_LIMIT = 64 * 1024;
/** glibc defines about fifty versions; a table of this size has room for thousands. */
const VERSIONS_LIMIT = 256 * 1024;
/** As long as a path may be. */
const STRING_LIMIT = 4096;
const COUNT_LIMIT = 4096;

const Tag = {
  End: 0,
  Needed: 1,
  Strings: 5,
  Soname: 14,
  Rpath: 15,
  Runpath: 29,
  VersionsDefined: 0x6ffffffc,
  VersionsNeeded: 0x6ffffffe,
  Flags1: 0x6ffffffb,
} as const;

const DF_1_PIE = 0x08000000;
const VER_FLG_BASE = 1;
const VER_FLG_WEAK = 2;

/**
 * Reads what a file in ELF says of its linking. Nothing in it is trusted: tables are bounded, strings that cannot be
 * read are left out.
 * @returns undefined for what is no ELF program or library, or has no dynamic section, as static programs have none
 */
export async function readLinkage(read: ReadAt): Promise<Linkage | undefined> {
  const file = await openElf(read);
  const segment = file?.segments.find(({ type }) => type === PT_DYNAMIC);
  if (file === undefined || segment === undefined) return undefined;
  const entries = await readEntries(read, file, segment.offset, segment.size);
  const one = (tag: number) => entries.find((entry) => entry.tag === tag)?.value;
  const strings = offsetOf(file, one(Tag.Strings));
  if (strings === undefined) return undefined;
  const text = (at: number) => readString(read, strings + at);
  const texts = async (tag: number) => {
    const found = entries.filter((entry) => entry.tag === tag).slice(0, COUNT_LIMIT);
    return (await Promise.all(found.map(({ value }) => text(value)))).filter((each) => each !== undefined);
  };
  const folders = async (tag: number) =>
    (await texts(tag)).flatMap((each) => each.split(':')).filter((each) => each !== '');
  return {
    needed: await texts(Tag.Needed),
    soname: (await texts(Tag.Soname))[0],
    rpath: await folders(Tag.Rpath),
    runpath: await folders(Tag.Runpath),
    versionsNeeded: await readNeeded(read, file, offsetOf(file, one(Tag.VersionsNeeded)), text),
    versionsDefined: await readDefined(read, file, offsetOf(file, one(Tag.VersionsDefined)), text),
    ...(((one(Tag.Flags1) ?? 0) & DF_1_PIE) === 0 ? {} : { isPie: true }),
  };
}

interface Entry {
  readonly tag: number;
  readonly value: number;
}

async function readEntries(
  read: ReadAt,
  file: ElfFile,
  offset: number,
  size: number,
): Promise<readonly Entry[]> {
  if (!Number.isSafeInteger(offset) || size < 1) return [];
  const bytes = await read(offset, Math.min(size, DYNAMIC_LIMIT));
  const fields = new Fields(bytes, file.endianness);
  const word = file.bits / 8;
  const entries: Entry[] = [];
  for (let at = 0; at + 2 * word <= bytes.length; at += 2 * word) {
    const tag = fields.address(at, file.bits);
    if (tag === Tag.End) break;
    entries.push({ tag, value: fields.address(at + word, file.bits) });
  }
  return entries;
}

/** Where an address of the loaded file is in the file itself. */
function offsetOf({ segments }: ElfFile, address: number | undefined): number | undefined {
  if (address === undefined) return undefined;
  const segment = segments.find(
    (each) => each.type === PT_LOAD && address >= each.address && address < each.address + each.size,
  );
  const offset = segment && segment.offset + (address - segment.address);
  return offset !== undefined && Number.isSafeInteger(offset) ? offset : undefined;
}

async function readString(read: ReadAt, offset: number): Promise<string | undefined> {
  if (!Number.isSafeInteger(offset)) return undefined;
  const bytes = await read(offset, STRING_LIMIT);
  const end = bytes.indexOf(0);
  return end < 1 ? undefined : bytes.toString('utf8', 0, end);
}

type Text = (at: number) => Promise<string | undefined>;

/** Chains of records, each of which says how far the next is; a chain that leads nowhere ends. */
function* chain(
  fields: Fields,
  length: number,
  from: number,
  size: number,
  nextAt: number,
): Generator<number> {
  for (let at = from, count = 0; at + size <= length && count < COUNT_LIMIT; count++) {
    yield at;
    const next = fields.word(at + nextAt);
    if (next === 0) return;
    at += next;
  }
}

/** `Verneed` and `Vernaux` records (LSB Core, Symbol Versioning). */
async function readNeeded(
  read: ReadAt,
  { endianness }: ElfFile,
  offset: number | undefined,
  text: Text,
): Promise<Linkage['versionsNeeded']> {
  if (offset === undefined) return {};
  const bytes = await read(offset, VERSIONS_LIMIT);
  const fields = new Fields(bytes, endianness);
  const needed = new Map<string, string[]>();
  let left = COUNT_LIMIT;
  for (const at of chain(fields, bytes.length, 0, 16, 12)) {
    const library = await text(fields.word(at + 4));
    if (library === undefined) continue;
    const versions: string[] = [];
    for (const aux of chain(fields, bytes.length, at + fields.word(at + 8), 16, 12)) {
      if (left-- <= 0) break;
      const isWeak = (fields.half(aux + 4) & VER_FLG_WEAK) !== 0;
      const version = isWeak ? undefined : await text(fields.word(aux + 8));
      if (version !== undefined) versions.push(version);
    }
    needed.set(library, [...(needed.get(library) ?? []), ...versions]);
  }
  return Object.fromEntries(needed);
}

/** `Verdef` and `Verdaux` records; of several names of a version the first is its own. */
async function readDefined(
  read: ReadAt,
  { endianness }: ElfFile,
  offset: number | undefined,
  text: Text,
): Promise<readonly string[]> {
  if (offset === undefined) return [];
  const bytes = await read(offset, VERSIONS_LIMIT);
  const fields = new Fields(bytes, endianness);
  const defined: string[] = [];
  for (const at of chain(fields, bytes.length, 0, 20, 16)) {
    const name = at + fields.word(at + 12);
    if ((fields.half(at + 2) & VER_FLG_BASE) !== 0 || name + 8 > bytes.length) continue;
    const version = await text(fields.word(name));
    if (version !== undefined) defined.push(version);
  }
  return defined;
}
