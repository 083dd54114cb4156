/** A pattern for paths, as Go's filepath.Match with `**` for any number of folders. */
export interface PathPattern {
  matches(path: string): boolean;
  /** Whether it may match something in a folder. */
  mayMatchBelow(folder: string): boolean;
}

type Part =
  | { readonly kind: 'one'; readonly char: string }
  /** `?` */
  | { readonly kind: 'any' }
  | {
      readonly kind: 'class';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    }
  /** `*`: no slash. */
  | { readonly kind: 'many' }
  /** `**` at the end: anything. */
  | { readonly kind: 'rest' }
  /** Folders or none of `**`: goes on behind `folder`, or into it. */
  | { readonly kind: 'folders' }
  /** In a folder of `**`; a slash may end it. */
  | { readonly kind: 'folder' };

type Fail = (why: string, hint: string) => Error;

/** @throws what `fail` makes of a pattern that Go refuses */
export function parsePathPattern(pattern: string, fail: Fail): PathPattern {
  const parts = partsOf(pattern, fail);
  if (parts.every((part) => part.kind === 'one')) {
    const literal = parts.map(({ char }) => char).join('');
    return {
      matches: (path) => path === literal,
      mayMatchBelow: (folder) => literal.startsWith(`${folder}/`),
    };
  }
  return {
    matches: (path) => reached(parts, path).has(parts.length),
    mayMatchBelow: (folder) => reached(parts, `${folder}/`).size > 0,
  };
}

function partsOf(pattern: string, fail: Fail): Part[] {
  const chars = [...pattern];
  const parts: Part[] = [];
  // `**name` without other wildcards matches the end of a name, too: moby compares ends there.
  const isSuffix = /^\*\*[^/*?[\]\\]/.test(pattern) && !/[*?[\]\\]/.test(pattern.slice(2));
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '*' && chars[at + 1] === '*') {
      at++;
      if (chars[at + 1] === '/') at++;
      if (at + 1 >= chars.length || (isSuffix && parts.length === 0)) parts.push({ kind: 'rest' });
      else parts.push({ kind: 'folders' }, { kind: 'folder' });
    } else if (char === '*') parts.push({ kind: 'many' });
    else if (char === '?') parts.push({ kind: 'any' });
    else if (char === '\\') {
      const escaped = chars[++at];
      if (escaped === undefined)
        throw fail(`pattern ${shown(pattern)} ends with \\`, 'write \\\\ for a backslash');
      parts.push({ kind: 'one', char: escaped });
    } else if (char === '[') {
      const { part, next } = classAt(chars, at, () =>
        fail(`pattern ${shown(pattern)} has a [ without its ]`, 'expected [a-z]; write \\[ for a bracket'),
      );
      parts.push(part);
      at = next;
    } else parts.push({ kind: 'one', char });
  }
  return parts;
}

function shown(pattern: string): string {
  return pattern.length > 60 ? `${pattern.slice(0, 60)}…` : pattern;
}

/** `[a-z]` or `[^a-z]`; `next` is where its `]` is. */
function classAt(chars: readonly string[], start: number, fail: () => Error): { part: Part; next: number } {
  let at = start + 1;
  const negated = chars[at] === '^';
  if (negated) at++;
  const ranges: [string, string][] = [];
  const single = () => {
    if (chars[at] === '\\') at++;
    else if (chars[at] === '-' || chars[at] === ']') throw fail();
    const char = chars[at++];
    if (char === undefined) throw fail();
    return char;
  };
  while (chars[at] !== ']' || ranges.length === 0) {
    const low = single();
    if (chars[at] !== '-') ranges.push([low, low]);
    else {
      at++;
      ranges.push([low, single()]);
    }
  }
  return { part: { kind: 'class', negated, ranges }, next: at };
}

/** The places in a pattern that are reached by a path: all at once, so that no pattern takes long. */
function reached(parts: readonly Part[], path: string): Set<number> {
  let states = new Set<number>();
  enter(states, parts, 0);
  for (const char of path) {
    const next = new Set<number>();
    for (const state of states) step(next, parts, state, char);
    if (next.size === 0) return next;
    states = next;
  }
  return states;
}

function step(next: Set<number>, parts: readonly Part[], state: number, char: string): void {
  const part = parts[state];
  switch (part?.kind) {
    case 'one':
      if (char === part.char) enter(next, parts, state + 1);
      break;
    case 'any':
      if (char !== '/') enter(next, parts, state + 1);
      break;
    case 'class':
      if (part.ranges.some(([low, high]) => isBetween(char, low, high)) !== part.negated)
        enter(next, parts, state + 1);
      break;
    case 'many':
      if (char !== '/') enter(next, parts, state);
      break;
    case 'rest':
      enter(next, parts, state);
      break;
    case 'folder':
      next.add(state);
      if (char === '/') enter(next, parts, state + 1);
      break;
    default:
  }
}

function isBetween(char: string, low: string, high: string): boolean {
  const point = char.codePointAt(0) ?? 0;
  return (low.codePointAt(0) ?? 0) <= point && point <= (high.codePointAt(0) ?? 0);
}

/** Adds a place and those that are reached from it without a character. */
function enter(states: Set<number>, parts: readonly Part[], first: number): void {
  for (let state = first; !states.has(state); state++) {
    states.add(state);
    const kind = parts[state]?.kind;
    if (kind === 'folders') states.add(++state);
    else if (kind !== 'many' && kind !== 'rest') return;
  }
}
