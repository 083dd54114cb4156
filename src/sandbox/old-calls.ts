/**
 * System calls with paths that came after proot learned what paths are (Linux 4.11 to 6.17). Where proot does not know
 * them, they would reach files of the host, and miss those of the room. Refused as unknown, every C library and Go use
 * older ones instead. Numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
 */
const NEW_CALLS: Readonly<Record<string, number>> = {
  statx: 332,
  io_uring_setup: 425,
  open_tree: 428,
  openat2: 437,
  faccessat2: 439,
  fchmodat2: 452,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
};

const AUDIT_ARCH_X86_64 = 0xc000003e;
const ENOSYS = 38;
const ADDRESS = 0x400000;
const HEADERS = 64 + 56;

/**
 * A program that makes the kernel refuse {@link NEW_CALLS}, end what runs when this process has died, and becomes the
 * program of its arguments; both are for x86-64. A static ELF with one segment (ELF gABI), code by hand: three times
 * prctl(2), and execve(2).
 */
export function launcher(): Buffer {
  const filter = seccompFilter(Object.values(NEW_CALLS));
  const start = ADDRESS + HEADERS;
  const codeSize = code(0).length;
  const fprogAt = start + Math.ceil(codeSize / 8) * 8;
  const body = Buffer.alloc(fprogAt - start + 16 + filter.length);
  code(fprogAt).copy(body);
  // struct sock_fprog
  body.writeUInt16LE(filter.length / 8, fprogAt - start);
  body.writeBigUInt64LE(BigInt(fprogAt + 16), fprogAt - start + 8);
  filter.copy(body, fprogAt - start + 16);
  return Buffer.concat([headers(HEADERS + body.length, start), body]);
}

/** @param fprog address of the filter's description */
function code(fprog: number): Buffer {
  const word = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return [...bytes];
  };
  const [toEax, toEdi, toEsi, toEdx] = [0xb8, 0xbf, 0xbe, 0xba];
  const syscall = (number: number) => [toEax, ...word(number), 0x0f, 0x05];
  const [PRCTL, EXECVE, EXIT] = [157, 59, 60];
  return Buffer.from([
    // prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    ...[toEdi, ...word(38), toEsi, ...word(1), 0x31, 0xd2, 0x45, 0x31, 0xd2, 0x45, 0x31, 0xc0],
    ...syscall(PRCTL),
    // prctl(PR_SET_PDEATHSIG, SIGQUIT): proot heeds no other signal by ending what it traces
    ...[toEdi, ...word(1), toEsi, ...word(3)],
    ...syscall(PRCTL),
    // prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog)
    ...[toEdi, ...word(22), toEsi, ...word(2), toEdx, ...word(fprog)],
    ...syscall(PRCTL),
    // rdi = argv[1], rsi = argv + 1, rdx = envp, which begins behind the NULL after argv
    ...[0x48, 0x8b, 0x7c, 0x24, 0x10, 0x48, 0x8d, 0x74, 0x24, 0x10, 0x48, 0x8b, 0x04, 0x24],
    ...[0x48, 0x8d, 0x54, 0xc4, 0x10],
    ...syscall(EXECVE),
    ...[toEdi, ...word(127)],
    ...syscall(EXIT),
  ]);
}

/** Classic BPF over struct seccomp_data (seccomp(2)): refuses the calls as unknown, and lets all others through. */
function seccompFilter(calls: readonly number[]): Buffer {
  const instruction = (operation: number, value: number, ifTrue = 0, ifFalse = 0) => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(operation);
    bytes.writeUInt8(ifTrue, 2);
    bytes.writeUInt8(ifFalse, 3);
    bytes.writeUInt32LE(value, 4);
    return bytes;
  };
  const [LOAD, JUMP_IF_EQUAL, RETURN] = [0x20, 0x15, 0x06];
  const [ALLOW, ERRNO] = [0x7fff0000, 0x00050000];
  return Buffer.concat([
    instruction(LOAD, 4),
    instruction(JUMP_IF_EQUAL, AUDIT_ARCH_X86_64, 0, calls.length + 1),
    instruction(LOAD, 0),
    ...calls.map((call, at) => instruction(JUMP_IF_EQUAL, call, calls.length - at, 0)),
    instruction(RETURN, ALLOW),
    instruction(RETURN, ERRNO | ENOSYS),
  ]);
}

function headers(size: number, start: number): Buffer {
  const bytes = Buffer.alloc(HEADERS);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(2, 16); // ET_EXEC
  bytes.writeUInt16LE(62, 18); // EM_X86_64
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BigInt(start), 24);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(1, 64); // PT_LOAD
  bytes.writeUInt32LE(5, 68); // readable, executable
  bytes.writeBigUInt64LE(BigInt(ADDRESS), 80);
  bytes.writeBigUInt64LE(BigInt(ADDRESS), 88);
  bytes.writeBigUInt64LE(BigInt(size), 96);
  bytes.writeBigUInt64LE(BigInt(size), 104);
  bytes.writeBigUInt64LE(0x1000n, 112);
  return bytes;
}
