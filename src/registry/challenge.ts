/** One demand of a `WWW-Authenticate` header (RFC 9110 § 11.6.1). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case; of a repeated name the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** More than any registry sends; what is beyond is not read. */
const HEADER_LIMIT = 16 * 1024;

/**
 * Parses a `WWW-Authenticate` header, several of them joined with commas included. Lenient where registries are
 * sloppy (unquoted URLs, missing commas, an unclosed quote) and linear in time: what cannot be read is passed over.
 */
export function parseChallenges(header: string): Challenge[] {
  const scanner = new Scanner(header.slice(0, HEADER_LIMIT));
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  while (!scanner.done) {
    scanner.skip(SEPARATOR);
    const word = scanner.take(isToken);
    if (word === '') {
      scanner.advance();
      continue;
    }
    const mark = scanner.position;
    scanner.skip(SPACE);
    const current = challenges.at(-1);
    if (scanner.peek() !== '=' || current === undefined) {
      scanner.position = mark;
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
      scanner.skipToken68();
      continue;
    }
    scanner.advance();
    scanner.skip(SPACE);
    const value = scanner.peek() === '"' ? scanner.quoted() : scanner.take(isUnquoted);
    const name = word.toLowerCase();
    if (!current.parameters.has(name)) current.parameters.set(name, value);
  }
  return challenges;
}

const SPACE = (char: string) => char === ' ' || char === '\t';
const SEPARATOR = (char: string) => SPACE(char) || char === ',';
const isToken = (char: string) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(char);
const isUnquoted = (char: string) => !SEPARATOR(char) && char !== '"';

class Scanner {
  readonly #text: string;
  position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.position >= this.#text.length;
  }

  peek(): string {
    return this.#text.charAt(this.position);
  }

  advance(): void {
    this.position++;
  }

  skip(matches: (char: string) => boolean): void {
    while (!this.done && matches(this.peek())) this.position++;
  }

  take(matches: (char: string) => boolean): string {
    const start = this.position;
    this.skip(matches);
    return this.#text.slice(start, this.position);
  }

  /** A string in quotes, with its escapes undone; without a closing quote it ends with the header. */
  quoted(): string {
    const parts: string[] = [];
    this.position++;
    let start = this.position;
    while (!this.done && this.peek() !== '"') {
      if (this.peek() === '\\') {
        parts.push(this.#text.slice(start, this.position));
        start = this.position + 1;
        this.position++;
      }
      this.position++;
    }
    parts.push(this.#text.slice(start, this.position));
    this.position++;
    return parts.join('');
  }

  /** `Negotiate oYG3…==`: the one blob of characters some schemes carry instead of parameters. */
  skipToken68(): void {
    const mark = this.position;
    this.skip(SPACE);
    const blob = this.take((char) => isToken(char) || char === '/');
    this.skip((char) => char === '=');
    this.skip(SPACE);
    const ends = this.done || this.peek() === ',';
    if (blob === '' || !ends) this.position = mark;
  }
}
