import { OcislimError } from '../lib/errors.ts';
import { redact } from '../lib/redact.ts';
import { sanitise } from './sanitise.ts';

export interface ErrorOptions {
  /** Also where it came from. */
  readonly verbose: boolean;
  readonly json: boolean;
  readonly colour: boolean;
}

/** A failure for the person at the terminal, or with `json` as the one object of docs/cli.md; secrets taken out. */
export function renderError(error: unknown, { verbose, json, colour }: ErrorOptions): string {
  const code = error instanceof OcislimError ? error.code : 'OCISLIM_INTERNAL';
  const message = messageOf(error);
  const hint = error instanceof OcislimError && error.hint !== undefined ? clean(error.hint) : undefined;
  if (json) {
    const { check = [], output: lines } = error instanceof OcislimError ? error : {};
    const output = lines?.map((line) => sanitise(redact(line)).trimEnd());
    return JSON.stringify({ error: { code, message, hint, output }, check });
  }
  const red = (text: string) => (colour ? `\u001b[31m${text}\u001b[39m` : text);
  const output = error instanceof OcislimError ? (error.output ?? []) : [];
  const lines = [...output.map((line) => sanitise(redact(line))), `${red('ocislim:')} ${message}`];
  if (hint !== undefined) lines.push(`hint: ${hint}`);
  if (verbose) lines.push(...stackOf(error));
  else if (code === 'OCISLIM_INTERNAL')
    lines.push('hint: this is a bug; run it again with -v and report what it prints');
  return lines.join('\n');
}

function messageOf(error: unknown): string {
  if (!(error instanceof OcislimError) || error.code !== 'OCISLIM_DOCKERFILE_INVALID')
    return clean(error instanceof Error ? error.message : String(error));
  // It has a line of source and carets under it, made from text that had no line's end in it.
  const [first = '', ...excerpt] = error.message.split('\n');
  return [clean(first), ...excerpt.map((line) => sanitise(redact(line)).trimEnd())].join('\n');
}

function clean(text: string): string {
  return sanitise(redact(text)).trim();
}

function stackOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    const [first = '', ...frames] = (at.stack ?? at.message).split('\n');
    lines.push(
      `${at === error ? '' : 'caused by '}${clean(first)}`,
      ...frames.map((frame) => `    ${clean(frame)}`),
    );
  }
  return lines;
}
