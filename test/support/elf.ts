export interface ElfFields {
  readonly bits?: 32 | 64;
  readonly endianness?: 'little' | 'big';
  /** `e_machine`; default x86-64. */
  readonly machine?: number;
  /** `e_type`; default ET_EXEC. */
  readonly type?: number;
  readonly flags?: number;
  readonly osAbi?: number;
  /** Content of the PT_INTERP segment, with its NUL; none makes a static program. */
  readonly interpreter?: string;
}

/** Where {@link elfProgram} puts things, for tests that damage them. */
export const ELF64 = {
  type: 16,
  tableOffset: 32,
  entrySize: 54,
  count: 56,
  table: 64,
  loadSize: 64 + 32,
} as const;

/**
 * A program as small as the format allows: ELF header, one PT_LOAD over the whole file, PT_INTERP if asked for. It has
 * no code.
 */
export function elfProgram(fields: ElfFields = {}): Buffer {
  const {
    bits = 64,
    endianness = 'little',
    machine = 62,
    type = 2,
    flags = 0,
    osAbi = 0,
    interpreter,
  } = fields;
  const wide = bits === 64;
  const headerSize = wide ? 64 : 52;
  const entrySize = wide ? 56 : 32;
  const count = interpreter === undefined ? 1 : 2;
  const path = Buffer.from(interpreter ?? '');
  const pathAt = headerSize + count * entrySize;
  const bytes = Buffer.alloc(pathAt + path.length);
  const put = (at: number, size: 2 | 4 | 8, value: number) => {
    const field = Buffer.alloc(8);
    field.writeBigUInt64BE(BigInt(value));
    const used = field.subarray(8 - size);
    (endianness === 'little' ? used.reverse() : used).copy(bytes, at);
  };
  const address = wide ? 8 : 4;

  bytes.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, endianness === 'little' ? 1 : 2, 1, osAbi]);
  put(16, 2, type);
  put(18, 2, machine);
  put(20, 4, 1);
  put(wide ? 32 : 28, address, headerSize);
  put(wide ? 48 : 36, 4, flags);
  put(wide ? 52 : 40, 2, headerSize);
  put(wide ? 54 : 42, 2, entrySize);
  put(wide ? 56 : 44, 2, count);

  const segment = (index: number, kind: number, offset: number, size: number) => {
    const at = headerSize + index * entrySize;
    put(at, 4, kind);
    put(at + (wide ? 8 : 4), address, offset);
    put(at + (wide ? 32 : 16), address, size);
  };
  segment(0, 1, 0, bytes.length);
  if (interpreter !== undefined) segment(1, 3, pathAt, path.length);
  path.copy(bytes, pathAt);
  return bytes;
}
