import type { CheckDirective } from './ast.ts';
import { dockerfileError, type SourceFile } from './error.ts';
import { type SourceLine, skipSpace } from './lines.ts';

export interface Directives {
  readonly escape: string;
  readonly syntax?: string | undefined;
  readonly check?: CheckDirective | undefined;
}

/** The `# name=value` lines that start a file; the first line that is none ends them. */
export function readDirectives(file: SourceFile, lines: readonly SourceLine[]): Directives {
  const found = new Map<string, { value: string; line: number }>();
  for (const [index, { text }] of lines.entries()) {
    const [, name = '', rest = ''] =
      /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)$/s.exec(text.slice(skipSpace(text, 0))) ?? [];
    const key = name.toLowerCase();
    const value = rest.trim();
    if (!['escape', 'syntax', 'check'].includes(key) || value === '') break;
    if (found.has(key)) throw invalid(file, text, index, `a second # ${key}= directive`, 'it may stand once');
    found.set(key, { value, line: index });
  }
  const given = found.get('escape');
  if (given !== undefined && given.value !== '\\' && given.value !== '`') {
    const { value, line } = given;
    throw invalid(file, lines[line]?.text ?? '', line, `escape character ${value}`, 'it is \\ or `');
  }
  const check = found.get('check');
  return {
    escape: given?.value ?? '\\',
    syntax: found.get('syntax')?.value,
    check:
      check &&
      checkDirective(check.value, (why, hint) =>
        invalid(file, lines[check.line]?.text ?? '', check.line, why, hint),
      ),
  };
}

/** `skip=A,B;error=true`. */
function checkDirective(value: string, failure: (why: string, hint: string) => Error): CheckDirective {
  let skip: string[] = [];
  let isError = false;
  for (const part of value.split(';')) {
    const cut = part.indexOf('=');
    const key = part.slice(0, cut < 0 ? undefined : cut).trim();
    const text = cut < 0 ? '' : part.slice(cut + 1).trim();
    if (key === 'skip')
      skip = text
        .split(',')
        .map((rule) => rule.trim())
        .filter(Boolean);
    else if (key === 'error' && /^(?:true|false)$/i.test(text)) isError = text.toLowerCase() === 'true';
    else if (key !== 'experimental')
      throw failure(
        `check directive ${part.trim()}`,
        'for example # check=skip=JSONArgsRecommended;error=true',
      );
  }
  return { skip, isError };
}

function invalid(file: SourceFile, text: string, index: number, message: string, hint: string) {
  const line = index + 1;
  const start = { line, column: skipSpace(text, 0) + 1 };
  return dockerfileError(file, { start, end: { line, column: text.length + 1 } }, message, { hint });
}
