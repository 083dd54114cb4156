import { isBlank, isSpace } from './lines.ts';

/** A part of an instruction's joined line. */
export interface Span {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Words between blanks; quotes mean nothing. */
export function blankWords(line: string, start: number, end: number): Span[] {
  const words: Span[] = [];
  for (let at = start; at < end; ) {
    while (at < end && isBlank(line[at])) at++;
    const first = at;
    while (at < end && !isBlank(line[at])) at++;
    if (at > first) words.push({ text: line.slice(first, at), start: first, end: at });
  }
  return words;
}

/** Words between white space that is neither quoted nor escaped; quotes and escapes stay in them. */
export function quotedWords(line: string, start: number, end: number, escaper: string): Span[] {
  const words: Span[] = [];
  let first = -1;
  let quote = '';
  for (let at = start; at < end; at++) {
    const char = line[at];
    if (first < 0) {
      if (isSpace(char)) continue;
      first = at;
    }
    if (quote === '' && isSpace(char)) {
      words.push({ text: line.slice(first, at), start: first, end: at });
      first = -1;
    } else if (char === escaper && quote !== "'") {
      // An escape character that ends the line escapes nothing, and is dropped.
      if (at + 1 === end) {
        if (at > first) words.push({ text: line.slice(first, at), start: first, end });
        return words;
      }
      at++;
    } else if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
  }
  if (first >= 0) words.push({ text: line.slice(first, end), start: first, end });
  return words;
}
