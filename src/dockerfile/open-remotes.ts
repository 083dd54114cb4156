import { OcislimError } from '../lib/errors.ts';
import { redact } from '../lib/redact.ts';
import { createTransport, type TransportOptions } from '../registry/transport.ts';
import type { Context } from '../transports/context.ts';
import { fetchFile } from './fetch-file.ts';
import { type GitOptions, openGitTree } from './git.ts';
import type { Remotes } from './remote.ts';

export interface RemotesOptions extends Pick<TransportOptions, 'caFile' | 'certificateFolders' | 'timeouts'> {
  readonly allowsFiles?: GitOptions['allowsFiles'];
}

/** What ADD fetches, with what the context has; each once. */
export function openRemotes(
  { store, env, signal, offline }: Pick<Context, 'store' | 'env' | 'signal' | 'offline'>,
  { allowsFiles, ...options }: RemotesOptions = {},
): Remotes & { close(): Promise<void> } {
  const transport = createTransport({ env, ...options });
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
      return once(['file', url, checksum], () =>
        fetchFile(url, { store, send: transport.send, checksum, signal }),
      );
    },
    git: async (url, { keepGitDir, checksum }) => {
      online(url);
      const temporaryFolder = () => store.temporaryFile();
      const git = { keepGitDir, checksum, env, signal, temporaryFolder, allowsFiles };
      return once(['git', url, keepGitDir, checksum], () => openGitTree(url, git));
    },
    close: () => transport.close(),
  };
}
