import { Fields, type ReadAt } from './file.ts';
import type { Section } from './sections.ts';

/** A function of a Go program, and how many bytes of code it is, with the padding behind it. */
export interface GoFunction {
  readonly name: string;
  readonly size: number;
}

/** Go 1.18 and 1.20, and all versions since. */
const MAGIC = [0xfffffff0, 0xfffffff1];
const TABLE_LIMIT = 256 * 1024 * 1024;
const COUNT_LIMIT = 2_000_000;
const NAME_LIMIT = 4096;

/**
 * The functions of a Go program, by the table with which it shows stacks, which stays when it is stripped (Go's debug/gosym
 * and runtime/symtab.go, `pcHeader` and `functab`).
 * @returns undefined for others, for Go before 1.18, and for a damaged table
 */
export async function readGoFunctions(
  read: ReadAt,
  sections: readonly Section[],
  { bits, endianness }: { readonly bits: 32 | 64; readonly endianness: 'little' | 'big' },
): Promise<readonly GoFunction[] | undefined> {
  const table = sections.find(({ name }) => /(?:^|\.)gopclntab$/.test(name));
  if (table === undefined || table.size > TABLE_LIMIT) return undefined;
  const bytes = await read(table.offset, table.size);
  const word = bits / 8;
  if (bytes.length < 8 + 8 * word) return undefined;
  const fields = new Fields(bytes, endianness);
  if (!MAGIC.includes(fields.word(0)) || bytes[7] !== word) return undefined;
  const header = (index: number) => fields.address(8 + index * word, bits);
  const [count, names, functions] = [header(0), header(3), header(7)];
  // A row is where the code begins and where the function is described; the last row is the end of all code alone.
  if (count === 0 || count > COUNT_LIMIT || functions + count * 8 + 4 > bytes.length) return undefined;
  if (names > bytes.length) return undefined;
  const found: GoFunction[] = [];
  for (let index = 0; index < count; index++) {
    const row = functions + index * 8;
    const size = fields.word(row + 8) - fields.word(row);
    const described = functions + fields.word(row + 4);
    if (size < 0 || described + 8 > bytes.length) return undefined;
    const nameAt = names + fields.word(described + 4);
    // Looked for nearby: a table without an end of names would be read through for each function.
    const near = bytes.subarray(nameAt, nameAt + NAME_LIMIT);
    const end = near.indexOf(0);
    found.push({ name: near.toString('utf8', 0, end < 0 ? near.length : end), size });
  }
  return found;
}

/**
 * The package of a function or a datum (Go's cmd/internal/objabi, `PathToPrefix`): what stands before the first dot
 * after the last slash, in which dots of the path's last part are written `%2e`.
 * @returns undefined for what belongs to none: types, strings, assembly without a package
 */
export function goPackageOf(name: string): string | undefined {
  // Arguments of types name other packages.
  const bracket = name.indexOf('[');
  const plain = bracket < 0 ? name : name.slice(0, bracket);
  const dot = plain.indexOf('.', plain.lastIndexOf('/') + 1);
  if (dot <= 0 || !/^[A-Za-z_]/.test(plain) || /^(?:type|go):/.test(plain)) return undefined;
  return plain
    .slice(0, dot)
    .replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
