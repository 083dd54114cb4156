import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { holdInterrupts } from '../lib/interrupts.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Driver, Invocation, Left } from './driver.ts';
import { notStarted } from './not-started.ts';
import type { Order, Room } from './room.ts';
import { type SpaceWatch, watchSpace } from './space.ts';

/** How a command ended: with a code as shells tell it (128 and more for a signal), or because its time was up. */
export interface Exit {
  readonly code: number;
  readonly isOutOfTime: boolean;
}

export interface StartOptions {
  /** A folder for the run, not made yet. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Gets what the command prints; without it the command has this process's own input and output. */
  readonly onOutput?: ((chunk: Buffer, stream: 'stdout' | 'stderr') => void) | undefined;
  /** Signals of this process that are passed on to the command. */
  readonly passesOn?: readonly NodeJS.Signals[];
  /** Called when nothing of the command runs any more, and what it changed is still there. */
  readonly whenEnded?: ((exit: Exit, left: Left) => Promise<void>) | undefined;
}

/**
 * Runs a command in a room to its end. Nothing of it stays: no process, no mount, no folder.
 * @throws OCISLIM_SANDBOX_FAILED where it could not be started, OCISLIM_DISK_FULL where it has filled the file system of
 * its folder; what `signal` was aborted with
 */
export async function runInRoom(
  driver: Driver,
  room: Room,
  order: Order,
  { folder, signal, onOutput, passesOn = [], whenEnded }: StartOptions,
): Promise<Exit> {
  signal.throwIfAborted();
  requireNoNul(order);
  const kept = removeOnInterrupt(folder);
  const full = new AbortController();
  let invocation: Invocation | undefined;
  let space: SpaceWatch | undefined;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    invocation = await driver.prepare(room, order, folder);
    signal.throwIfAborted();
    space = await watchSpace(folder, dirname(folder), (error) => full.abort(error));
    const exit = await execute(invocation, {
      room,
      signal: AbortSignal.any([signal, full.signal]),
      onOutput,
      passesOn,
    });
    // It may have failed for want of room before that was seen.
    if (exit.code !== 0) await space.look();
    await whenEnded?.(exit, invocation.left);
    return exit;
  } finally {
    space?.stop();
    await invocation?.dispose?.();
    await removeTree(folder);
    kept.forget();
  }
}

/** Programs take arguments and variables that end with a zero; one within would begin another (execve(2)). */
function requireNoNul({ args, cwd, env }: Order): void {
  const words = [...args, cwd, ...Object.entries(env).flat()];
  if (words.some((word) => word.includes('\0'))) {
    throw new OcislimError(
      'OCISLIM_SANDBOX_FAILED',
      'the command, its folder or its environment has a NUL in it',
    );
  }
}

interface Execution extends Pick<StartOptions, 'signal' | 'onOutput'> {
  readonly room: Room;
  readonly passesOn: readonly NodeJS.Signals[];
}

async function execute(
  { file, args, env, hiddenArgs, tellsProcess, traces }: Invocation,
  { room, signal, onOutput, passesOn }: Execution,
): Promise<Exit> {
  const own = onOutput === undefined ? ('inherit' as const) : undefined;
  const sealed = sealInherited(6);
  const child = spawn(file, args, {
    env: { ...env },
    cwd: '/',
    detached: true,
    stdio: [own ?? 'ignore', own ?? 'pipe', own ?? 'pipe', 'pipe', 'pipe', 'pipe', ...sealed.stdio],
  });
  sealed.close();
  // Before anything else is asked of it: what was not started has no pipes on Bun, and an error that is not waited for ends all.
  const ending = ended(child, file);
  if (child.pid === undefined) return { code: await ending, isOutOfTime: false };
  const [, , , given, told, kept] = child.stdio as readonly unknown[];
  let isOutOfTime = false;
  const kill = () => killAll(child, traces === true);
  const { seconds } = room.limits;
  const end = () => {
    isOutOfTime = true;
    kill();
  };
  const timer = seconds === undefined ? undefined : setTimeout(end, Math.min(seconds * 1000, LONGEST));
  signal.addEventListener('abort', kill, { once: true });
  const forwards = tellsProcess
    ? forwardSignals(new Command(child, told as Readable), passesOn, kill)
    : undefined;
  const watch = traces ? watchFirst(child) : undefined;
  try {
    child.stdout?.on('data', (chunk: Buffer) => onOutput?.(chunk, 'stdout'));
    child.stderr?.on('data', (chunk: Buffer) => onOutput?.(chunk, 'stderr'));
    (kept as Readable).resume();
    giveArguments(given as Writable, hiddenArgs ?? []);
    const code = await ending;
    signal.throwIfAborted();
    return { code, isOutOfTime };
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    signal.removeEventListener('abort', kill);
    forwards?.stop();
  }
}

/** The longest time that timers take, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** The command of a driver that tells when it has started it. */
class Command {
  readonly #executed: ChildProcess;
  #isTold = false;
  #waiting: NodeJS.Signals[] = [];

  constructor(executed: ChildProcess, told: Readable) {
    this.#executed = executed;
    told.on('data', () => {
      this.#isTold = true;
      for (const name of this.#waiting.splice(0)) this.send(name);
    });
    told.on('error', () => {});
  }

  /** Now, or once it has started. */
  send(name: NodeJS.Signals): void {
    if (!this.#isTold) {
      this.#waiting.push(name);
      return;
    }
    // The number that the driver tells is that of the namespace which it runs in.
    const driver = childOf(this.#executed.pid);
    const pid = childOf(driver);
    if (pid !== undefined) send(pid, name);
  }
}

function childOf(parent: number | undefined): number | undefined {
  if (parent === undefined) return undefined;
  return processes().find((pid) => parentOf(pid) === parent);
}

/**
 * What this process inherited open, from descriptor `from` on, becomes `/dev/null` for the command, which must not get
 * at files of the host through it (CVE-2024-21626). Node opens its own so that they end with it (`O_CLOEXEC`).
 */
function sealInherited(from: number): { readonly stdio: readonly (number | 'ignore')[]; close(): void } {
  const isInherited = (fd: number) => {
    try {
      const [, flags = '0'] =
        /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? [];
      return (Number.parseInt(flags, 8) & 0o2000000) === 0;
    } catch {
      return false;
    }
  };
  const inherited = readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => fd >= from && isInherited(fd));
  if (inherited.length === 0) return { stdio: [], close: () => {} };
  const empty = openSync('/dev/null', 'r');
  const stdio = Array.from({ length: Math.max(...inherited) - from + 1 }, (_, at) =>
    inherited.includes(from + at) ? empty : ('ignore' as const),
  );
  return { stdio, close: () => closeSync(empty) };
}

function giveArguments(stream: Writable, args: readonly string[]): void {
  // A driver that failed early does not read them.
  stream.on('error', () => {});
  stream.end(args.map((arg) => `${arg}\0`).join(''));
}

function ended(child: ChildProcess, file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(notStarted(file, error)));
    // Once nothing has any of the pipes open, the one that the driver keeps in the room included.
    child.once('close', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : signalNumber(signal))),
    );
  });
}

function killAll({ pid, exitCode }: ChildProcess, isTracer: boolean): void {
  if (pid === undefined || exitCode !== null) return;
  // Without its tracer, what it traces would go on.
  if (isTracer) for (const each of tracedBy(pid)) send(each, 'SIGKILL');
  // A driver with a namespace is its first process, and the namespace ends with that.
  send(-pid, 'SIGKILL');
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** How often it is looked whether what a tracer started first has ended, in milliseconds. */
const LOOK = 200;

/** Ends what a command has left running when it ended; a tracer waits for the last of all that it traces. */
function watchFirst({ pid = 0 }: ChildProcess): NodeJS.Timeout {
  return setInterval(() => {
    const traced = tracedBy(pid);
    // The command is the tracer's only child; what it leaves has other parents.
    if (traced.some((each) => parentOf(each) === pid)) return;
    for (const each of traced) send(each, 'SIGKILL');
  }, LOOK);
}

/** By proc(5); undefined for one that has ended. */
function parentOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const [, parent] = /^PPid:\t(\d+)$/m.exec(status) ?? [];
    return /^State:\tZ/m.test(status) ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

/** The processes that one traces, by proc(5). */
function tracedBy(tracer: number): readonly number[] {
  const line = `TracerPid:\t${tracer}\n`;
  const isTraced = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/status`, 'latin1').includes(line);
    } catch {
      return false;
    }
  };
  return processes().filter(isTraced);
}

function processes(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Interrupts after which a command that does not heed them is ended. */
const PATIENCE = 3;

/** Sends signals that this process gets to the command, and holds it back from ending by them. */
function forwardSignals(
  command: Command,
  signals: readonly NodeJS.Signals[],
  kill: () => void,
): { stop(): void } | undefined {
  if (signals.length === 0) return undefined;
  const held = holdInterrupts();
  let interrupts = 0;
  const handlers = signals.map((name) => {
    const handler = () => {
      if ((name === 'SIGINT' || name === 'SIGTERM') && ++interrupts >= PATIENCE) kill();
      else command.send(name);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return {
    stop: () => {
      for (const [name, handler] of handlers) process.off(name, handler);
      held.release();
    },
  };
}

function signalNumber(name: NodeJS.Signals): number {
  return constants.signals[name];
}
