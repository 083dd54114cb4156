import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { OcislimError, systemCode } from '../lib/errors.ts';

export interface FolderWatcher {
  /**
   * Watches a folder from now on, not what is below it; with a name only that in it. A folder that took the place of another is watched anew.
   * @throws OCISLIM_FAILED where the system watches no more
   */
  add(folder: string, name?: string): Promise<void>;
  close(): void;
}

interface Watched {
  readonly inode: bigint;
  readonly watcher: FSWatcher;
  /** Names that matter; undefined: all. */
  names: Set<string> | undefined;
}

/** One watcher a folder: Node's recursive ones watch, on Linux, each file of all that is left out, too. */
export function openFolderWatcher(onChange: () => void): FolderWatcher {
  const folders = new Map<string, Watched>();
  const drop = (folder: string) => {
    folders.get(folder)?.watcher.close();
    folders.delete(folder);
  };
  return {
    add: async (folder, name) => {
      const found = await stat(folder, { bigint: true }).catch(() => undefined);
      const known = folders.get(folder);
      if (found !== undefined && known?.inode === found.ino) {
        if (name === undefined) known.names = undefined;
        else known.names?.add(name);
        return;
      }
      drop(folder);
      if (found === undefined) return;
      const watcher = open(folder, (changed) => {
        const names = folders.get(folder)?.names;
        if (changed === null || names === undefined || names.has(changed)) onChange();
      });
      watcher?.on('error', () => {
        drop(folder);
        onChange();
      });
      if (watcher !== undefined)
        folders.set(folder, {
          inode: found.ino,
          watcher,
          names: name === undefined ? undefined : new Set([name]),
        });
    },
    close: () => {
      for (const folder of [...folders.keys()]) drop(folder);
    },
  };
}

function open(folder: string, onEvent: (name: string | null) => void): FSWatcher | undefined {
  try {
    return watch(folder, (_, name) => onEvent(name));
  } catch (error) {
    const code = systemCode(error);
    // It went meanwhile, which the folder above tells.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code !== 'ENOSPC' && code !== 'EMFILE') throw error;
    throw new OcislimError('OCISLIM_FAILED', `${folder}: this machine watches no more folders`, {
      hint: 'sysctl fs.inotify.max_user_watches and fs.inotify.max_user_instances say how many it does',
      cause: error,
    });
  }
}
