import { Fields, type ReadAt } from './file.ts';
import type { Section } from './sections.ts';

/** A module that was compiled into a Go program. */
export interface GoModule {
  readonly path: string;
  /** `(devel)` for the program's own module, where it was not built from a version. */
  readonly version: string;
  /** `h1:…`, as in go.sum. */
  readonly sum?: string | undefined;
  /** What took its place (`replace` in go.mod). */
  readonly replacement?: Omit<GoModule, 'replacement'> | undefined;
}

/** What the Go toolchain writes into each program (Go's debug/buildinfo; `go version -m` shows it). */
export interface GoBuildInfo {
  /** E.g. `go1.22.3`. */
  readonly version: string;
  /** Import path of the main package. */
  readonly path?: string | undefined;
  readonly main?: GoModule | undefined;
  readonly modules: readonly GoModule[];
  /** `GOOS`, `CGO_ENABLED`, `-ldflags`, `vcs.revision`… */
  readonly settings: Readonly<Record<string, string>>;
}

const MAGIC = Buffer.from('\xff Go buildinf:', 'latin1');
const HEADER = 32;
/** Set where the texts follow the header, as they do since Go 1.18. */
const FLAG_INLINE = 2;
const VERSION_LIMIT = 256;
/** The longest list of modules there is comes to some tens of kilobytes. */
const MODULES_LIMIT = 1024 * 1024;
const LINE_LIMIT = 10_000;

/**
 * Reads the build information of a Go program.
 * @returns undefined for others, and for Go before 1.18, which kept it elsewhere
 */
export async function readGoBuildInfo(
  read: ReadAt,
  sections: readonly Section[],
): Promise<GoBuildInfo | undefined> {
  const section = sections.find(({ name }) => name === '.go.buildinfo');
  if (section === undefined) return undefined;
  const bytes = await read(section.offset, Math.min(section.size, HEADER + VERSION_LIMIT + MODULES_LIMIT));
  if (bytes.length < HEADER || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (((bytes[15] ?? 0) & FLAG_INLINE) === 0) return undefined;
  const version = lengthPrefixed(bytes, HEADER, VERSION_LIMIT);
  if (version === undefined || version.text.length === 0) return undefined;
  const list = lengthPrefixed(bytes, version.end, MODULES_LIMIT);
  return { version: version.text.toString('utf8'), ...parseModules(withoutMarks(list?.text)) };
}

/** A text behind its length, which is a varint of Go's encoding/binary. */
function lengthPrefixed(
  bytes: Buffer,
  at: number,
  limit: number,
): { readonly text: Buffer; readonly end: number } | undefined {
  let length = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    const end = at + length;
    return length > limit || end > bytes.length ? undefined : { text: bytes.subarray(at, end), end };
  }
  return undefined;
}

/** The list stands between marks of 16 bytes, by which it can be found in memory. */
function withoutMarks(bytes: Buffer | undefined): string {
  if (bytes === undefined || bytes.length < 33 || bytes[bytes.length - 17] !== 0x0a) return '';
  return bytes.toString('utf8', 16, bytes.length - 16);
}

/** Lines of a word, a tab and fields with tabs between them (Go's runtime/debug, `BuildInfo.String`). */
function parseModules(text: string): Omit<GoBuildInfo, 'version'> {
  let path: string | undefined;
  let main: GoModule | undefined;
  const modules: GoModule[] = [];
  const settings = new Map<string, string>();
  for (const line of text.split('\n').slice(0, LINE_LIMIT)) {
    const [word, first = '', version = '', sum] = line.split('\t');
    const module = { path: first, version, sum: sum === '' ? undefined : sum };
    if (word === 'path') path = first;
    else if (word === 'mod') main = module;
    else if (word === 'dep') modules.push(module);
    else if (word === '=>') {
      const replaced = modules.pop();
      if (replaced !== undefined) modules.push({ ...replaced, replacement: module });
    } else if (word === 'build') {
      const at = first.indexOf('=');
      if (at > 0) settings.set(unquoted(first.slice(0, at)), unquoted(first.slice(at + 1)));
    }
  }
  return { path, main, modules, settings: Object.fromEntries(settings) };
}

/** Keys and values with spaces and the like are quoted as in Go. */
function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

const PCLNTAB_MAGIC = [0xfffffff0, 0xfffffff1];

/**
 * Where a Go program keeps the names of its functions, which stay when it is stripped (Go's debug/gosym; the table
 * `pclntab`). Of versions that keep it in another way it is the whole table.
 */
export async function goFunctionNames(
  read: ReadAt,
  sections: readonly Section[],
  { bits, endianness }: { readonly bits: 32 | 64; readonly endianness: 'little' | 'big' },
): Promise<Pick<Section, 'offset' | 'size'> | undefined> {
  const table = sections.find(({ name }) => /(?:^|\.)gopclntab$/.test(name));
  if (table === undefined) return undefined;
  const word = bits / 8;
  const head = await read(table.offset, 8 + 5 * word);
  if (head.length < 8 + 5 * word) return table;
  const fields = new Fields(head, endianness);
  if (!PCLNTAB_MAGIC.includes(fields.word(0))) return table;
  const [names, following] = [fields.address(8 + 3 * word, bits), fields.address(8 + 4 * word, bits)];
  const isSound = names > 0 && names < following && following <= table.size;
  return isSound ? { offset: table.offset + names, size: following - names } : table;
}
