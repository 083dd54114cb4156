import { type ElfFile, Fields, type ReadAt } from './file.ts';

/** A part of a file that linkers and debuggers know by name (ELF gABI, chapter 4). */
export interface Section {
  readonly name: string;
  /** `sh_type`. */
  readonly type: number;
  /** Whether it is loaded into memory (`SHF_ALLOC`). */
  readonly isLoaded: boolean;
  /** In the file, in bytes. */
  readonly offset: number;
  readonly size: number;
}

/** Large C++ objects have tens of thousands of sections, linked programs some dozens. */
const COUNT_LIMIT = 4096;
const NAMES_LIMIT = 1024 * 1024;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2;

/** The sections of a file; none where it has no table of them, or a damaged one. */
export async function readSections(read: ReadAt, file: ElfFile): Promise<readonly Section[]> {
  const { bits, endianness, sectionTable } = file;
  const { offset, entrySize, count, names } = sectionTable;
  if (offset === 0 || !Number.isSafeInteger(offset) || count === 0 || count > COUNT_LIMIT) return [];
  if (entrySize < (bits === 64 ? 64 : 40) || entrySize > 256 || names >= count) return [];
  const table = await read(offset, entrySize * count);
  if (table.length < entrySize * count) return [];
  const fields = new Fields(table, endianness);
  const word = bits / 8;
  const rows = Array.from({ length: count }, (_, index) => {
    const at = index * entrySize;
    const type = fields.word(at + 4);
    const size = fields.address(at + 8 + 3 * word, bits);
    return {
      nameAt: fields.word(at),
      type,
      isLoaded: (fields.address(at + 8, bits) & SHF_ALLOC) !== 0,
      offset: fields.address(at + 8 + 2 * word, bits),
      size: type === SHT_NOBITS ? 0 : size,
    };
  });
  const strings = rows[names];
  if (strings === undefined || !Number.isSafeInteger(strings.offset)) return [];
  const texts = await read(strings.offset, Math.min(strings.size, NAMES_LIMIT));
  return rows
    .filter((row) => Number.isSafeInteger(row.offset) && Number.isSafeInteger(row.size))
    .map(({ nameAt, ...row }) => {
      const end = texts.indexOf(0, nameAt);
      return { ...row, name: end < 0 ? '' : texts.toString('latin1', nameAt, end) };
    });
}

const SHT_SYMTAB = 2;

/** Bytes that `strip` would save: symbols and debug data, which nothing needs at run time. */
export function debugBytes(sections: readonly Section[]): number {
  const hasSymbols = sections.some(({ type, isLoaded }) => type === SHT_SYMTAB && !isLoaded);
  return sections
    .filter(({ name, type, isLoaded }) => {
      if (isLoaded) return false;
      const isOfSymbols = hasSymbols && (type === SHT_SYMTAB || name === '.strtab');
      return isOfSymbols || /^\.(?:z?debug_|stab|gdb_index|line$)/.test(name);
    })
    .reduce((sum, { size }) => sum + size, 0);
}

/** As much of a part as can tell something is looked through. */
const SCAN_LIMIT = 64 * 1024 * 1024;
const CHUNK = 1024 * 1024;

/** Which of some texts stand in a part of a file. */
export async function findTexts(
  read: ReadAt,
  { offset, size }: Pick<Section, 'offset' | 'size'>,
  texts: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const overlap = Math.max(0, ...texts.map((text) => text.length)) - 1;
  const end = offset + Math.min(size, SCAN_LIMIT);
  for (let at = offset; at < end; at += CHUNK) {
    const bytes = await read(at, Math.min(CHUNK + overlap, end - at));
    for (const text of texts) if (!found.has(text) && bytes.includes(text, 0, 'latin1')) found.add(text);
    if (bytes.length === 0 || found.size === texts.length) break;
  }
  return found;
}
