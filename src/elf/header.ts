import { type Platform, platform } from '#oci-spec-types';
import { openElf, PT_INTERP, PT_LOAD, type ReadAt, type Segment } from './file.ts';

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

/** Linux refuses longer loader paths (PATH_MAX). */
const INTERPRETER_LIMIT = 4096;

/**
 * Reads the header of an ELF program. Nothing in it is trusted: what it points at is read within limits.
 * @returns undefined for what is no program: another format, an object file, or a damaged header
 */
export async function readElfHeader(read: ReadAt): Promise<ElfHeader | undefined> {
  const file = await openElf(read);
  if (file === undefined || !(await isWhole(read, file.segments))) return undefined;
  const interpreter = await readInterpreter(read, file.segments);
  if (interpreter === null) return undefined;
  const { bits, endianness, machine, osAbi, flags } = file;
  return { bits, endianness, machine, osAbi, flags, interpreter };
}

/** Whether the file has every byte that is to be loaded: a download that broke off starts, and dies of SIGBUS. */
async function isWhole(read: ReadAt, segments: readonly Segment[]): Promise<boolean> {
  const loaded = segments.filter(({ type, size }) => type === PT_LOAD && size > 0);
  const end = loaded.reduce((furthest, { offset, size }) => Math.max(furthest, offset + size), 0);
  if (end === 0 || !Number.isSafeInteger(end)) return false;
  return (await read(end - 1, 1)).length === 1;
}

/** The loader's path; undefined where there is none, null where it is damaged. */
async function readInterpreter(
  read: ReadAt,
  segments: readonly Segment[],
): Promise<string | undefined | null> {
  const segment = segments.find(({ type }) => type === PT_INTERP);
  if (segment === undefined) return undefined;
  const { offset, size } = segment;
  if (size < 2 || size > INTERPRETER_LIMIT || !Number.isSafeInteger(offset)) return null;
  const path = await read(offset, size);
  const end = path.indexOf(0);
  return path.length < size || end < 1 ? null : path.toString('utf8', 0, end);
}

type Architecture = readonly [name: string, variant?: string];

const EM_386 = 3;
const EM_MIPS = 8;
const EF_MIPS_ABI2 = 0x20;
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

function architectureOf({ machine, bits, endianness, flags }: ElfHeader): Architecture | undefined {
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
      return bits === 64 ? [little ? 'ppc64le' : 'ppc64'] : undefined;
    case EM_S390:
      return bits === 64 && !little ? ['s390x'] : undefined;
    case EM_LOONGARCH:
      return bits === 64 && little ? ['loong64'] : undefined;
    case EM_MIPS:
      // n32, 64-bit instructions with 32-bit pointers, has no name either.
      if ((flags & EF_MIPS_ABI2) !== 0) return undefined;
      return [`mips${bits === 64 ? '64' : ''}${little ? 'le' : ''}`];
    default:
      return undefined;
  }
}
