import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { OcislimError } from '../lib/errors.ts';

export interface AskOptions {
  /** Not echoed, and taken as it is. */
  readonly secret: boolean;
  /** What to do where there is no terminal. */
  readonly hint: string;
  readonly signal: AbortSignal;
}

/** Asks at the terminal. @throws OCISLIM_USAGE where there is none */
export async function ask(question: string, { secret, hint, signal }: AskOptions): Promise<string> {
  if (!process.stdin.isTTY)
    throw new OcislimError('OCISLIM_USAGE', `no terminal to ask for "${question.trim()}"`, { hint });
  let muted = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) process.stderr.write(chunk as Buffer);
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  try {
    const answer = terminal.question(question, { signal });
    muted = secret;
    return await answer;
  } finally {
    terminal.close();
    if (secret) process.stderr.write('\n');
  }
}
