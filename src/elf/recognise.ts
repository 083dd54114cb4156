/** What the first bytes of a file say it is. */
export type ProgramKind = 'elf' | 'mach-o' | 'pe' | 'script' | 'wasm' | 'zip' | 'unknown';

/** Tells what kind of program begins with these bytes; a few dozen are enough. */
export function recogniseProgram(bytes: Uint8Array): ProgramKind {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (...magic: number[]) => magic.every((byte, at) => view[at] === byte);
  if (starts(0x7f, 0x45, 0x4c, 0x46)) return 'elf';
  if (isScript(view)) return 'script';
  if (starts(0x00, 0x61, 0x73, 0x6d)) return 'wasm';
  if (starts(0x50, 0x4b, 0x03, 0x04) || starts(0x50, 0x4b, 0x05, 0x06)) return 'zip';
  if (starts(0x4d, 0x5a) && isPortableExecutable(view)) return 'pe';
  if (isMachO(view)) return 'mach-o';
  return 'unknown';
}

/** `#!` and an absolute path; Rust sources also begin with `#!`. */
function isScript(view: Buffer): boolean {
  return /^#![ \t]*\//.test(view.toString('latin1', 0, 256));
}

/** Behind the DOS program, where its header says (PE format, section 3.1); as good as a sign where that is out of view. */
function isPortableExecutable(view: Buffer): boolean {
  if (view.length < 0x40) return false;
  const at = view.readUInt32LE(0x3c);
  return at + 4 > view.length ? at < 0x10000 : view.readUInt32BE(at) === 0x50450000;
}

function isMachO(view: Buffer): boolean {
  if (view.length < 8) return false;
  const magic = view.readUInt32BE(0);
  if ([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe].includes(magic)) return true;
  // A Java class begins like a universal binary; where that counts architectures, it has its version, at least 45.
  return (magic === 0xcafebabe || magic === 0xcafebabf) && view.readUInt32BE(4) < 45;
}
