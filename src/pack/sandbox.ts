import { join } from 'node:path';
import { type ChooseOptions, chooseDriver, type SandboxName } from '../sandbox/choose.ts';
import type { Driver } from '../sandbox/driver.ts';
import type { Context } from '../transports/context.ts';

/** What keeps commands in here, as asked for. @throws OCISLIM_SANDBOX_UNAVAILABLE */
export function sandboxFor(name: SandboxName, context: Context): Promise<Driver> {
  return chooseDriver(name, sandboxPlaces(context));
}

/** Where sandboxes work, and where it is remembered which one does. */
function sandboxPlaces({ store, signal }: Context): ChooseOptions {
  return { place: () => store.temporaryFile(), memo: join(store.root, 'sandbox'), signal };
}
