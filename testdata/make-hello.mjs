// Writes `hello` (x86-64) and `hello-arm64` (AArch64) beside this file, or into the folder given as argument: two
// static Linux programs that print "hello world" and exit 0, without a compiler. The same bytes on every machine.
//
//     node testdata/make-hello.mjs [FOLDER]
//
// Each file is an ELF header, one program header, the instructions and the text, in this order. There are no sections:
// the kernel reads program headers only (elf(5)).
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TEXT = Buffer.from('hello world\n');

/** Where the file's first byte lies in memory: a multiple of every page size in use, up to 64 KiB. */
const BASE = 0x400000;
const ELF_HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const CODE_OFFSET = ELF_HEADER_SIZE + PROGRAM_HEADER_SIZE;

/** A number of 16 or 32 bits, least significant byte first. */
const u16 = (value) => [value & 0xff, (value >>> 8) & 0xff];
const u32 = (value) => [...u16(value & 0xffff), ...u16(value >>> 16)];
/** Every 64-bit field here is far below 2^32, so its upper half is 0. */
const u64 = (value) => [...u32(value), ...u32(0)];

/** x86-64: number of the system call in rax; arguments in rdi, rsi, rdx. */
function codeForX86() {
  const afterLea = 17; // where the instruction after `lea` begins, which is what it counts from
  const length = 33; // of all instructions; the text follows
  return [
    [0xb8, ...u32(1)], //                                 mov eax, 1           write(
    [0xbf, ...u32(1)], //                                 mov edi, 1             standard output,
    [0x48, 0x8d, 0x35, ...u32(length - afterLea)], //     lea rsi, [rip + 16]    the text,
    [0xba, ...u32(TEXT.length)], //                       mov edx, 12            its length)
    [0x0f, 0x05], //                                      syscall
    [0xb8, ...u32(60)], //                                mov eax, 60          exit(
    [0x31, 0xff], //                                      xor edi, edi           0)
    [0x0f, 0x05], //                                      syscall
  ].flat();
}

/** AArch64: number of the system call in x8; arguments in x0, x1, x2. Every instruction is 4 bytes. */
function codeForArm64() {
  const movz = (register, value) => u32(0xd2800000 | (value << 5) | register); // movz xN, #value
  const adr = (register, distance) => u32(0x10000000 | ((distance >> 2) << 5) | register); // distance % 4 = 0
  const svc = u32(0xd4000001); // svc #0
  const adrAt = 4;
  const length = 32;
  return [
    movz(0, 1), //                    mov x0, #1      write( standard output,
    adr(1, length - adrAt), //        adr x1, .+28      the text,
    movz(2, TEXT.length), //          mov x2, #12       its length)
    movz(8, 64), //                   mov x8, #64
    svc, //                           svc #0
    movz(0, 0), //                    mov x0, #0      exit( 0)
    movz(8, 93), //                   mov x8, #93
    svc, //                           svc #0
  ].flat();
}

/** @param machine `e_machine`: 62 is x86-64, 183 is AArch64  @param pageSize the largest one the kernel may use */
function elfProgram(machine, pageSize, code) {
  const size = CODE_OFFSET + code.length + TEXT.length;
  const elfHeader = [
    [0x7f, 0x45, 0x4c, 0x46], //      e_ident: 0x7f 'E' 'L' 'F'
    [2, 1, 1, 0], //                    64-bit, little-endian, version 1, System V ABI
    [0, 0, 0, 0, 0, 0, 0, 0], //        ABI version 0, padding
    u16(2), //                        e_type: ET_EXEC, a program at a fixed address
    u16(machine), //                  e_machine
    u32(1), //                        e_version
    u64(BASE + CODE_OFFSET), //       e_entry: the first instruction
    u64(ELF_HEADER_SIZE), //          e_phoff: the program header is next
    u64(0), //                        e_shoff: no sections
    u32(0), //                        e_flags
    u16(ELF_HEADER_SIZE), //          e_ehsize
    u16(PROGRAM_HEADER_SIZE), //      e_phentsize
    u16(1), //                        e_phnum
    u16(0), //                        e_shentsize
    u16(0), //                        e_shnum
    u16(0), //                        e_shstrndx
  ].flat();
  const programHeader = [
    u32(1), //                        p_type: PT_LOAD, map this
    u32(4 | 1), //                    p_flags: readable and executable, never writable
    u64(0), //                        p_offset: the file from its first byte, so that offset and address agree
    u64(BASE), //                     p_vaddr   modulo the page size, as the kernel demands
    u64(BASE), //                     p_paddr
    u64(size), //                     p_filesz
    u64(size), //                     p_memsz
    u64(pageSize), //                 p_align
  ].flat();
  return Buffer.concat([Buffer.from([...elfHeader, ...programHeader, ...code]), TEXT]);
}

const folder = process.argv[2] ?? fileURLToPath(new URL('.', import.meta.url));
for (const [name, bytes] of [
  ['hello', elfProgram(62, 0x1000, codeForX86())],
  ['hello-arm64', elfProgram(183, 0x10000, codeForArm64())],
]) {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  chmodSync(path, 0o755); // writeFileSync's mode would be cut by the umask
}
