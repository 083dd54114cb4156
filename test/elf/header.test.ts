import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { platformOfElf, readElfHeader } from '../../src/elf/header.ts';
import { formatPlatform } from '../../src/oci-spec-types/platform.ts';
import { ELF64, type ElfFields, elfProgram } from '../support/elf.ts';

/** The largest piece that may be read at once: 64 KiB of program headers. */
const LARGEST_READ = 64 * 1024;

/** Gives pieces of `bytes`, and fails the test on a request that no file can answer or that would fill the memory. */
function readerOf(bytes: Buffer) {
  return async (offset: number, length: number) => {
    expect(Number.isSafeInteger(offset) && offset >= 0, `offset ${offset}`).toBe(true);
    expect(Number.isSafeInteger(length) && length > 0 && length <= LARGEST_READ, `length ${length}`).toBe(
      true,
    );
    return bytes.subarray(offset, offset + length);
  };
}

const headerOf = (bytes: Buffer) => readElfHeader(readerOf(bytes));

async function platformOf(fields: ElfFields): Promise<string | undefined> {
  const header = await headerOf(elfProgram(fields));
  const platform = header && platformOfElf(header);
  return platform && formatPlatform(platform);
}

describe('the header of a program', () => {
  it.each([
    [32, 'little'],
    [32, 'big'],
    [64, 'little'],
    [64, 'big'],
  ] as const)('is read with %i bits, %s-endian', async (bits, endianness) => {
    const fields = {
      bits,
      endianness,
      machine: 8,
      flags: 0x12345678,
      osAbi: 9,
      interpreter: '/lib/ld.so.1\0',
    };
    expect(await headerOf(elfProgram(fields))).toEqual({ ...fields, interpreter: '/lib/ld.so.1' });
  });

  it('has no interpreter in a static program', async () => {
    expect((await headerOf(elfProgram()))?.interpreter).toBeUndefined();
  });

  it('is read from position-independent programs too', async () => {
    expect(await headerOf(elfProgram({ type: 3 }))).toBeDefined();
  });

  it('is read where the interpreter fills the longest path of Linux', async () => {
    const longest = `/${'a'.repeat(4094)}`;
    expect((await headerOf(elfProgram({ interpreter: `${longest}\0` })))?.interpreter).toBe(longest);
  });

  it('is read from the programs in testdata', async () => {
    for (const [name, platform] of [
      ['hello', 'linux/amd64'],
      ['hello-arm64', 'linux/arm64'],
    ] as const) {
      const path = fileURLToPath(new URL(`../../testdata/${name}`, import.meta.url));
      const header = await headerOf(readFileSync(path));
      expect(header && formatPlatform(platformOfElf(header) ?? { os: '', architecture: '' })).toBe(platform);
    }
  });
});

describe('what is no program', () => {
  const damaged = (damage: (bytes: Buffer) => Buffer | undefined, fields: ElfFields = {}) => {
    const bytes = elfProgram(fields);
    return damage(bytes) ?? bytes;
  };
  const put16 = (at: number, value: number) => damaged((bytes) => void bytes.writeUInt16LE(value, at));
  const put64 = (at: number, value: bigint) => damaged((bytes) => void bytes.writeBigUInt64LE(value, at));

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['another format', damaged((bytes) => void bytes.write('MZ'))],
    ['a header that is cut', damaged((bytes) => bytes.subarray(0, 63))],
    ['a 32-bit header that is cut', damaged((bytes) => bytes.subarray(0, 51), { bits: 32 })],
    ['an unknown class', damaged((bytes) => void bytes.writeUInt8(3, 4))],
    ['an unknown byte order', damaged((bytes) => void bytes.writeUInt8(0, 5))],
    ['an object file', elfProgram({ type: 1 })],
    ['a core dump', elfProgram({ type: 4 })],
    ['no program headers', put16(ELF64.count, 0)],
    ['more program headers than the kernel reads', put16(ELF64.count, 0xffff)],
    ['program headers of a wrong size', put16(ELF64.entrySize, 55)],
    ['program headers behind the end', put64(ELF64.tableOffset, 4096n)],
    ['program headers beyond any file', put64(ELF64.tableOffset, 0xffff_ffff_ffff_ffffn)],
    ['a segment beyond any file', put64(ELF64.loadSize, 0xffff_ffff_ffff_fff0n)],
    ['a file whose last byte is missing', damaged((bytes) => bytes.subarray(0, -1))],
    ['nothing to load', put64(ELF64.loadSize, 0n)],
    ['an interpreter without its NUL', elfProgram({ interpreter: '/lib/ld.so' })],
    ['an empty interpreter', elfProgram({ interpreter: '\0\0' })],
    ['an interpreter longer than a path can be', elfProgram({ interpreter: `/${'a'.repeat(4096)}\0` })],
  ])('%s', async (_, bytes) => {
    expect(await headerOf(bytes)).toBeUndefined();
  });

  it('never fails, nor reads much, whatever the bytes are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 512 }), async (random) => {
        const magic = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
        const header = await headerOf(Buffer.concat([magic, random]));
        if (header !== undefined) platformOfElf(header);
      }),
      { numRuns: 500 },
    );
  });

  it('never fails, nor reads much, whichever bytes of a program are changed', async () => {
    const change = fc.tuple(fc.nat({ max: 200 }), fc.constantFrom(0, 1, 3, 0x7f, 0x80, 0xff));
    const fields = fc.record({
      bits: fc.constantFrom(32 as const, 64 as const),
      endianness: fc.constantFrom('little' as const, 'big' as const),
    });
    await fc.assert(
      fc.asyncProperty(fields, fc.array(change, { maxLength: 12 }), async (program, changes) => {
        const bytes = elfProgram({ ...program, interpreter: '/lib/ld-musl-x86_64.so.1\0' });
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const header = await headerOf(bytes);
        if (header?.interpreter !== undefined) {
          expect(header.interpreter).not.toContain('\0');
          expect(header.interpreter.length).toBeLessThan(4096);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the platform of a program', () => {
  it.each<[string, ElfFields]>([
    ['linux/amd64', { machine: 62 }],
    ['linux/386', { machine: 3, bits: 32 }],
    ['linux/arm/v7', { machine: 40, bits: 32, flags: 0x5000400 }],
    ['linux/arm64', { machine: 183 }],
    ['linux/riscv64', { machine: 243 }],
    ['linux/ppc64le', { machine: 21 }],
    ['linux/ppc64', { machine: 21, endianness: 'big' }],
    ['linux/s390x', { machine: 22, endianness: 'big' }],
    ['linux/loong64', { machine: 258 }],
    ['linux/mips64le', { machine: 8 }],
    ['linux/mips64', { machine: 8, endianness: 'big' }],
    ['linux/mipsle', { machine: 8, bits: 32 }],
    ['linux/mips', { machine: 8, bits: 32, endianness: 'big' }],
    ['linux/amd64', { machine: 62, osAbi: 3 }],
    ['freebsd/amd64', { machine: 62, osAbi: 9 }],
    ['openbsd/arm64', { machine: 183, osAbi: 12 }],
  ])('is %s', async (expected, fields) => {
    expect(await platformOf(fields)).toBe(expected);
  });

  it.each<[string, ElfFields]>([
    ['x86-64 with 32-bit pointers', { machine: 62, bits: 32 }],
    ['MIPS with 32-bit pointers in a 64-bit machine', { machine: 8, bits: 32, flags: 0x20 }],
    ['big-endian Arm', { machine: 40, bits: 32, endianness: 'big' }],
    ['32-bit RISC-V', { machine: 243, bits: 32 }],
    ['a machine that images do not know', { machine: 0x1234 }],
  ])('is unknown for %s', async (_, fields) => {
    expect(await platformOf(fields)).toBeUndefined();
  });
});
