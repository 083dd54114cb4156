import { StringDecoder } from 'node:string_decoder';

/** Longer lines are handed on in parts. */
const LINE_LIMIT = 64 * 1024;

/** Cuts what a program prints into lines, without their ends; characters may be split between chunks. */
export class LineCutter {
  readonly #take: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  write(chunk: Buffer): void {
    this.#pass(this.#decoder.write(chunk));
  }

  /** Hands on what stands behind the last end of a line. */
  end(): void {
    this.#pass(this.#decoder.end());
    if (this.#rest !== '') this.#take(this.#rest.replace(/\r$/, ''));
    this.#rest = '';
  }

  #pass(text: string): void {
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop() ?? '';
    for (const line of parts) this.#take(line.replace(/\r$/, ''));
    for (; this.#rest.length > LINE_LIMIT; this.#rest = this.#rest.slice(LINE_LIMIT))
      this.#take(this.#rest.slice(0, LINE_LIMIT));
  }
}
