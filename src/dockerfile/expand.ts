import { OcislimError } from '../lib/errors.ts';
import { dockerfileError, type Place } from './error.ts';
import { isSpace } from './lines.ts';
import { parseGlob, replaceGlob, trimGlob } from './text-glob.ts';

/** Variables; undefined is unset, which is not the same as empty. */
export interface Scope {
  get(name: string): string | undefined;
}

export interface ExpandOptions {
  /** The Dockerfile's escape character. */
  readonly escape: string;
  /** Where the word stands, for errors. */
  readonly at?: Place | undefined;
  /** Called with each variable that is used, is unset, and has nothing that stands in for it. */
  readonly onUnset?: ((name: string) => void) | undefined;
}

/** No value may grow larger: `ENV A=$A$A` forty times would be a terabyte. */
const LIMIT = 16 * 1024 * 1024;
/** Substitutions within substitutions. */
const DEPTH_LIMIT = 100;

/**
 * A word with its variables replaced and its quotes and escapes gone (Dockerfile reference § Environment replacement).
 * @throws OCISLIM_DOCKERFILE_INVALID for bad substitutions, quotes that are not closed, `${x:?message}`
 */
export function expandWord(text: string, scope: Scope, options: ExpandOptions): string {
  if (isPlain(text, options.escape)) return text;
  return new Expansion(text, scope, options).run().text;
}

/** As `expandWord`, then split at white space that is neither quoted nor escaped: what EXPOSE does. */
export function expandWords(text: string, scope: Scope, options: ExpandOptions): string[] {
  return new Expansion(text, scope, { ...options, splits: true }).run().words;
}

/** A word without its quotes and escapes; variables stay as they are: names of ARG. */
export function unquoteWord(text: string, options: ExpandOptions): string {
  if (isPlain(text, options.escape)) return text;
  return new Expansion(text, NO_SCOPE, { ...options, keepsVariables: true }).run().text;
}

/**
 * The content of a here-document of COPY or ADD with its variables replaced; quotes stay. Escapes go, and the escape
 * character is the backslash whatever the Dockerfile says.
 */
export function expandHeredoc(text: string, scope: Scope, options: Omit<ExpandOptions, 'escape'>): string {
  if (!/[$\\]/.test(text)) return text;
  return new Expansion(text, scope, { ...options, escape: '\\', keepsQuotes: true }).run().text;
}

const NO_SCOPE: Scope = { get: () => undefined };

function isPlain(text: string, escaper: string): boolean {
  return !/["'$]/.test(text) && !text.includes(escaper);
}

interface InnerOptions extends ExpandOptions {
  readonly keepsVariables?: boolean;
  readonly keepsQuotes?: boolean;
  readonly splits?: boolean;
}

/** Text that grows piece by piece, and the words it falls into where they are wanted. */
class Result {
  readonly #parts: string[] = [];
  readonly #words: string[] = [];
  readonly #splits: boolean;
  #word = '';

  constructor(splits: boolean) {
    this.#splits = splits;
  }

  /** Is in a word, white space too. */
  addWhole(text: string): void {
    this.#parts.push(text);
    if (this.#splits) this.#word += text;
  }

  /** White space in it separates words. */
  addSplit(text: string): void {
    this.#parts.push(text);
    if (!this.#splits) return;
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      if (!isSpace(text[at])) continue;
      this.#word += text.slice(from, at);
      this.#endWord();
      from = at + 1;
    }
    this.#word += text.slice(from);
  }

  #endWord(): void {
    if (this.#word !== '') this.#words.push(this.#word);
    this.#word = '';
  }

  finish(): { text: string; words: string[] } {
    this.#endWord();
    return { text: this.#parts.join(''), words: this.#words };
  }
}

/** One pass over a text; each method reads from where the last one stopped. */
class Expansion {
  #at = 0;
  #size = 0;
  #depth = 0;
  readonly #text: string;
  readonly #scope: Scope;
  readonly #options: InnerOptions;

  constructor(text: string, scope: Scope, options: InnerOptions) {
    this.#text = text;
    this.#scope = scope;
    this.#options = options;
  }

  run(): { text: string; words: string[] } {
    return this.#until('', false);
  }

  /** Up to the character that ends it, or the text's end. With `rawEscapes`, as patterns are read, escapes stay in it. */
  #until(end: string, rawEscapes: boolean): { text: string; words: string[] } {
    const result = new Result(this.#options.splits === true);
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      if (char === end) {
        this.#at++;
        return result.finish();
      }
      if (char === '$') result.addSplit(this.#dollar());
      else if (char === "'" && !this.#options.keepsQuotes) result.addWhole(this.#singleQuoted());
      else if (char === '"' && !this.#options.keepsQuotes) result.addWhole(this.#doubleQuoted(rawEscapes));
      else if (char === this.#options.escape) {
        const escaped = this.#text.slice(this.#at + 1, this.#at + 2);
        this.#at += 2;
        result.addWhole(rawEscapes ? char + escaped : escaped);
      } else {
        const from = this.#at;
        this.#skipOrdinary(end);
        result.addSplit(this.#text.slice(from, this.#at));
      }
    }
    if (end !== '') throw this.#fail(`\${ has no ${end}`);
    return result.finish();
  }

  #skipOrdinary(end: string): void {
    do this.#at++;
    while (this.#at < this.#text.length && !this.#isSpecial(this.#text[this.#at] ?? '', end));
  }

  #isSpecial(char: string, end: string): boolean {
    return char === end || char === '$' || char === "'" || char === '"' || char === this.#options.escape;
  }

  #singleQuoted(): string {
    const close = this.#text.indexOf("'", this.#at + 1);
    if (close < 0) throw this.#fail("a ' that is not closed");
    const content = this.#text.slice(this.#at + 1, close);
    this.#at = close + 1;
    return content;
  }

  /** In double quotes only a quote, a dollar and itself can be escaped. */
  #doubleQuoted(rawEscapes: boolean): string {
    const parts: string[] = [];
    const { escape: escaper } = this.#options;
    this.#at++;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      if (char === '"') {
        this.#at++;
        return parts.join('');
      }
      if (char === '$') {
        parts.push(this.#dollar());
        continue;
      }
      this.#at++;
      if (char !== escaper) {
        parts.push(char);
        continue;
      }
      const next = this.#text[this.#at];
      if (rawEscapes) parts.push(char);
      if (next === undefined) continue;
      if (next === '"' || next === '$' || next === escaper) {
        parts.push(next);
        this.#at++;
      } else if (!rawEscapes) parts.push(char);
    }
    throw this.#fail('a " that is not closed');
  }

  #dollar(): string {
    const start = this.#at++;
    if (this.#text[this.#at] !== '{') {
      const name = this.#name();
      if (name === '') return '$';
      return this.#options.keepsVariables ? this.#text.slice(start, this.#at) : this.#value(name);
    }
    this.#at++;
    if (++this.#depth > DEPTH_LIMIT) throw this.#fail('too many substitutions within each other');
    const value = this.#substitution();
    this.#depth--;
    return this.#options.keepsVariables ? this.#text.slice(start, this.#at) : value;
  }

  /** What stands behind `${`. */
  #substitution(): string {
    const name = this.#name();
    if (name === '') throw this.#fail(`\${ has no ${this.#at >= this.#text.length ? '}' : 'name'}`);
    const operator = this.#text[this.#at++];
    switch (operator) {
      case undefined:
        throw this.#fail(`\${${name} has no }`);
      case '}':
        return this.#value(name);
      case '/':
        return this.#replacement(name);
      case '#':
      case '%':
        return this.#trimmed(name, operator);
      case ':': {
        const second = this.#text[this.#at++] ?? '';
        if (!'-+?'.includes(second) || second === '')
          throw this.#fail(`\${${name}:${second} is no substitution`);
        return this.#conditional(name, second, true);
      }
      case '-':
      case '+':
      case '?':
        return this.#conditional(name, operator, false);
      default:
        throw this.#fail(`\${${name}${operator} is no substitution`);
    }
  }

  #conditional(name: string, operator: string, emptyIsUnset: boolean): string {
    const { text: word } = this.#until('}', false);
    const value = this.#scope.get(name);
    const isSet = value !== undefined && !(emptyIsUnset && value === '');
    if (operator === '+') return isSet ? word : '';
    if (isSet) return this.#counted(value);
    if (operator === '-' || this.#options.keepsVariables) return word;
    const standard = value === undefined ? 'is not set' : 'is empty';
    throw this.#fail(`${name}: ${word === '' ? standard : word}`);
  }

  #trimmed(name: string, operator: '#' | '%'): string {
    const { text: word } = this.#until('}', true);
    const isLongest = word.startsWith(operator);
    const glob = parseGlob(isLongest ? word.slice(1) : word, (why) => this.#fail(why));
    return trimGlob(this.#value(name), glob, operator === '#' ? 'start' : 'end', isLongest);
  }

  #replacement(name: string): string {
    const isEvery = this.#text[this.#at] === '/';
    if (isEvery) this.#at++;
    const { text: pattern } = this.#until('/', true);
    const { text: word } = this.#until('}', true);
    const glob = parseGlob(pattern, (why) => this.#fail(why));
    const value = this.#value(name);
    // The most there can be, before it is made.
    const most = isEvery ? word.length * (value.length + 1) : word.length;
    if (most > LIMIT) throw this.#tooLarge();
    return this.#counted(replaceGlob(value, glob, word, isEvery));
  }

  #value(name: string): string {
    const value = this.#scope.get(name);
    if (value === undefined) this.#options.onUnset?.(name);
    return this.#counted(value ?? '');
  }

  #counted(value: string): string {
    this.#size += value.length;
    if (this.#size > LIMIT) throw this.#tooLarge();
    return value;
  }

  /** Letters, digits and `_`; or digits alone; or one of the shell's special parameters. */
  #name(): string {
    const rest = /(?:\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*)/uy;
    rest.lastIndex = this.#at;
    const [name = ''] = rest.exec(this.#text) ?? [];
    this.#at += name.length;
    return name;
  }

  #tooLarge(): OcislimError {
    return this.#fail(`it expands to more than ${LIMIT / 1024 / 1024} MiB`);
  }

  #fail(why: string): OcislimError {
    const { at } = this.#options;
    if (at !== undefined) return dockerfileError(at.file, at.range, why);
    return new OcislimError('OCISLIM_DOCKERFILE_INVALID', why);
  }
}
