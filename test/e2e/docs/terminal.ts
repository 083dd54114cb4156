import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { run } from '../../support/cli.ts';

/** Where a line is typed. */
export interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A line at a terminal of its own, while it runs. */
interface AtTerminal {
  /** Waits for output that matches. @throws where the line ends before */
  until(form: RegExp): Promise<RegExpExecArray>;
  type(keys: string): void;
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>;
}

/** @param wrap a command in front of the terminal; its descriptor 3 is read */
function atTerminal(line: string, { cwd, env }: Place, wrap: readonly string[] = []) {
  const [command = '', ...args] = [...wrap, 'script', '-qefc', line, '/dev/null'];
  const child = spawn(command, args, {
    cwd,
    // Which shell it is $SHELL says; bash does not stay for a single command, and so gets no Ctrl-C.
    env: { ...process.env, ...env, SHELL: '/bin/bash', TERM: 'dumb', NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
  });
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const closed = once(child, 'close');
  const ended = closed.then(([code]: (number | null)[]) => ({ code: code ?? null, said }));
  const terminal: AtTerminal = {
    until: async (form) => {
      for (;;) {
        const found = form.exec(said);
        if (found !== null) return found;
        if (child.exitCode !== null) throw new Error(`${line}: it ended:\n${said}`);
        await Promise.race([closed, once(child.stdout as Readable, 'data')]);
      }
    },
    type: (keys) => child.stdin?.write(keys),
    ended,
  };
  return { terminal, third: child.stdio[3] as Readable };
}

/** Types a line at a terminal, and answers what it asks. */
export async function typeWithAnswers(
  line: string,
  answers: Readonly<Record<string, string>>,
  place: Place,
): Promise<{ readonly code: number | null; readonly said: string }> {
  const { terminal } = atTerminal(line, place);
  for (const [question, answer] of Object.entries(answers)) {
    await terminal.until(new RegExp(question));
    terminal.type(`${answer}\r`);
  }
  return terminal.ended;
}

/** What a line is that runs until Ctrl-C. */
export interface UntilCtrlC {
  /** What it prints when it is ready; a first group is `$ADDRESS` in `use`. */
  readonly ready: RegExp;
  /** A line that makes use of it, which must succeed. */
  readonly use: string;
}

/**
 * Types a line at a terminal, waits until it is ready, makes use of it, and types Ctrl-C. It has a loopback of its own,
 * where every port is free.
 */
export async function typeUntilCtrlC(
  line: string,
  { ready, use }: UntilCtrlC,
  place: Place,
): Promise<{ readonly code: number | null; readonly said: string }> {
  const wrap = ['bwrap', '--dev-bind', '/', '/', '--unshare-net', '--die-with-parent', '--info-fd', '3'];
  const { terminal, third } = atTerminal(line, place, wrap);
  const info = JSON.parse(await text(third)) as { readonly 'child-pid': number };
  const [, ADDRESS] = await terminal.until(ready);
  const inside = ['-t', `${info['child-pid']}`, '-n', 'bash', '-o', 'pipefail', '-c', use];
  const used = await run('nsenter', inside, { ...place, env: { ...place.env, ADDRESS } });
  terminal.type('\x03');
  const { code, said } = await terminal.ended;
  return used.code === 0 ? { code, said } : { code: used.code, said: `${said}${used.stdout}${used.stderr}` };
}
