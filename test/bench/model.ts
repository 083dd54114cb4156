import type { Bench } from './place.ts';
import type { Bar } from './statistics.ts';

/** A program to start; all of one contender's are started one after the other. */
export interface Command {
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A tool that does the work of a case. */
export interface Contender {
  readonly name: string;
  /** What it is asked to do, and what it had beforehand, as the report says it. */
  readonly how: string;
  /** What is timed. `run` counts from 0, and is below 0 for runs that only warm up. */
  readonly commands: (run: number) => readonly Command[];
  /** What must be so before a run; not timed. */
  readonly before?: (run: number) => void | Promise<void>;
  /** Further figures, once all runs are over; not timed. */
  readonly after?: () => Promise<Readonly<Record<string, number>>>;
  /** Fewer runs than the others have. */
  readonly runs?: number;
  /** Size of what it works on, in units of 1,000,000 bytes, where time for each is of interest. */
  readonly megabytes?: number;
}

export interface Case {
  /** `large` on the command line also means `large-…`. */
  readonly name: string;
  readonly title: string;
  readonly runs: number;
  /** Runs before those that count, which fill caches. */
  readonly warmUps: number;
  /** Whether the memory of its processes is measured, which takes GNU time. */
  readonly hasMemory?: boolean;
  readonly bars: readonly Bar[];
  readonly open: (bench: Bench) => Promise<readonly Contender[]>;
}
