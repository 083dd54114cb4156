import { removeTree } from '../lib/remove-tree.ts';
import { runInRoom } from '../sandbox/start.ts';
import type { Context } from '../transports/context.ts';
import { openCopy } from './copy-root.ts';
import type { RunLayerRequest } from './run-layer.ts';
import { ensureStack } from './stack.ts';

/** Signals that are for the shell while it has the terminal. */
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGWINCH'];

/** A shell in the place of a command that failed: what it sees is what the command began with. */
export async function debugShell(
  { layers, tree, driver, room, order }: Omit<RunLayerRequest, 'onOutput' | 'created'>,
  context: Context,
): Promise<void> {
  const { store, signal, progress, env } = context;
  progress.note('a shell at this point, before the command that failed; exit ends it');
  const place = await store.temporaryFile();
  try {
    const tocs = await Promise.all(layers.map((layer) => store.tocs.get(layer, { signal })));
    const root =
      driver.files.method === 'copy'
        ? { ...(await openCopy(layers, place, context)), isOwnRoot: true }
        : await ensureStack(layers, tocs, driver.files, context);
    const shell = tree.lookup('bin/sh') === undefined ? order.args.slice(0, 1) : ['/bin/sh'];
    const own = env['TERM'] === undefined ? order.env : { TERM: env['TERM'], ...order.env };
    await runInRoom(
      driver,
      { ...room, ...root },
      { ...order, args: shell, env: own, isInit: true },
      { folder: await store.temporaryFile(), signal, passesOn: SIGNALS },
    );
  } finally {
    await removeTree(place);
  }
}
