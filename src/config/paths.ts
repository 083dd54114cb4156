import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { OcislimError } from '../lib/errors.ts';

/**
 * The store's folder: `--store`, `OCISLIM_HOME`, else `ocislim` in the user's data folder (XDG Base Directory
 * Specification; on Windows `LOCALAPPDATA`).
 * @throws OCISLIM_CONFIG_INVALID when nothing says where
 */
export function storePath(from: {
  readonly store?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}): string {
  const { store, env } = from;
  const given = store ?? env['OCISLIM_HOME'];
  if (given) return resolve(given);
  // A relative XDG_DATA_HOME is to be ignored, says the specification.
  const data = env['XDG_DATA_HOME'];
  if (data && isAbsolute(data)) return join(data, 'ocislim');
  const local = process.platform === 'win32' ? env['LOCALAPPDATA'] : undefined;
  if (local) return join(local, 'ocislim');
  const home = env['HOME'] || homedir();
  if (isAbsolute(home)) return join(home, '.local', 'share', 'ocislim');
  throw new OcislimError(
    'OCISLIM_CONFIG_INVALID',
    'no place for the store: neither HOME nor OCISLIM_HOME is set',
    {
      hint: 'say where with --store DIR',
    },
  );
}
