import { silent } from '../../src/lib/progress.ts';
import { Store } from '../../src/store/store.ts';
import type { Context } from '../../src/transports/context.ts';
import { tempDir } from './temp.ts';

/** A context with a store of its own and no registries. */
export async function testContext(more: Partial<Context> = {}): Promise<Context> {
  return {
    store: await Store.open(tempDir()),
    registry: () => Promise.reject(new Error('this test has no registry')),
    progress: silent,
    signal: new AbortController().signal,
    cwd: tempDir(),
    env: {},
    offline: false,
    ...more,
  };
}
