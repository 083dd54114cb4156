import { join } from 'node:path';
import { root, run } from './cli.ts';

/**
 * Makes the standalone executable of a checkout, with its documentation beside it.
 * @returns whether there is one now, and what is needed where there is not, as `describeWithPeers` takes them
 */
export async function buildStandalone(
  checkout = root,
): Promise<{ readonly met: boolean; readonly need: string }> {
  const script = join(checkout, 'scripts/build-standalone.mjs');
  const built = await run(process.execPath, [script]).catch((error: unknown) => ({
    code: null,
    stderr: String(error),
  }));
  return { met: built.code === 0, need: `Bun from npm (${built.stderr.trim().split('\n').at(-1)})` };
}
