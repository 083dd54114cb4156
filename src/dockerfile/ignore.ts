import { posix } from 'node:path';
import type { OcislimError } from '../lib/errors.ts';
import { dockerfileError } from './error.ts';
import { sourceLines } from './lines.ts';
import { type PathPattern, parsePathPattern } from './path-pattern.ts';

/** What of a build context is left out. */
export interface Ignore {
  /** Whether a file or folder is left out, by its path in the context (`a/b`). The context itself never is. */
  ignores(path: string): boolean;
  /** Whether something in a folder may not be left out; where it is false the folder need not be read. */
  mayHaveKept(folder: string): boolean;
}

interface Rule {
  readonly keeps: boolean;
  readonly pattern: PathPattern;
}

/**
 * Reads a `.dockerignore` as moby/patternmatcher does: the last pattern that matches a path or a folder above it decides.
 * @throws OCISLIM_DOCKERFILE_INVALID for a pattern that is none
 */
export function parseIgnore(
  text: string,
  { name = '.dockerignore' }: { readonly name?: string } = {},
): Ignore {
  const file = { name, text: text.replace(/^\ufeff/, '') };
  const rules: Rule[] = [];
  for (const [index, { text: line }] of sourceLines(file.text).entries()) {
    if (line.startsWith('#')) continue;
    const written = line.trim();
    if (written === '') continue;
    const keeps = written.startsWith('!');
    const pattern = cleaned(keeps ? written.slice(1).trim() : written);
    const range = {
      start: { line: index + 1, column: line.indexOf(written) + 1 },
      end: { line: index + 1, column: line.indexOf(written) + 1 + written.length },
    };
    const fail = (why: string, hint: string): OcislimError => dockerfileError(file, range, why, { hint });
    if (pattern === '') throw fail('! without a pattern', 'expected !PATTERN');
    rules.push({ keeps, pattern: parsePathPattern(pattern, fail) });
  }
  return ignoreOf(rules);
}

function cleaned(pattern: string): string {
  if (pattern === '') return '';
  const clean = posix.normalize(pattern).replace(/(?<=.)\/$/, '');
  return clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean;
}

/** Folders whose results are remembered. */
const REMEMBERED = 10_000;

function ignoreOf(rules: readonly Rule[]): Ignore {
  const known = new Map<string, readonly boolean[]>();
  /** Which rules match the path or a folder above it. */
  const matches = (path: string): readonly boolean[] => {
    let above: readonly boolean[] = [];
    for (let slash = path.indexOf('/'); ; slash = path.indexOf('/', slash + 1)) {
      const part = slash < 0 ? path : path.slice(0, slash);
      const outer = above;
      above =
        known.get(part) ?? rules.map(({ pattern }, index) => outer[index] === true || pattern.matches(part));
      if (slash < 0) return above;
      if (known.size >= REMEMBERED) known.clear();
      known.set(part, above);
    }
  };
  const ignores = (path: string): boolean => {
    const clean = cleaned(path);
    if (clean === '' || clean === '.' || clean === '/') return false;
    const last = matches(clean).lastIndexOf(true);
    return last >= 0 && rules[last]?.keeps === false;
  };
  return {
    ignores,
    mayHaveKept: (folder) =>
      !ignores(folder) || rules.some(({ keeps, pattern }) => keeps && pattern.mayMatchBelow(cleaned(folder))),
  };
}
