/** A section to be added to a program. */
export interface AddedSection {
  readonly name: string;
  readonly content: Buffer;
  /** `sh_type`; default SHT_PROGBITS. */
  readonly type?: number;
  /** Whether it is loaded (`SHF_ALLOC`). */
  readonly isLoaded?: boolean;
}

/** A 64-bit little-endian program with sections appended, and a table of them (ELF gABI, chapter 4). */
export function withSections(program: Buffer, sections: readonly AddedSection[]): Buffer {
  const names = ['', ...sections.map(({ name }) => name), '.shstrtab'];
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');
  const nameAt = (index: number) => names.slice(0, index).reduce((sum, name) => sum + name.length + 1, 0);
  const contents = [...sections.map(({ content }) => content), strings];
  const rows = [Buffer.alloc(64)];
  let offset = program.length;
  contents.forEach((content, at) => {
    const section = sections[at];
    const row = Buffer.alloc(64);
    row.writeUInt32LE(nameAt(at + 1), 0);
    row.writeUInt32LE(section === undefined ? 3 : (section.type ?? 1), 4);
    row.writeBigUInt64LE(section?.isLoaded ? 2n : 0n, 8);
    row.writeBigUInt64LE(BigInt(offset), 24);
    row.writeBigUInt64LE(BigInt(content.length), 32);
    rows.push(row);
    offset += content.length;
  });
  const bytes = Buffer.concat([program, ...contents, ...rows]);
  bytes.writeBigUInt64LE(BigInt(offset), 40);
  bytes.writeUInt16LE(64, 58);
  bytes.writeUInt16LE(rows.length, 60);
  bytes.writeUInt16LE(rows.length - 1, 62);
  return bytes;
}

/** `.go.buildinfo` as Go writes it since 1.18 (Go's debug/buildinfo). */
export function goBuildInfo(version: string, modules: string): Buffer {
  const marked = Buffer.from(`${'<'.repeat(16)}${modules}${'>'.repeat(16)}`, 'latin1');
  const header = Buffer.alloc(32);
  header.write('\xff Go buildinf:', 'latin1');
  header.set([8, 2], 14);
  return Buffer.concat([header, varint(version.length), Buffer.from(version), varint(marked.length), marked]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>= 7) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

/** `.ARM.attributes` with a name of a processor and its architecture (ABI addenda, chapter 3). */
export function armAttributes(cpuArch: number): Buffer {
  const attributes = Buffer.from([5, ...Buffer.from('6\0'), 6, cpuArch, 8, 1]);
  const file = Buffer.alloc(5);
  file.writeUInt8(1, 0);
  file.writeUInt32LE(5 + attributes.length, 1);
  const vendor = Buffer.from('aeabi\0');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(4 + vendor.length + file.length + attributes.length);
  return Buffer.concat([Buffer.from('A'), length, vendor, file, attributes]);
}
