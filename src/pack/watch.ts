import type { Snapshot } from './watched-files.ts';

/** Milliseconds without a change after which files are looked at: a build or a checkout writes many. */
const QUIET = 100;
/** After so many times QUIET they are looked at although something goes on changing. */
const PATIENCE = 20;

/** Says that something may have changed since it was last lowered. */
export interface ChangeFlag {
  raise(): void;
  lower(): void;
  readonly isRaised: boolean;
  /** @throws the signal's reason */
  raised(signal: AbortSignal): Promise<void>;
}

/** One attempt, and how it went. */
export interface Attempt {
  /** Absolute paths of what changed since the one before, sorted; none for the first. */
  readonly changed: readonly string[];
  readonly error: unknown;
  readonly milliseconds: number;
  /** Files that are watched. */
  readonly files: number;
}

export interface WatchPorts {
  /** What the files to be watched are now; sees to it that the flag is raised by what changes from here on. */
  look(): Promise<Snapshot>;
  readonly flag: ChangeFlag;
  /** What was made by the attempts, and is no reason for another. */
  isOwn(path: string): boolean;
  pause(milliseconds: number, signal: AbortSignal): Promise<unknown>;
  /** Milliseconds. */
  now(): number;
  attempt(changed: readonly string[]): Promise<void>;
  /** Throws to end it all. */
  ended(attempt: Attempt): void;
}

/**
 * Makes an attempt, and another whenever files have changed since the last one began, until the signal ends it. Events
 * only say when to look; what counts is how the files are then, so that none is missed or taken twice.
 * @throws the signal's reason, and what `ended` throws
 */
export async function watch(ports: WatchPorts, signal: AbortSignal): Promise<never> {
  let seen = await ports.look();
  let changed: readonly string[] = [];
  for (;;) {
    const started = ports.now();
    const error = await ports.attempt(changed).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    signal.throwIfAborted();
    ports.ended({ changed, error, milliseconds: ports.now() - started, files: seen.size });
    ({ seen, changed } = await nextChange(seen, ports, signal));
  }
}

async function nextChange(
  before: Snapshot,
  ports: WatchPorts,
  signal: AbortSignal,
): Promise<{ readonly seen: Snapshot; readonly changed: readonly string[] }> {
  for (let seen = before; ; ) {
    await ports.flag.raised(signal);
    await untilQuiet(ports, signal);
    const now = await ports.look();
    const changed = differences(seen, now).filter((path) => !ports.isOwn(path));
    if (changed.length > 0) return { seen: now, changed };
    seen = now;
  }
}

async function untilQuiet({ flag, pause }: WatchPorts, signal: AbortSignal): Promise<void> {
  for (let times = 0; flag.isRaised && times < PATIENCE; times++) {
    flag.lower();
    await pause(QUIET, signal);
  }
}

/** Paths that are new, gone, or other than before, sorted. */
export function differences(before: Snapshot, now: Snapshot): readonly string[] {
  const gone = [...before.keys()].filter((path) => !now.has(path));
  const others = [...now].filter(([path, stamp]) => before.get(path) !== stamp).map(([path]) => path);
  return [...gone, ...others].sort();
}

export function changeFlag(): ChangeFlag {
  let isRaised = false;
  const waiting = new Set<() => void>();
  return {
    get isRaised() {
      return isRaised;
    },
    lower: () => {
      isRaised = false;
    },
    raise: () => {
      isRaised = true;
      for (const wake of waiting) wake();
    },
    raised: (signal) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          waiting.delete(wake);
          signal.removeEventListener('abort', stop);
          settle();
        };
        const wake = () => end(resolve);
        const stop = () => end(() => reject(signal.reason));
        if (signal.aborted) reject(signal.reason);
        else if (isRaised) resolve();
        else {
          waiting.add(wake);
          signal.addEventListener('abort', stop);
        }
      }),
  };
}
