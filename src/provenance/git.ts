import { runProcess } from '../lib/process.ts';
import { gitUri } from './ci.ts';
import { publicUrl } from './secrets.ts';
import type { Material } from './statement.ts';

export interface GitFactsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

/** Settings that let a repository run nothing here. */
const SAFE = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The commit that a folder is of, and where it came from without any credentials; undefined where it is of none, or git is
 * not there. Says `modified` where tracked files are not as in the commit.
 */
export async function gitMaterial(folder: string, options: GitFactsOptions): Promise<Material | undefined> {
  const [commit] = await git(folder, ['rev-parse', '--verify', 'HEAD'], options);
  if (commit === undefined || !COMMIT.test(commit)) return undefined;
  const [remote] = await git(folder, ['remote', 'get-url', 'origin'], options);
  const changed = await git(
    folder,
    ['status', '--porcelain', '--untracked-files=no', '--ignore-submodules', '--', '.'],
    options,
  );
  const url = remote === undefined ? undefined : remoteUrl(remote);
  return {
    name: 'repository',
    uri: url === undefined ? undefined : gitUri(url),
    digest: { gitCommit: commit },
    ...(changed.length === 0 ? {} : { annotations: { modified: true } }),
  };
}

/** A remote as a URL without credentials; undefined for a path of this machine, which means nothing to others. */
export function remoteUrl(remote: string): string | undefined {
  const [, host, path] = /^(?:[^@/:\s]+@)?([\w.-]+):(?!\/\/)(\S+)$/.exec(remote) ?? [];
  if (host !== undefined && path !== undefined) return `ssh://${host}/${path.replace(/^\//, '')}`;
  const url = publicUrl(remote);
  return url === undefined || url.startsWith('file:') ? undefined : url;
}

/** The lines that git prints; none where it fails. */
async function git(
  folder: string,
  args: readonly string[],
  { env, signal }: GitFactsOptions,
): Promise<readonly string[]> {
  const lines: string[] = [];
  const { PATH, HOME } = env;
  try {
    const { code } = await runProcess(['git', ...SAFE, '-C', folder, ...args], {
      env: { PATH, HOME, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' },
      signal,
      onLine: (line, stream) => {
        if (stream === 'stdout' && lines.length < 1000) lines.push(line);
      },
    });
    return code === 0 ? lines : [];
  } catch {
    signal?.throwIfAborted();
    return [];
  }
}
