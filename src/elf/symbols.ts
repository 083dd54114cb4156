import { type ElfFile, Fields, PT_LOAD, type ReadAt } from './file.ts';
import type { Section } from './sections.ts';

/** A function or a datum that a program names (ELF gABI, chapter 4, Symbol Table). */
export interface ProgramSymbol {
  readonly name: string;
  readonly kind: 'function' | 'object';
  /** In the file, in bytes. */
  readonly offset: number;
  readonly size: number;
}

const STT_OBJECT = 1;
const STT_FUNC = 2;
/** The largest programs there are have a million symbols. */
const COUNT_LIMIT = 2_000_000;
/** Linkers make some half a dozen that are loaded. */
const SEGMENTS = 32;
const TABLE_LIMIT = 256 * 1024 * 1024;
/** Names of generic functions come to some kilobytes; what they belong to stands at the beginning. */
const NAME_LIMIT = 4096;

/** The symbols that take room in the file, in the order of their places; none of a stripped program. */
export async function readSymbols(
  read: ReadAt,
  { bits, endianness, segments }: ElfFile,
  sections: readonly Section[],
): Promise<readonly ProgramSymbol[]> {
  const [table, strings] = ['.symtab', '.strtab'].map((name) => sections.find((each) => each.name === name));
  if (table === undefined || strings === undefined) return [];
  if (table.size > TABLE_LIMIT || strings.size > TABLE_LIMIT) return [];
  const bytes = await read(table.offset, table.size);
  const names = await read(strings.offset, strings.size);
  const entrySize = bits === 64 ? 24 : 16;
  const fields = new Fields(bytes, endianness);
  const loaded = segments.filter(({ type }) => type === PT_LOAD).slice(0, SEGMENTS);
  const found: ProgramSymbol[] = [];
  const count = Math.min(Math.floor(bytes.length / entrySize), COUNT_LIMIT);
  for (let index = 0; index < count; index++) {
    const at = index * entrySize;
    const type = (bytes[at + (bits === 64 ? 4 : 12)] ?? 0) & 0xf;
    if (type !== STT_FUNC && type !== STT_OBJECT) continue;
    const size = fields.address(at + (bits === 64 ? 16 : 8), bits);
    const address = fields.address(at + (bits === 64 ? 8 : 4), bits);
    const segment = loaded.find((each) => address >= each.address && address < each.address + each.size);
    if (size === 0 || segment === undefined) continue;
    const nameAt = fields.word(at);
    // Looked for nearby: a table of names without an end would be read through for each symbol.
    const near = names.subarray(nameAt, nameAt + NAME_LIMIT);
    const end = near.indexOf(0);
    found.push({
      name: near.toString('latin1', 0, end < 0 ? near.length : end),
      kind: type === STT_FUNC ? 'function' : 'object',
      offset: segment.offset + address - segment.address,
      size,
    });
  }
  return found.sort((a, b) => a.offset - b.offset);
}
