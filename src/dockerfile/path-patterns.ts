import { OcislimError } from '../lib/errors.ts';
import { compileGlob, type Glob } from './glob.ts';

/** Patterns as `.dockerignore` and `--exclude` have them: the last that matches a path, or a folder it is in, counts. */
export interface PathPatterns {
  /** @param path relative, with `/` between its parts */
  matches(path: string): boolean;
  /** Whether something in a folder that matches may still not match. */
  readonly hasExceptions: boolean;
}

interface Pattern {
  readonly glob: Glob;
  readonly isException: boolean;
}

/**
 * @param what how messages name them, e.g. `--exclude`
 * @throws OCISLIM_INPUT_INVALID for what is no pattern
 */
export function pathPatterns(texts: readonly string[], what: string): PathPatterns {
  const patterns = texts.flatMap((text) => parsePattern(text, what) ?? []);
  return {
    matches: (path) => {
      const above = foldersAbove(path);
      let isMatched = false;
      for (const { glob, isException } of patterns) {
        // A pattern can change nothing where the verdict is its own already.
        if (isException !== isMatched) continue;
        if (glob.matches(path) || above.some((folder) => glob.matches(folder))) isMatched = !isException;
      }
      return isMatched;
    },
    hasExceptions: patterns.some(({ isException }) => isException),
  };
}

function parsePattern(text: string, what: string): Pattern | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const isException = trimmed.startsWith('!');
  const cleaned = cleanPattern(isException ? trimmed.slice(1) : trimmed);
  const glob = cleaned === '' ? undefined : compileGlob(cleaned, { folders: true });
  if (glob === undefined)
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${what} ${text}: not a pattern`, {
      hint: 'a [ needs a ] behind it, a \\ a character',
    });
  return { glob, isException };
}

/** Go's filepath.Clean, for a path that is relative to what is matched. */
function cleanPattern(text: string): string {
  const parts: string[] = [];
  for (const part of text.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** `a`, `a/b` for `a/b/c`. */
function foldersAbove(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'));
}
