import { describe, expect, it } from 'vitest';
import { goPackageOf, readGoFunctions } from '../../src/elf/go-functions.ts';
import type { Section } from '../../src/elf/sections.ts';

interface Fn {
  readonly name: string;
  readonly size: number;
}

interface Form {
  readonly magic?: number;
  readonly wide?: boolean;
  readonly big?: boolean;
}

/** A table as Go 1.20 writes it (runtime/symtab.go): header, names, rows, descriptions. */
function pclntab(functions: readonly Fn[], form: Form = {}): Buffer {
  const { magic = 0xfffffff1, wide = true, big = false } = form;
  const word = wide ? 8 : 4;
  const names = Buffer.from(functions.map(({ name }) => `${name}\0`).join(''));
  const headerSize = 8 + 8 * word;
  const rowsAt = headerSize + names.length;
  const rowsSize = functions.length * 8 + 4;
  const bytes = Buffer.alloc(rowsAt + rowsSize + functions.length * 8);
  const put32 = (at: number, value: number) =>
    big ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  const put = (index: number, value: number) => {
    const at = 8 + index * word;
    if (!wide) put32(at, value);
    else if (big) bytes.writeBigUInt64BE(BigInt(value), at);
    else bytes.writeBigUInt64LE(BigInt(value), at);
  };
  put32(0, magic);
  bytes[6] = 1;
  bytes[7] = word;
  put(0, functions.length);
  put(3, headerSize);
  put(7, rowsAt);
  names.copy(bytes, headerSize);
  let [pc, nameAt] = [0, 0];
  functions.forEach(({ name, size }, at) => {
    const described = rowsSize + at * 8;
    put32(rowsAt + at * 8, pc);
    put32(rowsAt + at * 8 + 4, described);
    put32(rowsAt + described, pc);
    put32(rowsAt + described + 4, nameAt);
    pc += size;
    nameAt += Buffer.byteLength(name) + 1;
  });
  put32(rowsAt + functions.length * 8, pc);
  return bytes;
}

function read(bytes: Buffer, { wide = true, big = false }: Form = {}) {
  const section: Section = { name: '.gopclntab', type: 1, isLoaded: true, offset: 0, size: bytes.length };
  return readGoFunctions(async (at, length) => bytes.subarray(at, at + length), [section], {
    bits: wide ? 64 : 32,
    endianness: big ? 'big' : 'little',
  });
}

const FUNCTIONS = [
  { name: 'main.main', size: 32 },
  { name: 'example.com/x/y.(*T).Do', size: 100 },
];

describe("Go's table of functions", () => {
  it.each([
    ['64 bits', {}],
    ['32 bits', { wide: false }],
    ['big-endian', { big: true }],
    ['Go 1.18', { magic: 0xfffffff0 }],
  ])('is read in %s', async (_, form) => {
    expect(await read(pclntab(FUNCTIONS, form), form)).toEqual(FUNCTIONS);
  });

  it('is none where it is damaged, however', async () => {
    const bytes = pclntab(FUNCTIONS);
    expect(await read(pclntab(FUNCTIONS, { magic: 0xfffffffb }))).toBeUndefined();
    expect(await read(bytes.subarray(0, 40))).toBeUndefined();
    // Cut behind the header, in the rows or in what describes them.
    for (let length = 72; length < bytes.length; length++)
      expect([length, await read(bytes.subarray(0, length))]).toEqual([length, undefined]);
    const many = Buffer.from(bytes);
    many.writeBigUInt64LE(0xffff_ffff_ffffn, 8);
    expect(await read(many)).toBeUndefined();
    const backwards = Buffer.from(bytes);
    backwards.writeUInt32LE(1000, Number(backwards.readBigUInt64LE(8 + 7 * 8)));
    expect(await read(backwards)).toBeUndefined();
  });
});

describe('the package of a name in Go', () => {
  it.each([
    ['main.main', 'main'],
    ['main.main.func1', 'main'],
    ['main.glob..func1', 'main'],
    ['runtime.(*mheap).alloc', 'runtime'],
    ['github.com/a/b.c/d.(*T).M', 'github.com/a/b.c/d'],
    ['gopkg.in/yaml%2ev3.Unmarshal', 'gopkg.in/yaml.v3'],
    ['slices.SortFunc[go.shape.[]example.com/x.T,go.shape.int]', 'slices'],
    ['net/http.(*Server[example.com/y.T]).Serve', 'net/http'],
    ['vendor/golang.org/x/net/idna.init', 'vendor/golang.org/x/net/idna'],
  ])('%s is %s', (name, path) => {
    expect(goPackageOf(name)).toBe(path);
  });

  it.each(['memeqbody', '_rt0_amd64_linux', 'type:.eq.main.T', 'go:string.*', '$f64.3ff0000000000000', ''])(
    '%s is of none',
    (name) => {
      expect(goPackageOf(name)).toBeUndefined();
    },
  );
});
