import { join } from 'node:path';
import { must, run } from '../../support/cli.ts';
import type { Documented } from '../../support/documented.ts';
import { type Place, typeUntilCtrlC, typeWithAnswers, type UntilCtrlC } from './terminal.ts';

/** How a line is typed, and what is looked at then. */
export interface Typing {
  /** Whether what it takes is there, and what that is; without it the line is left out. */
  readonly needs?: { readonly met: () => boolean; readonly what: string };
  /** Below the reader's folder. */
  readonly folder?: string;
  /** Lines that are typed before it, which must succeed. */
  readonly before?: readonly string[];
  /** Lines that print a digest each, for each `sha256:…`. */
  readonly digests?: readonly string[];
  /** What is answered at a terminal, by what is asked. */
  readonly answers?: Readonly<Record<string, string>>;
  readonly untilCtrlC?: UntilCtrlC;
  /** What it exits with; default 0, or what Ctrl-C gives. */
  readonly code?: number;
  /** Lines that are typed after it, which must succeed. */
  readonly after?: readonly string[];
}

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/** What is wrong with what a line did. */
export interface Complaint extends Ended {
  readonly command: string;
}

/**
 * Types a line as it is documented.
 * @param here gives a line with the hosts of this test
 * @returns undefined where it did what the page says
 */
export async function typeLine(
  { command, shown }: Documented,
  typing: Typing,
  { cwd: top, env }: Place,
  here: (line: string) => string,
): Promise<Complaint | undefined> {
  const place = { cwd: join(top, typing.folder ?? ''), env };
  const shell = (line: string) => ['-o', 'pipefail', '-c', here(line)];
  const all = async (lines: readonly string[] = []) => {
    const printed: string[] = [];
    for (const line of lines) printed.push(await must('bash', shell(line), place));
    return printed;
  };
  await all(typing.before);
  const digests = (await all(typing.digests)).map((text) => /sha256:[0-9a-f]{64}/.exec(text)?.[0] ?? '');
  const filled = digests.reduce((line, digest) => line.replace('sha256:…', digest), command);
  const ended = await typed(here(filled), typing, place);
  const { code = typing.untilCtrlC === undefined ? 0 : 130 } = typing;
  if (ended.code !== code || !shown.every((line) => formOf(line).test(ended.said)))
    return { command, ...ended };
  await all(typing.after);
  return undefined;
}

async function typed(line: string, { answers, untilCtrlC }: Typing, place: Place): Promise<Ended> {
  if (answers !== undefined) return typeWithAnswers(line, answers, place);
  if (untilCtrlC !== undefined) return typeUntilCtrlC(line, untilCtrlC, place);
  const { code, stdout, stderr } = await run('bash', ['-o', 'pipefail', '-c', line], place);
  return { code, said: `${stdout}${stderr}` };
}

/** Of a line that a page shows: `…` stands for anything, and sizes are another machine's. */
function formOf(line: string): RegExp {
  const escaped = line.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const sizes = escaped.replace(/\d+(?:\\\.\d+)?(?:[kM]?B\b|(?= %))/g, '[\\d.]+(?:[kM]?B)?');
  const form = sizes.replaceAll('…', '.+');
  return new RegExp(`^${form}$`, 'm');
}
