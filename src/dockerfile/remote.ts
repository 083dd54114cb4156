import type { Readable } from 'node:stream';
import { OcislimError } from '../lib/errors.ts';
import type { FileTree } from './file-tree.ts';
import { parseGitUrl } from './git-url.ts';

/** What ADD fetches. Whoever makes it fetches nothing twice, so that what a key says is what is added. */
export interface Remotes {
  /** @throws OCISLIM_DIGEST_MISMATCH, and what the network does */
  file(url: string, options: { readonly checksum?: string | undefined }): Promise<RemoteFile>;
  /** A tree with an `identity`, the commit. */
  git(
    url: string,
    options: { readonly keepGitDir?: boolean | undefined; readonly checksum?: string | undefined },
  ): Promise<FileTree>;
}

export interface RemoteFile {
  /** From the URL. */
  readonly name: string;
  readonly size: number;
  /** sha256, in hex. */
  readonly digest: string;
  open(): Promise<Readable>;
}

/** What a source of ADD is; those of COPY are paths, whatever they look like. */
export function remoteKind(source: string): 'git' | 'file' | undefined {
  if (parseGitUrl(source) !== undefined) return 'git';
  return /^https?:\/\//.test(source) ? 'file' : undefined;
}

/** For those who fetch nothing. */
export const noRemotes: Remotes = {
  file: (url) => Promise.reject(unavailable(url)),
  git: (url) => Promise.reject(unavailable(url)),
};

function unavailable(url: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_INVALID', `${url}: nothing is fetched here`);
}
