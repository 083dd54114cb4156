/** A pattern for paths, as Go's filepath.Match with `**` for any number of folders. */
export interface PathPattern {
  matches(path: string): boolean;
  /** Whether it may match something in a folder. */
  mayMatchBelow(folder: string): boolean;
}

type Part =
  | { readonly kind: 'one'; readonly point: number }
  /** `?` */
  | { readonly kind: 'any' }
  | {
      readonly kind: 'class';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
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
    const literal = parts.map(({ point }) => String.fromCodePoint(point)).join('');
    return {
      matches: (path) => path === literal,
      mayMatchBelow: (folder) => literal.startsWith(`${folder}/`),
    };
  }
  return {
    matches: (path) => reached(parts, path)?.[parts.length] === 1,
    mayMatchBelow: (folder) => reached(parts, `${folder}/`) !== undefined,
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
      parts.push({ kind: 'one', point: pointOf(escaped) });
    } else if (char === '[') {
      const { part, next } = classAt(chars, at, () =>
        fail(`pattern ${shown(pattern)} has a [ without its ]`, 'expected [a-z]; write \\[ for a bracket'),
      );
      parts.push(part);
      at = next;
    } else parts.push({ kind: 'one', point: pointOf(char) });
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
  const ranges: [number, number][] = [];
  const single = () => {
    if (chars[at] === '\\') at++;
    else if (chars[at] === '-' || chars[at] === ']') throw fail();
    const char = chars[at++];
    if (char === undefined) throw fail();
    return pointOf(char);
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

function pointOf(char: string): number {
  return char.codePointAt(0) ?? 0;
}

const SLASH = pointOf('/');

/**
 * The places in a pattern that a path reaches, as ones; undefined where it reaches none. All are followed at once, so that
 * it takes time in proportion to path and pattern, whatever they are.
 */
function reached(parts: readonly Part[], path: string): Uint8Array | undefined {
  let states = new Uint8Array(parts.length + 1);
  let next = new Uint8Array(parts.length + 1);
  enter(states, parts, 0);
  for (let at = 0; at < path.length; ) {
    const point = path.codePointAt(at) ?? 0;
    at += point > 0xffff ? 2 : 1;
    let isAlive = false;
    for (let state = 0; state < parts.length; state++)
      if (states[state] === 1 && step(next, parts, state, point)) isAlive = true;
    if (!isAlive) return undefined;
    [states, next] = [next, states];
    next.fill(0);
  }
  return states;
}

/** Whether a place goes on with a character; where it does is added to `next`. */
function step(next: Uint8Array, parts: readonly Part[], state: number, point: number): boolean {
  const part = parts[state];
  switch (part?.kind) {
    case 'one':
      return point === part.point && enter(next, parts, state + 1);
    case 'any':
      return point !== SLASH && enter(next, parts, state + 1);
    case 'class':
      return (
        part.ranges.some(([low, high]) => low <= point && point <= high) !== part.negated &&
        enter(next, parts, state + 1)
      );
    case 'many':
      return point !== SLASH && enter(next, parts, state);
    case 'rest':
      return enter(next, parts, state);
    case 'folder':
      next[state] = 1;
      return point === SLASH ? enter(next, parts, state + 1) : true;
    default:
      return false;
  }
}

/** Adds a place and those that are reached from it without a character. */
function enter(states: Uint8Array, parts: readonly Part[], first: number): true {
  for (let state = first; states[state] === 0; state++) {
    states[state] = 1;
    const kind = parts[state]?.kind;
    if (kind === 'folders') states[++state] = 1;
    else if (kind !== 'many' && kind !== 'rest') break;
  }
  return true;
}
