/** Reads `length` bytes at `offset`, or as many as there are. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/** A file in ELF, with what its first headers say; nothing behind them was looked at. */
export interface ElfFile {
  readonly bits: 32 | 64;
  readonly endianness: 'little' | 'big';
  /** `e_type`: ET_EXEC (2) or ET_DYN (3). */
  readonly type: number;
  /** `e_machine`. */
  readonly machine: number;
  /** `EI_OSABI`. */
  readonly osAbi: number;
  /** `e_flags`. */
  readonly flags: number;
  readonly segments: readonly Segment[];
  /** Where the table of sections is; stripped files and hostile ones need not have it. */
  readonly sectionTable: SectionTable;
}

/** As the ELF header says; nothing of it was checked. */
export interface SectionTable {
  /** In bytes. */
  readonly offset: number;
  readonly entrySize: number;
  readonly count: number;
  /** Index of the section that holds the names of the others. */
  readonly names: number;
}

/** What a program header says. */
export interface Segment {
  readonly type: number;
  /** In the file, in bytes. */
  readonly offset: number;
  readonly size: number;
  /** `p_vaddr`, where it is in memory. */
  readonly address: number;
}

const ET_EXEC = 2;
export const ET_DYN = 3;
export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
/** Program headers of real programs are a dozen; the kernel refuses more than fit in 64 KiB. */
const TABLE_LIMIT = 64 * 1024;

/**
 * Reads the headers of a program or a shared library (ELF gABI, chapters 4 and 5).
 * @returns undefined for another format, an object file, or a damaged header
 */
export async function openElf(read: ReadAt): Promise<ElfFile | undefined> {
  const head = await read(0, 64);
  if (head.length < 52 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const bits = { 1: 32, 2: 64 }[head[4] ?? 0] as 32 | 64 | undefined;
  const endianness = ({ 1: 'little', 2: 'big' } as const)[head[5] ?? 0];
  if (bits === undefined || endianness === undefined || (bits === 64 && head.length < 64)) return undefined;
  const fields = new Fields(head, endianness);
  const type = fields.half(16);
  if (type !== ET_EXEC && type !== ET_DYN) return undefined;
  const table =
    bits === 64
      ? { offset: fields.long(32), entrySize: fields.half(54), count: fields.half(56) }
      : { offset: fields.word(28), entrySize: fields.half(42), count: fields.half(44) };
  const rest = bits === 64 ? 58 : 46;
  const sectionTable = {
    offset: fields.address(bits === 64 ? 40 : 32, bits),
    entrySize: fields.half(rest),
    count: fields.half(rest + 2),
    names: fields.half(rest + 4),
  };
  const segments = await readSegments(read, bits, endianness, table);
  if (segments === undefined) return undefined;
  const flags = fields.word(bits === 64 ? 48 : 36);
  const machine = fields.half(18);
  return { bits, endianness, type, machine, osAbi: head[7] ?? 0, flags, segments, sectionTable };
}

/** Numbers of the program's own byte order. */
export class Fields {
  readonly #bytes: Buffer;
  readonly #little: boolean;

  constructor(bytes: Buffer, endianness: 'little' | 'big') {
    this.#bytes = bytes;
    this.#little = endianness === 'little';
  }

  half(at: number): number {
    return this.#little ? this.#bytes.readUInt16LE(at) : this.#bytes.readUInt16BE(at);
  }

  word(at: number): number {
    return this.#little ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at);
  }

  /** An address or a size: 4 or 8 bytes. */
  address(at: number, bits: 32 | 64): number {
    return bits === 64 ? this.long(at) : this.word(at);
  }

  /** Beyond 2^53 it is no longer exact, and beyond any file. */
  long(at: number): number {
    return Number(this.#little ? this.#bytes.readBigUInt64LE(at) : this.#bytes.readBigUInt64BE(at));
  }
}

/** The program headers; undefined where the table is damaged or missing, which no kernel starts. */
async function readSegments(
  read: ReadAt,
  bits: 32 | 64,
  endianness: 'little' | 'big',
  table: { readonly offset: number; readonly entrySize: number; readonly count: number },
): Promise<Segment[] | undefined> {
  const { offset, entrySize, count } = table;
  const size = entrySize * count;
  if (count === 0 || entrySize < (bits === 64 ? 56 : 32) || size > TABLE_LIMIT) return undefined;
  if (!Number.isSafeInteger(offset)) return undefined;
  const bytes = await read(offset, size);
  if (bytes.length < size) return undefined;
  const fields = new Fields(bytes, endianness);
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize;
    const type = fields.word(at);
    return bits === 64
      ? { type, offset: fields.long(at + 8), size: fields.long(at + 32), address: fields.long(at + 16) }
      : { type, offset: fields.word(at + 4), size: fields.word(at + 16), address: fields.word(at + 8) };
  });
}
