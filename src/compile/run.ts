import { OcislimError, systemCode } from '../lib/errors.ts';
import { type Argv, type ProcessEnd, runProcess } from '../lib/process.ts';
import type { Plan } from './recipe.ts';

/** Lines of a compiler that are kept for the error. */
const KEPT = 50;

export interface RunOptions {
  /** The whole environment but what the plan adds. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Gets each line that the compiler prints. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** The command that runs a step where it is to run; default the step itself, on this machine. */
  readonly wrap?: ((step: Argv, plan: Plan) => Argv) | undefined;
}

/**
 * Runs the steps of a plan, whose places must be there.
 * @throws OCISLIM_COMPILE_FAILED with the last lines that the failed step has printed
 */
export async function runPlan(plan: Plan, { env, signal, onLine, wrap }: RunOptions): Promise<void> {
  for (const step of plan.steps) {
    const lines: string[] = [];
    const take = (line: string) => {
      lines.push(line);
      if (lines.length > KEPT) lines.shift();
      onLine?.(line);
    };
    const argv = wrap?.(step, plan) ?? step;
    const end = await runProcess(argv, {
      ...(wrap === undefined ? { cwd: plan.cwd } : {}),
      env: { ...env, ...plan.env },
      signal,
      onLine: take,
    }).catch((error: unknown) => {
      throw systemCode(error) === undefined || signal?.aborted ? error : cannotRun(step, error);
    });
    if (end.code !== 0) throw compileFailed(step, end, lines);
  }
}

function cannotRun(step: Argv, error: unknown): OcislimError {
  const why = `${step[0]}: cannot be run (${systemCode(error)})`;
  return new OcislimError('OCISLIM_COMPILE_FAILED', why, { cause: error });
}

/** The error for a step that has failed, with what it printed last. */
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
