import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import type { Context } from '../transports/context.ts';
import { parseLocation } from '../transports/location.ts';
import { OciLayout } from '../transports/oci-layout.ts';
import { isLoopback, type RunningServer, type ServerOptions, startServer } from './server.ts';
import { type Shelf, shelfOfLayout, shelfOfStore, shownNames } from './shelf.ts';

export interface ServeRequest extends ServerOptions {
  /** `store`, `oci:DIR`, or a layout's folder; none is the store. */
  readonly sources: readonly string[];
  /** Whether an address may be one that other machines reach. */
  readonly isOpen: boolean;
}

export interface Served extends RunningServer {
  /** `127.0.0.1:5000/hello:latest`, in alphabetical order. */
  readonly images: readonly string[];
}

/**
 * Serves the store or layouts as a registry that can only be read.
 * @throws OCISLIM_USAGE for an address that others reach and nobody allowed, OCISLIM_NOT_FOUND for what is no layout
 */
export async function serve(request: ServeRequest, context: Context): Promise<Served> {
  const address = request.address === 'localhost' ? '127.0.0.1' : request.address;
  checkAddress(address, request.isOpen);
  const shelves = request.sources.length === 0 ? [shelfOfStore(context.store)] : [];
  for (const source of request.sources) shelves.push(await openShelf(source, context));
  const shelf: Shelf = async () => (await Promise.all(shelves.map((each) => each()))).flat();
  const names = shownNames(await shelf());
  const server = await startServer(shelf, { ...request, address });
  return { ...server, images: names.map((name) => `${server.host}/${name}`) };
}

function checkAddress(address: string, isOpen: boolean): void {
  if (isIP(address) === 0)
    throw new OcislimError('OCISLIM_USAGE', `--address ${address}: not an IP address`, {
      hint: 'for example 127.0.0.1 or ::1',
    });
  if (isOpen || isLoopback(address)) return;
  throw new OcislimError('OCISLIM_USAGE', `--address ${address}: other machines could pull from there`, {
    hint: 'there is no password: say --listen-anywhere where that is meant',
  });
}

async function openShelf(source: string, { store, cwd }: Context): Promise<Shelf> {
  if (source === 'store' || source === 'store:') return shelfOfStore(store);
  const location = /^[a-z-]+:/.test(source)
    ? parseLocation(source)
    : { transport: 'oci' as const, path: source };
  if (location.transport !== 'oci')
    throw new OcislimError('OCISLIM_USAGE', `${source}: only the store and layouts can be served`, {
      hint: `copy it into one first: ocislim copy ${source} oci:served`,
    });
  const folder = resolve(cwd, location.path);
  const layout = new OciLayout(folder, location.path);
  // What is no layout is told now, not to the first client.
  await layout.index();
  return shelfOfLayout(layout, folder);
}
