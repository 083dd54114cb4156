import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { systemCode } from './errors.ts';
import { LineCutter } from './lines.ts';

/** A program and its arguments. */
export type Argv = readonly string[];

export interface ProcessOptions {
  readonly cwd?: string | undefined;
  /** The whole environment; nothing of this process's own is added. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** Called for each line that is printed, without its end. */
  readonly onLine?: ((line: string, stream: 'stdout' | 'stderr') => void) | undefined;
  /** What the program reads from its standard input; default nothing. */
  readonly input?: string | undefined;
  /** Milliseconds between the polite signal and SIGKILL. Default 3000. */
  readonly grace?: number | undefined;
}

/** How a program ended: one of the two is null. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Milliseconds that output is waited for once a program has ended: something may have left its group, and hold the pipe. */
const DRAIN = 2000;

/** Leaders of groups that run now, so that this process leaves none behind however it ends by itself. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL');
});

/**
 * Runs a program in a process group of its own, and ends the whole group with it: what it started and left behind as
 * well, and when `signal` is aborted. Nothing of the group runs any more when this settles.
 * @throws the system's error when it cannot be started; the signal's reason when that was aborted
 */
export async function runProcess(argv: Argv, options: ProcessOptions): Promise<ProcessEnd> {
  const { cwd, env, signal, input, grace = 3000 } = options;
  signal?.throwIfAborted();
  const [command = '', ...args] = argv;
  const child = spawn(command, args, {
    cwd,
    env,
    // A session of its own, so that it can be signalled as a group (setsid(2), kill(2) with a negative number).
    detached: process.platform !== 'win32',
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const lines = [
    passLines(child.stdout, (line) => options.onLine?.(line, 'stdout')),
    passLines(child.stderr, (line) => options.onLine?.(line, 'stderr')),
  ];
  child.stdin?.on('error', () => {
    // A program that ends without reading is judged by how it ends.
  });
  child.stdin?.end(input);

  let forced: NodeJS.Timeout | undefined;
  const stop = () => {
    killGroup(child, 'SIGTERM');
    forced = setTimeout(() => killGroup(child, 'SIGKILL'), grace);
  };
  signal?.addEventListener('abort', stop, { once: true });
  running.add(child);
  try {
    const end = await endOf(child);
    clearTimeout(forced);
    killGroup(child, 'SIGKILL');
    await drained(child, lines);
    signal?.throwIfAborted();
    return end;
  } finally {
    clearTimeout(forced);
    signal?.removeEventListener('abort', stop);
    running.delete(child);
  }
}

function endOf(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

async function drained(child: ChildProcess, lines: readonly Promise<void>[]): Promise<void> {
  const tooLate = setTimeout(() => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, DRAIN);
  await Promise.all(lines);
  clearTimeout(tooLate);
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    child.kill(signal);
    return;
  }
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nothing of the group is left.
  }
}

/** Hands on each line of a stream; settles when the stream has ended in whatever way. */
function passLines(stream: Readable | null, take: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    if (stream === null) {
      resolve();
      return;
    }
    const lines = new LineCutter(take);
    stream.on('data', (chunk: Buffer) => lines.write(chunk));
    stream.on('error', () => {});
    stream.on('close', () => {
      lines.end();
      resolve();
    });
  });
}

/** Characters that {@link outputOf} keeps. */
const OUTPUT_LIMIT = 1024 * 1024;

/** What a program prints; undefined when it fails, or is not there. */
export async function outputOf(
  argv: Argv,
  options: Omit<ProcessOptions, 'onLine'>,
): Promise<string | undefined> {
  let output = '';
  const onLine = (line: string, stream: 'stdout' | 'stderr') => {
    if (stream === 'stdout' && output.length < OUTPUT_LIMIT) output += `${line}\n`;
  };
  try {
    const { code } = await runProcess(argv, { ...options, onLine });
    return code === 0 ? output : undefined;
  } catch (error) {
    if (options.signal?.aborted || systemCode(error) === undefined) throw error;
    return undefined;
  }
}
