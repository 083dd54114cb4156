import { openElf, type ReadAt } from '../elf/file.ts';
import { readGoBuildInfo } from '../elf/go.ts';
import { goPackageOf, readGoFunctions } from '../elf/go-functions.ts';
import { rustCrateOf } from '../elf/rust-symbols.ts';
import { debugBytes, readSections, type Section } from '../elf/sections.ts';
import { type ProgramSymbol, readSymbols } from '../elf/symbols.ts';

/** Some bytes of a program. */
export interface Part {
  /** A package of Go, a crate of Rust, or what is nobody's, such as `data`. */
  readonly name: string;
  readonly size: number;
  readonly isPackage: boolean;
}

/** What a program's bytes are. */
export interface ProgramParts {
  readonly language: 'go' | 'rust' | 'other';
  /** The largest first; together they are as large as the file. */
  readonly parts: readonly Part[];
  /** Bytes that stripping would save. */
  readonly debugBytes: number;
}

const CODE = 'code of no package';
/** Parts of a program by the names of its sections; whatever else is loaded is data. */
const RESTS: readonly (readonly [RegExp, string])[] = [
  [/^\.(?:text|init|fini|plt)(?:\.|$)/, CODE],
  [/gopclntab$/, 'tables of functions and lines'],
  [/^\.(?:eh_frame|eh_frame_hdr|gcc_except_table|ARM\.ex\w+)$/, 'tables for unwinding'],
  [/^\.(?:rela?\b|dyn|hash|gnu\.hash|gnu\.version|got|interp)/, 'tables for linking'],
];
const DEBUG = 'symbols and debug data';
const DATA = 'data';
const HEADERS = 'headers and gaps';
/** Packages that are told apart; a real program has some hundreds. */
const PACKAGES = 2000;

/**
 * Divides a program into what belongs to packages and what does not. In Go it is by the table of functions, which stays when the program is
 * stripped, and by symbols where there are some; in Rust by symbols alone.
 * @param size of the file in bytes
 * @returns undefined for what is no program in ELF, or has no sections
 */
export async function partsOf(read: ReadAt, size: number): Promise<ProgramParts | undefined> {
  const file = await openElf(read);
  const sections = file === undefined ? [] : await readSections(read, file);
  if (file === undefined || sections.length === 0) return undefined;
  const pieces = layOut(sections, size);
  const functions = await readGoFunctions(read, sections, file);
  const isGo = functions !== undefined || (await readGoBuildInfo(read, sections)) !== undefined;
  const symbols = await readSymbols(read, file, sections);
  const owners = new Owners();
  if (functions !== undefined) {
    const code = pieces.filter(({ name }) => name === '.text');
    for (const each of functions) take(code, each.size, owners, goPackageOf(each.name));
  }
  const packageOf = isGo ? goPackageOf : rustCrateOf;
  const left = functions === undefined ? symbols : symbols.filter(({ kind }) => kind === 'object');
  giveSymbols(pieces, left, packageOf, owners);
  const rests = new Map<string, number>();
  const covered = pieces.reduce((sum, piece) => sum + piece.end - piece.start, 0);
  for (const piece of pieces) rests.set(piece.rest, (rests.get(piece.rest) ?? 0) + piece.left);
  rests.set(HEADERS, (rests.get(HEADERS) ?? 0) + size - covered);
  const language = isGo ? 'go' : owners.isEmpty ? 'other' : 'rust';
  const parts = [
    ...owners.parts(),
    ...[...rests].map(([name, bytes]) => ({
      name: name === CODE && language === 'other' ? 'code' : name,
      size: bytes,
      isPackage: false,
    })),
  ];
  return {
    language,
    parts: parts
      .filter((part) => part.size > 0)
      .sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1)),
    debugBytes: debugBytes(sections),
  };
}

/** A section's place in the file; those of a damaged file that overlap are cut. */
interface Piece {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** What of it belongs to no package is called. */
  readonly rest: string;
  /** Bytes of it that were not given to a package. */
  left: number;
}

function layOut(sections: readonly Section[], size: number): readonly Piece[] {
  let covered = 0;
  const pieces: Piece[] = [];
  for (const section of sections.toSorted((a, b) => a.offset - b.offset)) {
    const start = Math.max(section.offset, covered);
    const end = Math.min(section.offset + section.size, size);
    if (end <= start) continue;
    covered = end;
    pieces.push({ name: section.name, start, end, rest: restOf(section), left: end - start });
  }
  return pieces;
}

function restOf({ name, isLoaded }: Section): string {
  if (!isLoaded) return /^\.(?:z?debug_|symtab|strtab|stab|gdb_index|line$)/.test(name) ? DEBUG : HEADERS;
  return RESTS.find(([pattern]) => pattern.test(name))?.[1] ?? DATA;
}

/** Gives code away by size alone: where functions are is not always told, that they are in the code is. */
function take(code: readonly Piece[], size: number, owners: Owners, owner: string | undefined): void {
  let wanted = owner === undefined ? 0 : size;
  for (const piece of code) {
    const given = Math.min(wanted, piece.left);
    piece.left -= given;
    wanted -= given;
    if (owner !== undefined) owners.add(owner, given);
  }
}

/** Symbols may overlap, as aliases do: each byte is given once. */
function giveSymbols(
  pieces: readonly Piece[],
  symbols: readonly ProgramSymbol[],
  packageOf: (name: string) => string | undefined,
  owners: Owners,
): void {
  let at = 0;
  let given = 0;
  for (const { name, offset, size } of symbols) {
    const owner = packageOf(name);
    if (owner === undefined) continue;
    while (at < pieces.length && (pieces[at]?.end ?? 0) <= offset) at++;
    const piece = pieces[at];
    if (piece === undefined) return;
    const start = Math.max(offset, given, piece.start);
    const bytes = Math.min(Math.min(offset + size, piece.end) - start, piece.left);
    if (bytes <= 0) continue;
    given = start + bytes;
    piece.left -= bytes;
    owners.add(owner, bytes);
  }
}

class Owners {
  readonly #sizes = new Map<string, number>();

  add(owner: string, size: number): void {
    this.#sizes.set(owner, (this.#sizes.get(owner) ?? 0) + size);
  }

  get isEmpty(): boolean {
    return this.#sizes.size === 0;
  }

  parts(): readonly Part[] {
    const all = [...this.#sizes].map(([name, size]) => ({ name, size, isPackage: true }));
    const sorted = all.sort((a, b) => b.size - a.size);
    const rest = sorted.slice(PACKAGES);
    if (rest.length === 0) return sorted;
    const size = rest.reduce((sum, part) => sum + part.size, 0);
    return [
      ...sorted.slice(0, PACKAGES),
      { name: `${rest.length} smaller packages`, size, isPackage: false },
    ];
  }
}
