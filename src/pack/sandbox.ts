import { join } from 'node:path';
import { chooseDriver, type SandboxName } from '../sandbox/choose.ts';
import type { Driver } from '../sandbox/driver.ts';
import type { Context } from '../transports/context.ts';

/**
 * What keeps commands in here, as asked for.
 * @param instead what else the user can do where nothing works
 * @throws OCISLIM_SANDBOX_UNAVAILABLE
 */
export function sandboxFor(name: SandboxName, context: Context, instead?: string): Promise<Driver> {
  const { store, signal } = context;
  // What is found is remembered in the store, where runs have their folders.
  const options = { place: () => store.temporaryFile(), memo: join(store.root, 'sandbox'), instead, signal };
  return chooseDriver(name, options);
}
