/** A pattern of `${x#p}` and its like: characters, `?` for any one, `*` for any number; neither is a line's end. */
export type Glob = readonly (string | typeof ANY | typeof MANY)[];

const ANY = Symbol('?');
const MANY = Symbol('*');

/**
 * Reads a pattern. A backslash makes `*`, `?` and a backslash ordinary, and is dropped before `}` and `/`, which had to be
 * escaped to get here.
 * @throws what `fail` makes of an escape that means nothing
 */
export function parseGlob(pattern: string, fail: (why: string) => Error): Glob {
  const glob: (string | symbol)[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '*') glob.push(MANY);
    else if (char === '?') glob.push(ANY);
    else if (char === '\\') {
      const next = chars[++at];
      if (next === undefined || !'*?\\}/'.includes(next))
        throw fail(`pattern ${pattern.slice(0, 60)}: \\ before ${next ?? 'its end'} means nothing`);
      glob.push(next);
    } else glob.push(char);
  }
  return glob as Glob;
}

/** Where the pattern matches, in characters. */
interface Match {
  readonly start: number;
  readonly end: number;
}

/**
 * The first match from `from` on, there the longest or shortest. All starts are followed at once, so that it takes time in
 * proportion to text and pattern, whatever they are.
 */
function findGlob(
  glob: Glob,
  text: readonly string[],
  from: number,
  { isAnchored, isLongest }: { readonly isAnchored: boolean; readonly isLongest: boolean },
): Match | undefined {
  let best: Match | undefined;
  // For each place in the pattern the earliest start from which it is reached.
  let states = new Map<number, number>();
  for (let at = from; ; at++) {
    if (best === undefined && (!isAnchored || at === from)) enter(states, glob, 0, at);
    const start = states.get(glob.length);
    if (
      start !== undefined &&
      (best === undefined || start < best.start || (start === best.start && isLongest))
    )
      best = { start, end: at };
    const { start: limit = Number.POSITIVE_INFINITY } = best ?? {};
    const char = text[at];
    if (char === undefined) return best;
    const next = new Map<number, number>();
    for (const [state, begun] of states) {
      if (begun > limit || (begun === limit && !isLongest)) continue;
      const part = glob[state];
      if (part === MANY && char !== '\n') enter(next, glob, state, begun);
      else if (part === char || (part === ANY && char !== '\n')) enter(next, glob, state + 1, begun);
    }
    if (next.size === 0 && (best !== undefined || isAnchored)) return best;
    states = next;
  }
}

function enter(states: Map<number, number>, glob: Glob, first: number, start: number): void {
  for (let state = first; ; state++) {
    const known = states.get(state);
    if (known === undefined || known > start) states.set(state, start);
    if (glob[state] !== MANY) return;
  }
}

/** The text without the part at its start or end that matches, the shortest or the longest. */
export function trimGlob(text: string, glob: Glob, side: 'start' | 'end', isLongest: boolean): string {
  const chars = [...text];
  if (side === 'start') {
    const match = findGlob(glob, chars, 0, { isAnchored: true, isLongest });
    return match === undefined ? text : chars.slice(match.end).join('');
  }
  const match = findGlob([...glob].reverse(), chars.reverse(), 0, { isAnchored: true, isLongest });
  return match === undefined ? text : chars.slice(match.end).reverse().join('');
}

/** The text with the first match, or every one, replaced. */
export function replaceGlob(text: string, glob: Glob, replacement: string, isEvery: boolean): string {
  const chars = [...text];
  const parts: string[] = [];
  let at = 0;
  for (let search = 0; search <= chars.length; ) {
    const match = findGlob(glob, chars, search, { isAnchored: false, isLongest: true });
    if (match === undefined) break;
    // Nothing is no match right behind another one.
    if (match.end > match.start || match.start > at || at === 0) {
      parts.push(chars.slice(at, match.start).join(''), replacement);
      at = match.end;
      if (!isEvery) break;
    }
    search = match.end > match.start ? match.end : match.end + 1;
  }
  return [...parts, chars.slice(at).join('')].join('');
}
