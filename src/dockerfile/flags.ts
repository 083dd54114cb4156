import { isSpace, skipSpace } from './lines.ts';

/** A `--name=value` before an instruction's arguments. */
export interface Flag {
  readonly name: string;
  /** Without its quotes, as BuildKit takes them off before anything else; undefined where there is no `=`. */
  readonly value: string | undefined;
  /** Of the whole, in the joined line. */
  readonly start: number;
  readonly end: number;
  /** Where the value starts. */
  readonly valueStart: number;
}

/** The flags at `start`, and where the arguments after them start. A `--` alone ends them. */
export function readFlags(line: string, start: number, end: number): { flags: Flag[]; next: number } {
  const flags: Flag[] = [];
  let at = skipSpace(line, start, end);
  while (line.startsWith('--', at) && at + 1 < end) {
    const { text, next, equals } = unquotedWord(line, at, end);
    const afterwards = skipSpace(line, next, end);
    if (text === '--') return { flags, next: afterwards };
    const cut = text.indexOf('=');
    flags.push({
      name: text.slice(2, cut < 0 ? undefined : cut),
      value: cut < 0 ? undefined : text.slice(cut + 1),
      start: at,
      end: next,
      valueStart: equals === undefined ? at : equals + 1,
    });
    at = afterwards;
  }
  return { flags, next: at };
}

/** In flags a backslash escapes whatever `# escape=` says. */
function unquotedWord(line: string, start: number, end: number) {
  const parts: string[] = [];
  let quote = '';
  let equals: number | undefined;
  let at = start;
  for (; at < end; at++) {
    let char = line[at] ?? '';
    if (quote === '' && isSpace(char)) break;
    if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else {
      if (char === '\\') {
        if (at + 1 === end) continue;
        at++;
        char = line[at] ?? '';
      }
      if (char === '=') equals ??= at;
      parts.push(char);
    }
  }
  return { text: parts.join(''), next: at, equals };
}
