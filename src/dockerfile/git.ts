import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import { runProcess } from '../lib/process.ts';
import { redact } from '../lib/redact.ts';
import { which } from '../lib/which.ts';
import { openFolderTree } from './context-tree.ts';
import type { FileNode, FileTree } from './file-tree.ts';
import { type GitUrl, parseGitUrl } from './git-url.ts';
import type { Ignore } from './ignore.ts';
import { ignoringTree } from './ignoring-tree.ts';

export interface GitOptions {
  /** Keeps `.git`. */
  readonly keepGitDir?: boolean | undefined;
  /** The commit that it must be, or its beginning. */
  readonly checksum?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Gives the path of a folder, not made yet; who gives it removes it. */
  readonly temporaryFolder: () => Promise<string>;
  readonly signal?: AbortSignal | undefined;
  /** How messages name the tree; default the URL. */
  readonly name?: string | undefined;
  readonly ignore?: Ignore | undefined;
  /** Whether a repository may be on this machine (`file://`); for tests. */
  readonly allowsFiles?: boolean | undefined;
}

/** What git needs of the environment: how to reach a host, and whom to trust. */
const PASSED = [
  'PATH',
  'TMPDIR',
  'SSH_AUTH_SOCK',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]),
];

/** Settings that let a repository run nothing here. */
const SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.symlinks=true',
  'core.autocrlf=false',
  'advice.detachedHead=false',
  'protocol.ext.allow=never',
  'submodule.recurse=false',
  'gc.auto=0',
];

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The files of a Git repository at a branch, tag or commit, all of them root's and with the two modes that Git knows. The
 * tree's identity is the commit. Git is the host's; it runs no hooks, asks for no password, and reads no configuration of
 * the user's or the machine's, which could name programs to run.
 * @throws OCISLIM_INPUT_INVALID for what is no such URL, OCISLIM_INPUT_NOT_FOUND for a reference or folder that is not
 *   there, OCISLIM_TOOLCHAIN_MISSING without git, OCISLIM_DIGEST_MISMATCH for another commit than the checksum says,
 *   OCISLIM_REGISTRY_FAILED for what git fails with
 */
export async function openGitTree(text: string, options: GitOptions): Promise<FileTree> {
  const url = parseGitUrl(text);
  const shown = redact(text);
  if (url === undefined)
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: not the URL of a Git repository`, {
      hint: 'https://HOST/PATH.git#BRANCH-OR-COMMIT:FOLDER',
    });
  const base = await options.temporaryFolder();
  const repository = join(base, 'repository');
  await mkdir(join(base, 'home'), { recursive: true, mode: 0o700 });
  const { remote, env } = await withoutPassword(url.remote, join(base, 'home'));
  const git = await gitIn(repository, join(base, 'home'), shown, { ...options, own: env });
  await git(['init', '--quiet', '--template=', repository], base);
  await git(['remote', 'add', 'origin', '--', remote]);
  const commit = await fetchCommit(git, url, shown);
  if (
    options.checksum !== undefined &&
    !(options.checksum.length >= 7 && commit.startsWith(options.checksum))
  )
    throw new OcislimError(
      'OCISLIM_DIGEST_MISMATCH',
      `${shown}: is commit ${commit}, not ${options.checksum}`,
    );
  await git(['checkout', '--quiet', '--force', '--detach', commit]);
  if (existsSync(join(repository, '.gitmodules')))
    await git(['submodule', '--quiet', 'update', '--init', '--recursive', '--depth=1', '--force']);
  return treeOfCheckout(repository, commit, url, shown, options);
}

type Git = (args: readonly string[], cwd?: string) => Promise<string>;

/** Lines of a failed git that are shown. */
const SHOWN_LINES = 10;

/** Answers git's questions for name and password, for one host alone. */
const ASKPASS = `#!/bin/sh
case "$1" in
  "Username for '$GIT_URL_SCHEME://$GIT_URL_HOST': ") printf '%s\\n' "$GIT_URL_USER" ;;
  "Password for '$GIT_URL_SCHEME://"*"@$GIT_URL_HOST': ") printf '%s\\n' "$GIT_URL_PASSWORD" ;;
  *) exit 1 ;;
esac
`;

/** Name and password of a URL, out of the arguments that everybody on the machine can see, and out of `.git`. */
async function withoutPassword(
  remote: string,
  home: string,
): Promise<{ readonly remote: string; readonly env: Readonly<Record<string, string>> }> {
  const url = /^https?:/.test(remote) ? new URL(remote) : undefined;
  if (url === undefined || (url.username === '' && url.password === '')) return { remote, env: {} };
  const askpass = join(home, 'askpass');
  await writeFile(askpass, ASKPASS, { mode: 0o700 });
  const env = {
    GIT_ASKPASS: askpass,
    GIT_URL_SCHEME: url.protocol.slice(0, -1),
    GIT_URL_HOST: url.host,
    GIT_URL_USER: decodeURIComponent(url.username),
    GIT_URL_PASSWORD: decodeURIComponent(url.password),
  };
  url.username = '';
  url.password = '';
  return { remote: url.href, env };
}

interface GitSetting extends GitOptions {
  /** More of the environment. */
  readonly own: Readonly<Record<string, string>>;
}

async function gitIn(repository: string, home: string, shown: string, options: GitSetting): Promise<Git> {
  const program = await which('git', options.env);
  if (program === undefined)
    throw new OcislimError('OCISLIM_TOOLCHAIN_MISSING', `${shown}: needs git, which is not on PATH`, {
      hint: 'install git',
    });
  const { signal, allowsFiles = false } = options;
  const passed = Object.fromEntries(PASSED.map((name) => [name, options.env[name]]));
  const env = {
    ...passed,
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'false',
    SSH_ASKPASS: 'false',
    GIT_SSH_COMMAND: 'ssh -o BatchMode=yes',
    GIT_LFS_SKIP_SMUDGE: '1',
    ...options.own,
    GIT_ALLOW_PROTOCOL: ['https', 'http', 'git', 'ssh', ...(allowsFiles ? ['file'] : [])].join(':'),
  };
  const settings = [...SETTINGS, `protocol.file.allow=${allowsFiles ? 'always' : 'never'}`];
  const prefix = settings.flatMap((setting) => ['-c', setting]);
  return async (args, cwd = repository) => {
    const output: string[] = [];
    const messages: string[] = [];
    const onLine = (line: string, stream: 'stdout' | 'stderr') => {
      const lines = stream === 'stdout' ? output : messages;
      if (lines.length < 1000) lines.push(line);
    };
    const { code } = await runProcess([program, ...prefix, ...args], { cwd, env, signal, onLine });
    if (code === 0) return output.join('\n');
    const last = messages.filter((line) => line.trim() !== '').map(redact);
    throw new OcislimError(
      'OCISLIM_REGISTRY_FAILED',
      `${shown}: git ${args[0]} failed: ${last.at(-1) ?? code}`,
      {
        output: last.slice(-SHOWN_LINES),
      },
    );
  };
}

async function fetchCommit(git: Git, { ref = 'HEAD' }: GitUrl, shown: string): Promise<string> {
  const fetch = (...args: string[]) =>
    git(['fetch', '--quiet', '--force', '--no-recurse-submodules', ...args]);
  const resolve = (name: string) =>
    git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]);
  try {
    await fetch('--no-tags', '--depth=1', '--', 'origin', ref).catch((error: unknown) => {
      // Plain files on a web server are a repository as well, but cannot be asked for less than all.
      if (!(error instanceof OcislimError) || !/shallow/.test(error.message)) throw error;
      return fetch('--no-tags', '--', 'origin', ref);
    });
    return await resolve('FETCH_HEAD');
  } catch (error) {
    if (!(error instanceof OcislimError) || error.code !== 'OCISLIM_REGISTRY_FAILED') throw error;
    if (!/^[0-9a-f]{7,64}$/.test(ref)) {
      if (!/couldn't find remote ref|Needed a single revision/i.test(error.message)) throw error;
      throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${shown}: has no ${ref}`, { cause: error });
    }
  }
  // Not every server gives a commit by its name alone, and none by the beginning of it.
  await fetch('--tags', '--', 'origin', '+refs/heads/*:refs/remotes/origin/*');
  return resolve(ref).catch((cause: unknown) => {
    const kind = COMMIT.test(ref) ? 'commit' : 'branch, tag or commit';
    throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${shown}: has no ${kind} ${ref}`, { cause });
  });
}

async function treeOfCheckout(
  repository: string,
  commit: string,
  { folder }: GitUrl,
  shown: string,
  { keepGitDir = false, name = shown, ignore }: GitOptions,
): Promise<FileTree> {
  const whole = openFolderTree(repository, { name });
  const found = folder === undefined ? undefined : await whole.lookup(folder);
  const isInside = found?.type === 'directory' && !isGitDir(found.path);
  if (folder !== undefined && !isInside)
    throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${shown}: has no folder ${folder}`);
  const root = join(repository, found?.path ?? '');
  const tree = openFolderTree(root, { name, modeOf });
  const clean = keepGitDir ? tree : ignoringTree(tree, { ignores: isGitDir, mayHaveKept: () => false });
  const identity = ['git', commit, found?.path ?? '', keepGitDir].join(' ');
  return { ...(ignore === undefined ? clean : ignoringTree(clean, ignore)), identity };
}

/** Of the repository, and of the modules in it. */
function isGitDir(path: string): boolean {
  return path.split('/').includes('.git');
}

/** Git knows whether a file is executable; the rest is the umask of whoever checks it out. */
function modeOf(mode: number, type: FileNode['type']): number {
  if (type === 'symlink') return 0o777;
  return type === 'directory' || (mode & 0o100) !== 0 ? 0o755 : 0o644;
}
