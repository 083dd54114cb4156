import { OcislimError } from '../lib/errors.ts';
import { parseReference, type Reference } from '../registry/reference.ts';

/** A place where images are, as the ecosystem writes it: `docker://REF`, `oci:DIR[:NAME]`, … */
export type Location =
  | {
      readonly transport: 'docker' | 'store' | 'any';
      readonly reference: Reference;
      /** The name as written where it names no registry: registries.conf may have an alias for it. */
      readonly short?: string | undefined;
    }
  | { readonly transport: 'oci' | 'oci-archive'; readonly path: string; readonly name?: string | undefined }
  /** `path` is `-` for standard output. */
  | {
      readonly transport: 'docker-archive';
      readonly path: string;
      readonly reference?: Reference | undefined;
    }
  | { readonly transport: 'docker-daemon' | 'podman'; readonly reference?: Reference | undefined };

export interface LocationOptions {
  /** What a name without a transport is: an image of a registry (default), of the store, or of either. */
  readonly default?: 'docker' | 'store' | 'any';
  /** `output`: a bare `FILE.tar` and `-` are docker-archives, and a bare name is a mistake. */
  readonly as?: 'source' | 'destination' | 'output';
}

const TRANSPORTS = [
  'docker',
  'store',
  'oci',
  'oci-archive',
  'docker-archive',
  'docker-daemon',
  'podman',
] as const;

/** @throws OCISLIM_USAGE for a place without its path, and OCISLIM_REFERENCE_INVALID */
export function parseLocation(text: string, options: LocationOptions = {}): Location {
  const { default: bare = 'docker', as = 'source' } = options;
  const transport = TRANSPORTS.find((name) => text.startsWith(`${name}:`));
  if (transport === undefined) {
    const isOutput = as !== 'source';
    if (isOutput && (text === '-' || text.endsWith('.tar')))
      return { transport: 'docker-archive', path: text };
    if (as === 'output') throw noOutput(text);
    return named(bare, text);
  }
  const rest = text.slice(transport.length + 1);
  switch (transport) {
    case 'docker':
    case 'store':
      return named(transport, rest.replace(/^\/\//, ''));
    case 'docker-daemon':
    case 'podman':
      return rest === '' && as !== 'source' ? { transport } : { transport, reference: parseReference(rest) };
    case 'docker-archive': {
      const { path, name } = splitPath(text, rest);
      return { transport, path, ...(name === undefined ? {} : { reference: parseReference(name) }) };
    }
    case 'oci':
    case 'oci-archive':
      return { transport, ...splitPath(text, rest) };
  }
}

function named(transport: 'docker' | 'store' | 'any', name: string): Location {
  const reference = parseReference(name);
  const isShort = !name.startsWith(`${reference.registry}/`);
  return { transport, reference, ...(isShort && transport !== 'store' ? { short: name } : {}) };
}

/** `PATH[:NAME]`; the path ends at the first colon, but for the one of a Windows drive. */
function splitPath(text: string, rest: string): { readonly path: string; readonly name?: string } {
  const colon = rest.indexOf(':', /^[A-Za-z]:[\\/]/.test(rest) ? 2 : 0);
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const name = colon < 0 ? '' : rest.slice(colon + 1);
  if (path === '') throw new OcislimError('OCISLIM_USAGE', `${text}: has no path`);
  return name === '' ? { path } : { path, name };
}

function noOutput(text: string): OcislimError {
  return new OcislimError('OCISLIM_USAGE', `-o ${text}: no place that ocislim knows`, {
    hint: `oci:${text}, oci-archive:${text}.tar, docker-archive:${text}.tar, ${text}.tar, docker-daemon: or podman:; to a registry with --push`,
  });
}
