import { nearest } from '../config/nearest.ts';
import type { OcislimError } from '../lib/errors.ts';
import type { Heredoc, Range, Word } from './ast.ts';
import { dockerfileError, type SourceFile } from './error.ts';
import { type Flag, readFlags } from './flags.ts';
import { heredocContent, heredocMarks } from './heredocs.ts';
import { type LogicalLine, rangeOf, type SourceLine, skipSpace, trimmedEnd } from './lines.ts';
import { blankWords, quotedWords, type Span } from './words.ts';

/** What a parser of one instruction works with. */
export interface Statement {
  readonly file: SourceFile;
  readonly lines: readonly SourceLine[];
  readonly line: LogicalLine;
  readonly escape: string;
  /** The instruction's name as written. */
  readonly keyword: Span;
  readonly flags: readonly Flag[];
  /** What stands behind name and flags. */
  readonly rest: Span;
  /** Index of the first source line that nothing took yet; here-documents move it. */
  cursor: { next: number };
}

/** The statement that starts at an offset of a line: at 0, or behind ONBUILD. */
export function statementAt(
  from: Pick<Statement, 'file' | 'lines' | 'line' | 'escape' | 'cursor'>,
  offset: number,
): Statement {
  const { text } = from.line;
  const start = skipSpace(text, offset);
  const end = trimmedEnd(text, start);
  const [keyword = { text: '', start, end: start }] = firstWord(text, start, end);
  const { flags, next } = readFlags(text, keyword.end, end);
  const rest = { text: text.slice(next, end), start: next, end: Math.max(next, end) };
  return { ...from, keyword, flags, rest };
}

function firstWord(text: string, start: number, end: number): Span[] {
  let at = start;
  while (at < end && !/[\t\v\f\r ]/.test(text[at] ?? '')) at++;
  return at > start ? [{ text: text.slice(start, at), start, end: at }] : [];
}

export function place({ line }: Statement, { start, end }: { start: number; end: number }): Range {
  return rangeOf(line, start, end);
}

export function wordOf(statement: Statement, span: Span): Word {
  return { text: span.text, range: place(statement, span) };
}

/** An error about a part of the statement: as default its name. */
export function failure(
  statement: Statement,
  message: string,
  hint?: string,
  at: { start: number; end: number } = statement.keyword,
): OcislimError {
  return dockerfileError(statement.file, place(statement, at), message, { hint });
}

/** Of the whole, with what its here-documents took. */
export function wholeRange(statement: Statement): Range {
  const { line, lines, keyword, rest, cursor } = statement;
  const range = rangeOf(line, keyword.start, Math.max(rest.end, keyword.end));
  if (cursor.next <= line.next) return range;
  const last = lines[cursor.next - 1];
  return { start: range.start, end: { line: cursor.next, column: (last?.text.length ?? 0) + 1 } };
}

/** The statement in one line, its name in capitals. */
export function sourceOf({ line, keyword, rest }: Statement): string {
  const end = Math.max(rest.end, keyword.end);
  const written = line.text.slice(skipSpace(line.text, keyword.end, end), end);
  const name = keyword.text.toUpperCase();
  return written === '' ? name : `${name} ${written}`;
}

export function blankWordsOf({ line, rest }: Statement): Span[] {
  return blankWords(line.text, rest.start, rest.end);
}

export function quotedWordsOf({ line, rest, escape: escaper }: Statement): Span[] {
  return quotedWords(line.text, rest.start, rest.end, escaper);
}

/** A here-document with where it is in the joined line. */
export interface PlacedHeredoc {
  readonly heredoc: Heredoc;
  readonly start: number;
  readonly end: number;
}

/** The here-documents that the statement opens; their lines are taken. */
export function takeHeredocs(statement: Statement): PlacedHeredoc[] {
  const { file, line, lines, rest, cursor } = statement;
  return heredocMarks(line.text, rest.start, rest.end).map((mark) => {
    const found = heredocContent(file.text, lines, cursor.next, mark);
    if (found === undefined) {
      const hint = /[<>|&;()]/.test(mark.name)
        ? `the delimiter ends at a blank, so it is ${mark.name} here; put a blank behind it`
        : `expected a line that is ${mark.name} alone`;
      throw failure(statement, `here-document ${mark.name} has no end`, hint, mark);
    }
    cursor.next = found.next;
    const { name, isExpanded, stripsTabs, descriptor, start, end } = mark;
    const { content } = found;
    return {
      heredoc: { name, isExpanded, stripsTabs, descriptor, content, range: place(statement, mark) },
      start,
      end,
    };
  });
}

type FlagKind = 'text' | 'boolean' | 'list';

/** The values of flags by name, checked against those the instruction has. */
export interface FlagValues {
  text(name: string): Word | undefined;
  list(name: string): readonly Word[];
  boolean(name: string): boolean | undefined;
}

/** @throws OCISLIM_DOCKERFILE_INVALID for flags that are unknown, given twice, or of a wrong form */
export function flagsOf(statement: Statement, known: Readonly<Record<string, FlagKind>>): FlagValues {
  const words = new Map<string, Word[]>();
  for (const flag of statement.flags) {
    const { name, value, start, end, valueStart } = flag;
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw unknownFlag(statement, flag, Object.keys(known));
    const found = words.get(name) ?? [];
    if (found.length > 0 && kind !== 'list')
      throw failure(statement, `--${name} is given twice`, undefined, flag);
    if (kind === 'boolean') {
      if (!/^(?:true|false)$/i.test(value ?? 'true'))
        throw failure(statement, `--${name}=${value}: not a boolean`, 'expected true or false', flag);
    } else if (value === undefined)
      throw failure(statement, `--${name} has no value`, `expected --${name}=VALUE`, flag);
    const from = value === undefined ? start : valueStart;
    found.push({ text: value ?? 'true', range: place(statement, { start: from, end: Math.max(from, end) }) });
    words.set(name, found);
  }
  return {
    // BuildKit takes an empty value for none.
    text: (name) => words.get(name)?.find(({ text }) => text !== ''),
    list: (name) => words.get(name) ?? [],
    boolean: (name) => {
      const [word] = words.get(name) ?? [];
      return word && word.text.toLowerCase() === 'true';
    },
  };
}

function unknownFlag(statement: Statement, flag: Flag, known: readonly string[]) {
  const name = statement.keyword.text.toUpperCase();
  const similar = similarTo(flag.name, known);
  const has =
    known.length === 0 ? `${name} has no flags` : `${name} has ${known.map((it) => `--${it}`).join(', ')}`;
  return failure(
    statement,
    `unknown flag --${shortened(flag.name)}`,
    similar === undefined ? has : `did you mean --${similar}?`,
    flag,
  );
}

/** What of `known` is most like a mistyped word. Very long words, and any among very many, are like none. */
export function similarTo(word: string, known: readonly string[]): string | undefined {
  if (word === '' || word.length > 40 || known.length > 500) return undefined;
  // Letters in a wrong order are two changes each, but one slip.
  return known.find((it) => letters(it) === letters(word)) ?? nearest(word, known);
}

function letters(word: string): string {
  return [...word].sort().join('');
}

export function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
