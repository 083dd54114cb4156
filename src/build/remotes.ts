import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fetchFile } from '../dockerfile/fetch-file.ts';
import { openGitTree } from '../dockerfile/git.ts';
import type { Remotes } from '../dockerfile/remote.ts';
import { OcislimError } from '../lib/errors.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Context } from '../transports/context.ts';

/** Fetches what ADD names, each once in a build, so that what a step is known by is what it adds. */
export function openRemotes(context: Context): Remotes & { dispose(): Promise<void> } {
  const { store, signal, env, offline } = context;
  const known = new Map<string, Promise<unknown>>();
  const folders: string[] = [];
  const once = <T>(key: unknown, open: () => Promise<T>): Promise<T> => {
    const name = JSON.stringify(key);
    const opened = (known.get(name) as Promise<T> | undefined) ?? open();
    known.set(name, opened);
    return opened;
  };
  const requireNetwork = (url: string) => {
    if (offline) throw new OcislimError('OCISLIM_NOT_FOUND', `${url}: not fetched, as --offline says`);
  };
  return {
    file: (url, { checksum }) =>
      once(['file', url, checksum], async () => {
        requireNetwork(url);
        const { send } = await context.registry();
        return fetchFile(url, { store, send, checksum, signal });
      }),
    git: (url, options) =>
      once(['git', url, options], async () => {
        requireNetwork(url);
        const temporaryFolder = async () => {
          const folder = await store.temporaryFile();
          folders.push(folder);
          await mkdir(folder);
          return join(folder, 'git');
        };
        return openGitTree(url, { ...options, env, signal, temporaryFolder });
      }),
    dispose: async () => {
      for (const folder of folders) await removeTree(folder);
    },
  };
}
