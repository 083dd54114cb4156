import type { Position, Range } from './ast.ts';

/** A line of the file. */
export interface SourceLine {
  /** Without its end. */
  readonly text: string;
  /** Where it starts in the file's text. */
  readonly start: number;
  /** Where the next one starts. */
  readonly end: number;
}

/** An instruction's lines joined, continuations and comments gone; never empty. */
export interface LogicalLine {
  readonly text: string;
  /** Where its parts come from, in their order. */
  readonly pieces: readonly Piece[];
  /** Index of the first source line that is not of it. */
  readonly next: number;
  /** Indices of empty lines within the continuation. */
  readonly emptyLines: readonly number[];
}

interface Piece {
  /** In the joined text. */
  readonly offset: number;
  readonly position: Position;
}

/** What separates words, as BuildKit's parser has it. */
export function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\v' || char === '\f' || char === '\r';
}

/** White space as Go's unicode.IsSpace has it. */
export function isSpace(char: string | undefined): boolean {
  if (char === undefined || (char > ' ' && char < '\u0080')) return false;
  return /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/.test(char);
}

/** The first index from `start` on where there is no white space, or `end`. */
export function skipSpace(text: string, start: number, end = text.length): number {
  let at = start;
  while (at < end && isSpace(text[at])) at++;
  return at;
}

/** The index after the last character before `end` that is no white space, or `start`. */
export function trimmedEnd(text: string, start: number, end = text.length): number {
  let at = end;
  while (at > start && isSpace(text[at - 1])) at--;
  return at;
}

export function sourceLines(text: string): SourceLine[] {
  const lines: SourceLine[] = [];
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline + 1;
    let last = newline < 0 ? end : newline;
    while (last > start && text[last - 1] === '\r') last--;
    lines.push({ text: text.slice(start, last), start, end });
    start = end;
  }
  return lines;
}

/** The next instruction's line from index `from` on; undefined where there is none. */
export function logicalLine(
  lines: readonly SourceLine[],
  from: number,
  escaper: string,
): LogicalLine | undefined {
  let at = from;
  while (at < lines.length && isIgnored(lines[at]?.text ?? '')) at++;
  if (at >= lines.length) return undefined;
  const parts: string[] = [];
  const pieces: Piece[] = [];
  const emptyLines: number[] = [];
  let offset = 0;
  for (let continues = true; continues && at < lines.length; at++) {
    const text = lines[at]?.text ?? '';
    const start = skipSpace(text, 0);
    if (pieces.length > 0) {
      if (text[start] === '#') continue;
      if (start === text.length) {
        emptyLines.push(at);
        continue;
      }
    }
    // Only the first line loses its indentation: that of continuations is part of the command.
    const first = pieces.length === 0 ? start : 0;
    const end = continuedEnd(text, first, escaper);
    continues = end !== undefined;
    parts.push(text.slice(first, end));
    pieces.push({ offset, position: { line: at + 1, column: first + 1 } });
    offset += (end ?? text.length) - first;
  }
  return { text: parts.join(''), pieces, next: at, emptyLines };
}

function isIgnored(text: string): boolean {
  const start = skipSpace(text, 0);
  return start === text.length || text[start] === '#';
}

/** Where the escape character is that continues the line; undefined where none does. Two of them are one that is escaped. */
function continuedEnd(text: string, start: number, escaper: string): number | undefined {
  let last = text.length - 1;
  while (last >= start && (text[last] === ' ' || text[last] === '\t')) last--;
  if (last < start || text[last] !== escaper) return undefined;
  return last > start && text[last - 1] === escaper ? undefined : last;
}

/** Where the character at an offset of the joined text is in the file. */
function positionAt({ pieces }: LogicalLine, offset: number): Position {
  let low = 0;
  for (let high = pieces.length - 1; low < high; ) {
    const middle = Math.ceil((low + high) / 2);
    if ((pieces[middle]?.offset ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  const piece = pieces[low];
  const { line, column } = piece?.position ?? { line: 1, column: 1 };
  return { line, column: column + offset - (piece?.offset ?? 0) };
}

/** Of the joined text from `start` up to, not including, `end`. */
export function rangeOf(line: LogicalLine, start: number, end: number): Range {
  const first = positionAt(line, start);
  if (end <= start) return { start: first, end: first };
  const last = positionAt(line, end - 1);
  return { start: first, end: { line: last.line, column: last.column + 1 } };
}
