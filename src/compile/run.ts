import { OcislimError, systemCode } from '../lib/errors.ts';
import type { Argv, ProcessEnd } from '../lib/process.ts';
import type { Plan } from './recipe.ts';

/** Lines of a compiler that are kept for the error. */
const KEPT = 50;

/** Runs a command where a plan's places are: on this machine, or in a sandbox. */
export type Runner = (
  argv: Argv,
  options: {
    readonly cwd: string;
    /** What the plan adds to the environment. */
    readonly env: Readonly<Record<string, string>>;
    readonly onLine: (line: string) => void;
  },
) => Promise<ProcessEnd>;

/**
 * Runs the steps of a plan, whose places must be there.
 * @param onLine gets each line that the compiler prints
 * @throws OCISLIM_COMPILE_FAILED with the last lines that the failed step has printed; what the sandbox throws
 */
export async function runPlan(plan: Plan, run: Runner, onLine?: (line: string) => void): Promise<void> {
  const { cwd, env } = plan;
  for (const step of plan.steps) {
    const lines: string[] = [];
    const take = (line: string) => {
      lines.push(line);
      if (lines.length > KEPT) lines.shift();
      onLine?.(line);
    };
    const end = await run(step, { cwd, env, onLine: take }).catch((error: unknown) => {
      // What the sandbox has to say is said already.
      const isSystem = !(error instanceof OcislimError) && systemCode(error) !== undefined;
      throw isSystem ? cannotRun(step, error) : error;
    });
    if (end.code !== 0) throw compileFailed(step, end, lines);
  }
}

function cannotRun(step: Argv, error: unknown): OcislimError {
  const why = `${step[0]}: cannot be run (${systemCode(error)})`;
  return new OcislimError('OCISLIM_COMPILE_FAILED', why, { cause: error });
}

function compileFailed(step: Argv, end: ProcessEnd, output: readonly string[]): OcislimError {
  const how = end.code === null ? `was ended by ${end.signal}` : `failed with exit code ${end.code}`;
  return new OcislimError('OCISLIM_COMPILE_FAILED', `${shortened(step)} ${how}`, {
    hint: end.signal === 'SIGKILL' ? 'the machine may have run out of memory' : undefined,
    output,
  });
}

/** The command without its options: `cargo install`. */
function shortened([command = '', first = '']: Argv): string {
  return /^[a-z]+$/.test(first) ? `${command} ${first}` : command;
}
