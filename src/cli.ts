import { removePendingFiles } from './lib/atomic-file.ts';
import { OcislimError } from './lib/errors.ts';
import { areInterruptsHeld } from './lib/interrupts.ts';
import { ownProcess } from './lib/own-process.ts';

/** How long an interrupted command may take to stop by itself, in milliseconds. */
const GRACE = 800;

/**
 * The command line. Ends the process with the exit code of docs/cli.md; the only place that does so.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const controller = new AbortController();
  let reported: Promise<number> | undefined;
  const reportOnce = (error: unknown) => (reported ??= report(error, argv, controller.signal));
  const leaveInterrupted = () => {
    void reportOnce(controller.signal.reason).finally(() => leave(130));
  };
  const stop = () => {
    if (areInterruptsHeld()) return;
    if (controller.signal.aborted) {
      leaveInterrupted();
      return;
    }
    controller.abort(new OcislimError('OCISLIM_INTERRUPTED', 'interrupted'));
    setTimeout(leaveInterrupted, GRACE).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // `ocislim images | head` closes the pipe early, which is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    leave(error.code === 'EPIPE' ? 0 : 1);
  });
  // A bug; even then nothing half-written stays behind.
  process.once('uncaughtException', (error) => {
    void reportOnce(error).finally(() => leave(1));
  });

  ownProcess();
  const code = await run(argv, controller.signal, reportOnce);
  process.stdout.write('', () => leave(code));
}

async function run(
  argv: readonly string[],
  signal: AbortSignal,
  onFailure: (error: unknown) => Promise<number>,
): Promise<number> {
  try {
    const { createProgram } = await import('./commands/program.ts');
    await createProgram(signal, argv[0]).parseAsync(argv.length === 0 ? ['--help'] : [...argv], {
      from: 'user',
    });
    // A command that gave its result may still have found that not all is well.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return onFailure(error);
  }
}

/** Shows a failure as the contract says, and gives its exit code. */
async function report(error: unknown, argv: readonly string[], signal: AbortSignal): Promise<number> {
  const { renderError } = await import('./ui/errors.ts');
  const { wantsColour } = await import('./ui/colour.ts');
  const options = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined);
  const verbose = options.includes('-v') || options.includes('--verbose');
  // What fails once it was told to stop, fails because of that.
  const shown = signal.aborted
    ? new OcislimError('OCISLIM_INTERRUPTED', 'interrupted', { cause: error })
    : error;
  if (options.includes('--json')) {
    process.stdout.write(`${renderError(shown, { verbose, json: true, colour: false })}\n`);
  } else {
    const colour = wantsColour(process.stderr, process.env);
    process.stderr.write(`${renderError(shown, { verbose, json: false, colour })}\n`);
  }
  return shown instanceof OcislimError ? shown.exitCode : 1;
}

function leave(code: number): never {
  removePendingFiles();
  process.exit(code);
}
