import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import type { Driver, Invocation } from './driver.ts';
import type { Order, Room } from './room.ts';

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
}

/**
 * Runs a command in a room to its end. Nothing of it stays: no process, no mount, no folder.
 * @throws OCISLIM_SANDBOX_FAILED where it could not be started; what `signal` was aborted with
 */
export async function runInRoom(
  driver: Driver,
  room: Room,
  order: Order,
  { folder, signal, onOutput, passesOn = [] }: StartOptions,
): Promise<Exit> {
  signal.throwIfAborted();
  const kept = removeOnInterrupt(folder);
  let invocation: Invocation | undefined;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    invocation = await driver.prepare(room, order, folder);
    signal.throwIfAborted();
    return await execute(invocation, { order, room, signal, onOutput, passesOn });
  } finally {
    await invocation?.dispose?.();
    await driver.remove(folder);
    kept.forget();
  }
}

interface Execution extends Pick<StartOptions, 'signal' | 'onOutput'> {
  readonly order: Order;
  readonly room: Room;
  readonly passesOn: readonly NodeJS.Signals[];
}

async function execute(
  { file, args, env, hiddenArgs, tellsProcess, traces }: Invocation,
  { order, room, signal, onOutput, passesOn }: Execution,
): Promise<Exit> {
  const own = onOutput === undefined ? ('inherit' as const) : undefined;
  const sealed = sealInherited(6);
  const child = spawn(file, args, {
    env: { ...env },
    cwd: '/',
    // A terminal belongs to a group of processes.
    detached: order.isInteractive !== true,
    stdio: [own ?? 'ignore', own ?? 'pipe', own ?? 'pipe', 'pipe', 'pipe', 'pipe', ...sealed.stdio],
  });
  sealed.close();
  let isOutOfTime = false;
  const kill = () => killAll(child, { isGroup: order.isInteractive !== true, isTracer: traces === true });
  const { seconds } = room.limits;
  const timer =
    seconds === undefined
      ? undefined
      : setTimeout(() => {
          isOutOfTime = true;
          kill();
        }, seconds * 1000);
  signal.addEventListener('abort', kill, { once: true });
  const forwards = tellsProcess ? forwardSignals(child, passesOn) : undefined;
  try {
    child.stdout?.on('data', (chunk: Buffer) => onOutput?.(chunk, 'stdout'));
    child.stderr?.on('data', (chunk: Buffer) => onOutput?.(chunk, 'stderr'));
    const [, , , given, , kept] = child.stdio as readonly unknown[];
    (kept as Readable).resume();
    giveArguments(given as Writable, hiddenArgs ?? []);
    const code = await ended(child, file);
    signal.throwIfAborted();
    return { code, isOutOfTime };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    forwards?.stop();
  }
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
    child.once('error', (error) => {
      const why = systemCode(error) === 'ENOENT' ? 'it is not installed' : error.message;
      reject(new OcislimError('OCISLIM_SANDBOX_FAILED', `${file}: ${why}`, { cause: error }));
    });
    // Once nothing has any of the pipes open, the one that the driver keeps in the room included.
    child.once('close', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : signalNumber(signal))),
    );
  });
}

function killAll(
  { pid, exitCode }: ChildProcess,
  { isGroup, isTracer }: { readonly isGroup: boolean; readonly isTracer: boolean },
): void {
  if (pid === undefined || exitCode !== null) return;
  const kill = (each: number) => {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  // Without its tracer, what it traces would go on; a namespace ends with its first process.
  if (isTracer) for (const each of tracedBy(pid)) kill(each);
  kill(isGroup ? -pid : pid);
}

/** The processes that one traces, by proc(5). */
function tracedBy(tracer: number): readonly number[] {
  const line = `TracerPid:\t${tracer}\n`;
  const isTraced = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/status`, 'latin1').includes(line);
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isTraced(name))
    .map(Number);
}

/** Sends signals that this process gets to the command, which the driver names on descriptor 4. */
function forwardSignals(child: ChildProcess, signals: readonly NodeJS.Signals[]): { stop(): void } {
  let told = '';
  const stream = child.stdio[4] as Readable;
  stream.on('data', (chunk: Buffer) => {
    told += chunk.toString('latin1');
  });
  stream.on('error', () => {});
  const handlers = signals.map((name) => {
    const handler = () => {
      const pid = Number(/"child-pid"\s*:\s*(\d+)/.exec(told)?.[1]);
      try {
        if (pid > 1) process.kill(pid, name);
      } catch {
        // It has ended by itself.
      }
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return { stop: () => handlers.forEach(([name, handler]) => void process.off(name, handler)) };
}

function signalNumber(name: NodeJS.Signals): number {
  return constants.signals[name];
}
