import { mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { explainWriteError, writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { type AuthEntry, type AuthFile, dockerConfigPath, normalKey, readAuthFile } from './auth-file.ts';

/** Docker's config.json, to change its `auths`; whatever else is in it stays. */
export interface DockerConfig {
  readonly path: string;
  readonly file: AuthFile;
  /** Sets the entry of a server, however its key was written before, or with undefined takes it away. */
  write(server: string, entry: AuthEntry | undefined): Promise<void>;
}

/** @throws OCISLIM_CONFIG_INVALID for a file that is not what it should be; it is left alone then */
export async function openDockerConfig(env: NodeJS.ProcessEnv, home: string): Promise<DockerConfig> {
  const named = dockerConfigPath(env, home);
  // Many keep it elsewhere and have a link here, which must stay one.
  const path = await realpath(named).catch(() => named);
  let file: AuthFile | undefined;
  try {
    file = await readAuthFile({ name: path });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'cannot be read';
    throw new OcislimError('OCISLIM_CONFIG_INVALID', `${path}: ${why}`, { hint: 'mend it, or move it away' });
  }
  return {
    path,
    file: file ?? { auths: {}, credHelpers: {} },
    write: (server, entry) => writeEntry(path, server, entry),
  };
}

async function writeEntry(path: string, server: string, entry: AuthEntry | undefined): Promise<void> {
  const content = await readObject(path);
  const auths = Object.entries(content['auths'] ?? {}).filter(
    ([key]) => normalKey(key) !== normalKey(server),
  );
  if (entry !== undefined) auths.push([server, entry]);
  const changed = { ...content, auths: Object.fromEntries(auths) };
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeBytesAtomically(path, `${JSON.stringify(changed, undefined, '\t')}\n`, { mode: 0o600 });
  } catch (error) {
    throw explainWriteError(error, path);
  }
}

async function readObject(path: string): Promise<Record<string, unknown>> {
  try {
    const text = await readFile(path, 'utf8');
    return text.trim() === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return {};
    throw error;
  }
}
