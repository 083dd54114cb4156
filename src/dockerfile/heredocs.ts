import { isSpace, type SourceLine, skipSpace } from './lines.ts';

/** A `<<EOF` in an instruction's line; its lines follow the instruction. */
export interface HeredocMark {
  readonly name: string;
  readonly isExpanded: boolean;
  readonly stripsTabs: boolean;
  readonly descriptor: number | undefined;
  /** In the joined line. */
  readonly start: number;
  readonly end: number;
}

/**
 * The here-documents that a line opens, as BuildKit finds them: a word that starts with `<<`, after digits perhaps, and
 * has no further `<`. Where a quote is never closed there are none. Unlike in BuildKit, `<<` in `$(( ))` is a shift.
 */
export function heredocMarks(line: string, start: number, end: number): HeredocMark[] {
  if (!line.slice(start, end).includes('<<')) return [];
  const marks: HeredocMark[] = [];
  for (let at = skipSpace(line, start, end); at < end; at = skipSpace(line, at, end)) {
    const next = shellWordEnd(line, at, end);
    if (next === undefined) return [];
    const mark = markOf(line, at, next);
    if (mark !== undefined) marks.push(mark);
    at = next;
  }
  return marks;
}

/** Where the word ends; undefined where a quote in it has no end. */
function shellWordEnd(line: string, start: number, end: number): number | undefined {
  let arithmetic = 0;
  let at = start;
  for (; at < end; at++) {
    const char = line[at];
    if (char === '\\') at++;
    else if (char === '"' || char === "'") {
      const close = quoteEnd(line, at, end);
      if (close === undefined) return undefined;
      at = close;
    } else if (line.startsWith('((', at)) {
      arithmetic++;
      at++;
    } else if (arithmetic > 0 && line.startsWith('))', at)) {
      arithmetic--;
      at++;
    } else if (arithmetic === 0 && line.startsWith('<<', at)) {
      // `<< EOF`: the blanks after the mark are of the word.
      const dash = line[at + 2] === '-' ? 1 : 0;
      at = skipSpace(line, at + 2 + dash, end) - 1;
    } else if (arithmetic === 0 && isSpace(char)) return at;
  }
  return Math.min(at, end);
}

function quoteEnd(line: string, start: number, end: number): number | undefined {
  const quote = line[start];
  for (let at = start + 1; at < end; at++) {
    if (line[at] === quote) return at;
    if (line[at] === '\\' && quote === '"') at++;
  }
  return undefined;
}

function markOf(line: string, start: number, end: number): HeredocMark | undefined {
  let at = start;
  while (at < end && /[0-9]/.test(line[at] ?? '')) at++;
  if (!line.startsWith('<<', at)) return undefined;
  const descriptor = at > start ? Number(line.slice(start, at)) : undefined;
  at += 2;
  const stripsTabs = line[at] === '-';
  if (stripsTabs) at++;
  const written = line.slice(skipSpace(line, at, end), end);
  if (written.includes('<')) return undefined;
  const { name, isQuoted } = withoutQuotes(written);
  if (name === '') return undefined;
  return { name, isExpanded: !isQuoted, stripsTabs, descriptor, start, end };
}

function withoutQuotes(text: string): { name: string; isQuoted: boolean } {
  const parts: string[] = [];
  let quote = '';
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) {
      quote = char;
      isQuoted = true;
    } else if (char === '\\' && quote !== "'") {
      // In double quotes a backslash escapes only what would mean something there.
      if (quote === '"' && !/^["$\\]/.test(text.slice(at + 1, at + 2))) parts.push(char);
      else parts.push(text[++at] ?? '');
    } else parts.push(char);
  }
  return { name: parts.join(''), isQuoted };
}

/** The lines up to the delimiter, and the index of the line after it; undefined where the delimiter never comes. */
export function heredocContent(
  text: string,
  lines: readonly SourceLine[],
  from: number,
  { name, stripsTabs }: HeredocMark,
): { content: string; next: number } | undefined {
  for (let at = from; at < lines.length; at++) {
    const line = lines[at]?.text ?? '';
    if ((stripsTabs ? line.replace(/^\t+/, '') : line) !== name) continue;
    const content = text.slice(lines[from]?.start ?? 0, lines[at]?.start ?? 0);
    return { content: stripsTabs ? content.replace(/^\t+/gm, '') : content, next: at + 1 };
  }
  return undefined;
}
