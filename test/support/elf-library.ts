import type { Linkage } from '../../src/elf/linkage.ts';

/** Bytes with the numbers of a byte order at their end. */
class Section {
  readonly #parts: Buffer[] = [];
  readonly #little: boolean;
  length = 0;

  constructor(endianness: 'little' | 'big') {
    this.#little = endianness === 'little';
  }

  put(size: 2 | 4 | 8, ...values: readonly number[]): this {
    for (const value of values) {
      const field = Buffer.alloc(8);
      field.writeBigUInt64BE(BigInt(value));
      const used = field.subarray(8 - size);
      this.#parts.push(this.#little ? used.reverse() : used);
      this.length += size;
    }
    return this;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** A shared library that is nothing but its linkage (ELF gABI, chapter 5): one segment, loaded at an address of its own. */
export function elfLibrary(
  linkage: Linkage,
  {
    bits = 64,
    endianness = 'little',
    weak = [],
  }: {
    readonly bits?: 32 | 64;
    readonly endianness?: 'little' | 'big';
    readonly weak?: readonly string[];
  } = {},
): Buffer {
  const wide = bits === 64;
  const word = wide ? 8 : 4;
  const [headerSize, entrySize] = wide ? [64, 56] : [52, 32];
  const base = 0x10000;
  const section = () => new Section(endianness);

  const texts: Buffer[] = [Buffer.alloc(1)];
  let length = 1;
  const text = (value: string) => {
    const at = length;
    texts.push(Buffer.from(`${value}\0`));
    length += Buffer.byteLength(value) + 1;
    return at;
  };

  const needed = section();
  const libraries = Object.entries(linkage.versionsNeeded);
  libraries.forEach(([library, versions], at) => {
    const next = at === libraries.length - 1 ? 0 : 16 + 16 * versions.length;
    needed.put(2, 1, versions.length).put(4, text(library), 16, next);
    versions.forEach((version, index) => {
      const flags = weak.includes(version) ? 2 : 0;
      needed
        .put(4, 0)
        .put(2, flags, index + 2)
        .put(4, text(version), index === versions.length - 1 ? 0 : 16);
    });
  });
  const defined = section();
  const names = [linkage.soname ?? 'base', ...linkage.versionsDefined];
  names.forEach((name, index) => {
    defined.put(2, 1, index === 0 ? 1 : 0, index + 1, 1).put(4, 0, 20, index === names.length - 1 ? 0 : 28);
    defined.put(4, text(name), 0);
  });

  const tags: [number, number][] = linkage.needed.map((name) => [1, text(name)]);
  if (linkage.soname !== undefined) tags.push([14, text(linkage.soname)]);
  if (linkage.rpath.length > 0) tags.push([15, text(linkage.rpath.join(':'))]);
  if (linkage.runpath.length > 0) tags.push([29, text(linkage.runpath.join(':'))]);
  const tablesAt = headerSize + 2 * entrySize;
  const stringsAt = tablesAt + needed.length + defined.length;
  const dynamicAt = stringsAt + length;
  tags.push([5, base + stringsAt]);
  if (needed.length > 0) tags.push([0x6ffffffe, base + tablesAt]);
  tags.push([0x6ffffffc, base + tablesAt + needed.length], [0, 0]);
  const dynamic = section();
  for (const [tag, value] of tags) dynamic.put(wide ? 8 : 4, tag, value);
  const size = dynamicAt + dynamic.length;

  const header = section()
    .put(2, 3, 62)
    .put(4, 1)
    .put(word, 0, headerSize, 0)
    .put(4, 0)
    .put(2, headerSize, entrySize, 2, 0, 0, 0);
  const segment = (type: number, offset: number, bytes: number) =>
    wide
      ? section()
          .put(4, type, 5)
          .put(8, offset, base + offset, base + offset, bytes, bytes, 8)
      : section().put(4, type, offset, base + offset, base + offset, bytes, bytes, 5, 4);
  const ident = Buffer.alloc(16);
  ident.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, endianness === 'little' ? 1 : 2, 1]);
  return Buffer.concat([
    ident,
    header.bytes,
    segment(1, 0, size).bytes,
    segment(2, dynamicAt, dynamic.length).bytes,
    needed.bytes,
    defined.bytes,
    ...texts,
    dynamic.bytes,
  ]);
}
