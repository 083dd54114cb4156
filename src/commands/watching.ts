import { relative, resolve, sep } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ExitCode, OcislimError } from '../lib/errors.ts';
import { openFolderWatcher } from '../pack/folder-watcher.ts';
import type { PackRequest, PackResult } from '../pack/request.ts';
import { type Attempt, changeFlag, watch } from '../pack/watch.ts';
import { takeSnapshot, watchTargets } from '../pack/watched-files.ts';
import { wantsColour } from '../ui/colour.ts';
import { renderError } from '../ui/errors.ts';
import { sanitise } from '../ui/sanitise.ts';
import type { Session } from './session.ts';

/** Changed files that are named. */
const SHOWN = 5;

export interface Watching {
  readonly request: PackRequest;
  /** Files that each attempt writes besides its outputs. */
  readonly ownFiles: readonly (string | undefined)[];
  readonly verbose: boolean;
  packOnce(): Promise<PackResult>;
}

/** Packs whenever what is packed changes, until it is interrupted; the process then ends with 130. */
export async function packWhileWatching(
  { request, ownFiles, verbose, packOnce }: Watching,
  session: Session,
  signal: AbortSignal,
): Promise<void> {
  if (request.outputs.includes('-'))
    throw new OcislimError('OCISLIM_USAGE', '--watch with -o -: standard output takes one archive', {
      hint: 'write to a file, or use --load',
    });
  const { cwd } = session.context;
  const flag = changeFlag();
  const watcher = openFolderWatcher(flag.raise);
  const own = new Set<string>();
  for (const file of ownFiles) if (file !== undefined) own.add(resolve(cwd, file));
  let isFirst = true;
  try {
    await watch(
      {
        flag,
        look: async () => takeSnapshot(await watchTargets(request, cwd), watcher.add, signal),
        isOwn: (path) => [...own].some((each) => path === each || path.startsWith(each + sep)),
        pause: (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal }),
        now: () => performance.now(),
        attempt: async (changed) => {
          if (changed.length > 0) session.say(changedLine(changed, cwd));
          const { outputs } = await packOnce();
          for (const { type, dest } of outputs) if (type !== 'registry') own.add(resolve(cwd, dest));
        },
        ended: (attempt) => {
          if (isFirst && isLasting(attempt.error)) throw attempt.error;
          isFirst = false;
          if (attempt.error !== undefined) showError(attempt.error, verbose, session);
          session.say(endLine(attempt));
        },
      },
      signal,
    );
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = ExitCode.Interrupted;
  } finally {
    watcher.close();
  }
}

/** Whether it is the command line that is wrong, which no change of a file would mend. */
function isLasting(error: unknown): boolean {
  return (
    error instanceof OcislimError &&
    error.exitCode === ExitCode.Usage &&
    !['OCISLIM_INPUT_NOT_FOUND', 'OCISLIM_INPUT_INVALID'].includes(error.code)
  );
}

function showError(error: unknown, verbose: boolean, { json }: Session): void {
  const colour = wantsColour(process.stderr, process.env);
  const text = renderError(error, { verbose, json, colour: colour && !json });
  (json ? process.stdout : process.stderr).write(`${text}\n`);
}

function changedLine(changed: readonly string[], cwd: string): string {
  const shown = changed.slice(0, SHOWN).map((path) => relative(cwd, path));
  const more = changed.length - shown.length;
  return sanitise(`changed: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`);
}

function endLine({ error, milliseconds, files }: Attempt): string {
  const seconds = (milliseconds / 1000).toFixed(1);
  const went = error === undefined ? `packed in ${seconds} s` : `failed after ${seconds} s`;
  return `${went}; watching ${files} ${files === 1 ? 'file' : 'files'}, Ctrl-C ends it`;
}
