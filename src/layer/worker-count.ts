import { availableParallelism } from 'node:os';
import { OcislimError } from '../lib/errors.ts';

/** What the thread that reads, hashes and writes keeps busy; each takes about ten megabytes. */
const MOST_WORKERS = 3;

/** How many workers to start: `OCISLIM_WORKERS`, or one a core, at most 3; a single core is this thread's. @throws OCISLIM_USAGE */
export function workerCount(env: NodeJS.ProcessEnv = process.env): number {
  const wish = env['OCISLIM_WORKERS'];
  if (wish === undefined || wish === '') {
    const cores = availableParallelism();
    return cores === 1 ? 0 : Math.min(cores, MOST_WORKERS);
  }
  if (/^\d{1,2}$/.test(wish)) return Number(wish);
  throw new OcislimError('OCISLIM_USAGE', `OCISLIM_WORKERS=${wish}: not a number of threads`, {
    hint: '0 to 99; 0 compresses on one thread',
  });
}
