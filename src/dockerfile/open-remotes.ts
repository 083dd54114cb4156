import { OcislimError } from '../lib/errors.ts';
import { redact } from '../lib/redact.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Context } from '../transports/context.ts';
import type { GitOptions } from './git.ts';
import type { Remotes } from './remote.ts';

export type RemotesOptions = Pick<GitOptions, 'allowsFiles'>;

/** What ADD fetches, each once; `close` takes away what was checked out for it. */
export function openRemotes(
  { store, env, signal, offline, registry }: Context,
  { allowsFiles }: RemotesOptions = {},
): Remotes & { close(): Promise<void> } {
  const folders: string[] = [];
  const fetched = new Map<string, Promise<unknown>>();
  const once = <T>(key: readonly unknown[], fetch: () => Promise<T>): Promise<T> => {
    const name = JSON.stringify(key);
    const known = (fetched.get(name) as Promise<T> | undefined) ?? fetch();
    fetched.set(name, known);
    return known;
  };
  const online = (url: string) => {
    if (!offline) return;
    throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${redact(url)}: not fetched, as --offline says`);
  };
  return {
    file: async (url, { checksum }) => {
      online(url);
      return once(['file', url, checksum], async () => {
        const { fetchFile } = await import('./fetch-file.ts');
        const { send } = await registry();
        return fetchFile(url, { store, send, checksum, signal });
      });
    },
    git: async (url, { keepGitDir, checksum }) => {
      online(url);
      const temporaryFolder = async () => {
        const folder = await store.temporaryFile();
        folders.push(folder);
        return folder;
      };
      const git = { keepGitDir, checksum, env, signal, temporaryFolder, allowsFiles };
      return once(['git', url, keepGitDir, checksum], async () => {
        const { openGitTree } = await import('./git.ts');
        return openGitTree(url, git);
      });
    },
    close: async () => {
      for (const folder of folders) await removeTree(folder);
    },
  };
}
