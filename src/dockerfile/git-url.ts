import { OcislimError } from '../lib/errors.ts';

/** A Git repository, and what of it is meant: `https://example.com/team/app.git#v1:docs`. */
export interface GitUrl {
  /** As git takes it. */
  readonly remote: string;
  /** A branch, a tag, a full name of a reference, or a commit; default what the repository's HEAD is. */
  readonly ref?: string | undefined;
  /** A folder in it. */
  readonly folder?: string | undefined;
}

const SCP = /^[\w.-]+@[\w.-]+:(?!\/\/)\S+$/;

/**
 * @returns undefined for what is no URL of a repository: those of http and https end with `.git`
 * @throws OCISLIM_INPUT_INVALID for one that git would take for an option, or a query that nobody knows
 */
export function parseGitUrl(text: string): GitUrl | undefined {
  const [whole = '', ...fragments] = text.split('#');
  const [remote = '', query] = whole.split('?', 2);
  const isWeb = /^https?:\/\//.test(remote);
  const isGit = /^(?:git|ssh|file):\/\//.test(remote) || SCP.test(remote);
  if (isWeb ? !remote.endsWith('.git') : !isGit) return undefined;
  const [ref = '', ...folder] = fragments.join('#').split(':');
  const wanted = fromQuery(query, text);
  return checked(
    {
      remote,
      ref: (wanted.ref ?? ref) || undefined,
      folder: (wanted.folder ?? folder.join(':')) || undefined,
    },
    text,
  );
}

/** `?ref=…`, `?branch=…`, `?tag=…`, `?subdir=…` (Dockerfile reference, ADD § Git). */
function fromQuery(query: string | undefined, text: string): Pick<GitUrl, 'ref' | 'folder'> {
  if (query === undefined) return {};
  const values = new URLSearchParams(query);
  for (const name of values.keys())
    if (!['ref', 'branch', 'tag', 'subdir'].includes(name))
      throw new OcislimError('OCISLIM_INPUT_INVALID', `${text}: ${name} is nothing that can be asked for`, {
        hint: '?ref=, ?branch=, ?tag= and ?subdir=',
      });
  const branch = values.get('branch');
  const tag = values.get('tag');
  const ref = values.get('ref') ?? (branch && `refs/heads/${branch}`) ?? (tag && `refs/tags/${tag}`);
  return { ref: ref ?? undefined, folder: values.get('subdir') ?? undefined };
}

function checked(url: GitUrl, text: string): GitUrl {
  const { remote, ref } = url;
  const isScp = SCP.test(remote);
  const isUrl = isScp || URL.canParse(remote);
  const host = isScp ? remote.replace(/^[^@]*@/, '') : isUrl ? new URL(remote).hostname : '';
  const isOption = !isUrl || [remote, host, ref ?? ''].some((part) => part.startsWith('-'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there.
  if (!isOption && !/^\+|[\x00-\x20~^:?*[\\]|\.\.|@\{/.test(ref ?? '')) return url;
  throw new OcislimError('OCISLIM_INPUT_INVALID', `${text}: not the name of something in a Git repository`, {
    hint: 'https://HOST/PATH.git#BRANCH-OR-COMMIT:FOLDER',
  });
}
