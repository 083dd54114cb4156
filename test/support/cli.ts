import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PackResult } from '../../src/pack/request.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = fileURLToPath(new URL('../../bin/ocislim.js', import.meta.url));
const executable = process.env['OCISLIM_TEST_BIN'];
/** The words that start `ocislim`: the built package on this Node, or the executable that `OCISLIM_TEST_BIN` names. */
export const ocislimCommand: readonly [string, ...string[]] =
  executable === undefined ? [process.execPath, bin] : [executable];

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
  readonly uid?: number;
  readonly gid?: number;
  /** The Node to run the built package with, whatever `OCISLIM_TEST_BIN` says; default this one. */
  readonly node?: string;
  /** A command in front, such as `taskset -c 0`. */
  readonly wrap?: readonly string[];
}

/** Runs a program to its end and gives what it printed; never throws for its exit code. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd, uid, gid, input } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...options.env },
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({
        code,
        signal,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
  });
}

/** Runs the built `ocislim`. */
export function ocislim(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const command = [
    ...(options.wrap ?? []),
    ...(options.node === undefined ? ocislimCommand : [options.node, bin]),
    ...args,
  ];
  return run(command[0] ?? '', command.slice(1), options);
}

/** Runs a program that must succeed; what it printed on failure is in the error. */
export async function must(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const ran = await run(command, args, options);
  if (ran.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: exit ${ran.code ?? ran.signal}\n${ran.stdout}\n${ran.stderr}`,
    );
  }
  return ran.stdout;
}

/** Runs `ocislim`, which must succeed, and gives what it printed. */
export async function succeeded(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const ran = await ocislim(args, options);
  if (ran.code !== 0)
    throw new Error(`ocislim ${args.join(' ')}: exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  return ran.stdout;
}

/** What `ocislim pack --json` made. */
export async function packed(args: readonly string[], options: RunOptions = {}): Promise<PackResult> {
  return JSON.parse(await succeeded([...args, '--json'], options)) as PackResult;
}
