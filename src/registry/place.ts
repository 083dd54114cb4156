import { OcislimError } from '../lib/errors.ts';
import { normalKey } from './auth-file.ts';
import { parseReference, type Reference } from './reference.ts';

/**
 * A registry, or a repository of one, as people give it to `login`: perhaps with a scheme.
 * @param command what was asked for, for the message
 * @throws OCISLIM_USAGE for what is no host; OCISLIM_REFERENCE_INVALID
 */
export function parsePlace(text: string, command: string): Pick<Reference, 'registry' | 'repository'> {
  const key = normalKey(text);
  const slash = key.indexOf('/');
  const host = slash < 0 ? key : key.slice(0, slash);
  const path = slash < 0 ? '' : key.slice(slash + 1);
  // A host without dot or port cannot be told from a folder of Docker Hub, so no image name has one.
  const { registry } = parseReference(`${host}/${path === '' ? 'any' : path}`);
  if (registry === host) return { registry, repository: path };
  throw new OcislimError('OCISLIM_USAGE', `${command} ${text.slice(0, 100)}: not the host of a registry`, {
    hint: 'give it as image names have it: docker.io, ghcr.io, registry.example.com:5000',
  });
}

/** Whether a text can only be a registry: a host as image names have it, and nothing behind it. */
export function isBareRegistry(text: string): boolean {
  // `alpine:3` is an image: a host without a dot is one only where it is this machine.
  return /^(?:https?:\/\/)?(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[0-9a-f:]+\])(?::\d+)?\/?$/i.test(text);
}
