import { OcislimError } from '../lib/errors.ts';
import type { Range } from './ast.ts';

/** What positions are positions in. */
export interface SourceFile {
  /** How messages name it. */
  readonly name: string;
  readonly text: string;
}

/** A part of a file, for errors about what stands there. */
export interface Place {
  readonly file: SourceFile;
  readonly range: Range;
}

/** Columns of a source line that are shown. */
const WIDTH = 100;

/**
 * An error about a part of a Dockerfile: `NAME:LINE: message`, and as its excerpt the source line with a line of carets
 * under the part. It is OCISLIM_DOCKERFILE_INVALID.
 */
export function dockerfileError(
  file: SourceFile,
  range: Range,
  message: string,
  { hint }: { readonly hint?: string | undefined } = {},
): OcislimError {
  const head = `${file.name}:${range.start.line}: ${onOneLine(message)}`;
  const excerpt = excerptOf(lineOf(file.text, range.start.line), range);
  return new OcislimError('OCISLIM_DOCKERFILE_INVALID', head, { hint, excerpt });
}

function excerptOf(line: string, { start, end }: Range): string[] {
  if (line.trim() === '') return [];
  const first = Math.min(start.column - 1, line.length);
  const last =
    end.line === start.line ? Math.min(Math.max(end.column - 1, first + 1), line.length) : line.length;
  const from = line.length <= WIDTH ? 0 : Math.max(0, Math.min(first - 30, line.length - WIDTH));
  const to = Math.min(line.length, from + WIDTH);
  const before = from > 0 ? '…' : '';
  const after = to < line.length ? '…' : '';
  const carets = '^'.repeat(Math.max(1, Math.min(last, to) - first));
  return [
    `${before}${onOneLine(line.slice(from, to))}${after}`,
    `${' '.repeat(before.length + first - from)}${carets}`,
  ];
}

/** A tab too is one column, so that carets stand under what they mean. */
function onOneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

function lineOf(text: string, number: number): string {
  let start = 0;
  for (let line = 1; line < number; line++) {
    const end = text.indexOf('\n', start);
    if (end < 0) return '';
    start = end + 1;
  }
  const end = text.indexOf('\n', start);
  return text.slice(start, end < 0 ? undefined : end).trimEnd();
}
