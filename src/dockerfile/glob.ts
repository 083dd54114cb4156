/**
 * A pattern of which many paths are asked. It is followed character by character in all its possible places at once, so
 * that no pattern takes longer than its length times the path's (what regular expressions cannot promise).
 */
export interface Glob {
  matches(text: string): boolean;
}

export interface GlobOptions {
  /** Whether `**` goes through folders, as in `.dockerignore`; else it is the same as `*`, as in Go's filepath.Match. */
  readonly folders?: boolean;
}

type Token =
  | { readonly kind: 'character'; readonly value: string }
  | {
      readonly kind: 'class';
      readonly isNegated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    }
  /** `?`, `*`, `**` at the end, and `**` before something: any folders, or none. */
  | { readonly kind: 'one' | 'some' | 'everything' | 'folders' };

/** Undefined for a pattern that is none, such as `[a`. */
export function compileGlob(pattern: string, options: GlobOptions = {}): Glob | undefined {
  const tokens = tokensOf(Array.from(pattern), options.folders ?? false);
  return tokens && { matches: (text) => follow(tokens, text) };
}

/** Whether a path has a wildcard in it that is not escaped. */
export function hasWildcard(path: string): boolean {
  return /^(?:[^\\*?[]|\\[\s\S]|\\$)*[*?[]/.test(path);
}

function tokensOf(characters: readonly string[], folders: boolean): readonly Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at++) {
    const value = characters[at] ?? '';
    if (value === '?') tokens.push({ kind: 'one' });
    else if (value === '*' && folders && characters[at + 1] === '*') {
      at++;
      if (characters[at + 1] === '/') at++;
      tokens.push({ kind: at + 1 >= characters.length ? 'everything' : 'folders' });
    } else if (value === '*') {
      if (tokens.at(-1)?.kind !== 'some') tokens.push({ kind: 'some' });
    } else if (value === '[') {
      const read = readClass(characters, at + 1);
      if (read === undefined) return undefined;
      tokens.push(read.token);
      at = read.end;
    } else if (value === '\\') {
      const escaped = characters[++at];
      if (escaped === undefined) return undefined;
      tokens.push({ kind: 'character', value: escaped });
    } else tokens.push({ kind: 'character', value });
  }
  return tokens;
}

/** A character class, as Go's filepath.Match reads it; `end` is its closing bracket. */
function readClass(
  characters: readonly string[],
  start: number,
): { readonly token: Token; readonly end: number } | undefined {
  const isNegated = characters[start] === '^';
  let at = isNegated ? start + 1 : start;
  const ranges: [number, number][] = [];
  const next = (): number | undefined => {
    if (characters[at] === '\\') at++;
    return characters[at++]?.codePointAt(0);
  };
  while (characters[at] !== ']' || ranges.length === 0) {
    if (characters[at] === ']' || characters[at] === '-') return undefined;
    const low = next();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (characters[at] === '-') {
      at++;
      if (characters[at] === ']' || characters[at] === '-') return undefined;
      high = next();
    }
    if (high === undefined || at >= characters.length) return undefined;
    ranges.push([low, high]);
  }
  return { token: { kind: 'class', isNegated, ranges }, end: at };
}

function follow(tokens: readonly Token[], text: string): boolean {
  let places = new Set<number>();
  enter(tokens, places, 0);
  for (const character of text) {
    const after = new Set<number>();
    for (const place of places) {
      const token = tokens[place];
      if (token !== undefined) step(tokens, after, place, token, character);
    }
    if (after.size === 0) return false;
    places = after;
  }
  return places.has(tokens.length);
}

/** Comes to a place, and to those behind what may be empty. */
function enter(tokens: readonly Token[], places: Set<number>, place: number): void {
  let at = place;
  places.add(at);
  while (['some', 'everything', 'folders'].includes(tokens[at]?.kind ?? '')) places.add(++at);
}

function step(
  tokens: readonly Token[],
  after: Set<number>,
  place: number,
  token: Token,
  character: string,
): void {
  switch (token.kind) {
    case 'character':
      if (character === token.value) enter(tokens, after, place + 1);
      return;
    case 'one':
      if (character !== '/') enter(tokens, after, place + 1);
      return;
    case 'class': {
      const code = character.codePointAt(0) ?? 0;
      const isIn = token.ranges.some(([low, high]) => low <= code && code <= high);
      if (isIn !== token.isNegated) enter(tokens, after, place + 1);
      return;
    }
    case 'some':
      if (character !== '/') enter(tokens, after, place);
      return;
    case 'everything':
      enter(tokens, after, place);
      return;
    case 'folders':
      // It ends with a slash: behind it is only who has just read one.
      after.add(place);
      if (character === '/') enter(tokens, after, place + 1);
  }
}
