import { type Platform, platform } from '#oci-spec-types';

/** What the header of an ELF program says (ELF gABI, chapter 4 and 5). */
export interface ElfHeader {
  readonly bits: 32 | 64;
  readonly endianness: 'little' | 'big';
  /** `e_machine`. */
  readonly machine: number;
  /** `EI_OSABI`. */
  readonly osAbi: number;
  /** `e_flags`. */
  readonly flags: number;
  /** The loader that starts it (`PT_INTERP`), e.g. `/lib/ld-musl-x86_64.so.1`; none for a static program. */
  readonly interpreter?: string | undefined;
}

/** Reads `length` bytes at `offset`, or as many as there are. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

const ET_EXEC = 2;
const ET_DYN = 3;
const PT_INTERP = 3;
/** Linux refuses longer loader paths (PATH_MAX). */
const INTERPRETER_LIMIT = 4096;
/** Program headers of real programs are a dozen; the kernel refuses more than fit in 64 KiB. */
const TABLE_LIMIT = 64 * 1024;

/**
 * Reads the header of an ELF program. Nothing in it is trusted: what it points at is read within limits.
 * @returns undefined for what is no program: another format, an object file, or a damaged header
 */
export async function readElfHeader(read: ReadAt): Promise<ElfHeader | undefined> {
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
  const interpreter = await readInterpreter(read, bits, endianness, table);
  if (interpreter === null) return undefined;
  return {
    bits,
    endianness,
    machine: fields.half(18),
    osAbi: head[7] ?? 0,
    flags: fields.word(bits === 64 ? 48 : 36),
    interpreter,
  };
}

/** Numbers of the program's own byte order. */
class Fields {
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

  /** Beyond 2^53 it is no longer exact, and beyond any file. */
  long(at: number): number {
    return Number(this.#little ? this.#bytes.readBigUInt64LE(at) : this.#bytes.readBigUInt64BE(at));
  }
}

/** The loader's path; undefined where there is none, null where the table or the path is damaged. */
async function readInterpreter(
  read: ReadAt,
  bits: 32 | 64,
  endianness: 'little' | 'big',
  {
    offset,
    entrySize,
    count,
  }: { readonly offset: number; readonly entrySize: number; readonly count: number },
): Promise<string | undefined | null> {
  if (count === 0) return undefined;
  const size = entrySize * count;
  if (entrySize < (bits === 64 ? 56 : 32) || size > TABLE_LIMIT || !Number.isSafeInteger(offset)) return null;
  const table = await read(offset, size);
  if (table.length < size) return null;
  const fields = new Fields(table, endianness);
  for (let at = 0; at < size; at += entrySize) {
    if (fields.word(at) !== PT_INTERP) continue;
    const place =
      bits === 64
        ? { start: fields.long(at + 8), length: fields.long(at + 32) }
        : { start: fields.word(at + 4), length: fields.word(at + 16) };
    if (place.length < 2 || place.length > INTERPRETER_LIMIT || !Number.isSafeInteger(place.start))
      return null;
    const path = await read(place.start, place.length);
    const end = path.indexOf(0);
    return path.length < place.length || end < 1 ? null : path.toString('utf8', 0, end);
  }
  return undefined;
}

type Architecture = readonly [name: string, variant?: string];

const EM_386 = 3;
const EM_MIPS = 8;
const EM_PPC64 = 21;
const EM_S390 = 22;
const EM_ARM = 40;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const EM_RISCV = 243;
const EM_LOONGARCH = 258;

/** The platform a program is for, in Go's names; undefined for a machine that images have no name for. */
export function platformOfElf(header: ElfHeader): Platform | undefined {
  const found = architectureOf(header);
  return found && platform(OPERATING_SYSTEMS[header.osAbi] ?? 'linux', ...found);
}

/** `EI_OSABI`; System V (0) and GNU (3) mean Linux here. */
const OPERATING_SYSTEMS: Readonly<Record<number, string>> = {
  2: 'netbsd',
  6: 'solaris',
  9: 'freebsd',
  12: 'openbsd',
};

function architectureOf({ machine, bits, endianness }: ElfHeader): Architecture | undefined {
  const little = endianness === 'little';
  switch (machine) {
    case EM_386:
      return bits === 32 ? ['386'] : undefined;
    case EM_X86_64:
      // 64-bit instructions with 32-bit pointers (x32) are a platform of their own, which images do not name.
      return bits === 64 ? ['amd64'] : undefined;
    case EM_AARCH64:
      return bits === 64 && little ? ['arm64'] : undefined;
    case EM_ARM:
      // Which of v5 to v7 it needs stands in attributes that the header does not show; v7 is what images mean by arm.
      return bits === 32 && little ? ['arm', 'v7'] : undefined;
    case EM_RISCV:
      return bits === 64 && little ? ['riscv64'] : undefined;
    case EM_PPC64:
      return [little ? 'ppc64le' : 'ppc64'];
    case EM_S390:
      return bits === 64 ? ['s390x'] : undefined;
    case EM_LOONGARCH:
      return bits === 64 ? ['loong64'] : undefined;
    case EM_MIPS:
      return [`mips${bits === 64 ? '64' : ''}${little ? 'le' : ''}`];
    default:
      return undefined;
  }
}
