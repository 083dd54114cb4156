import { cleanPath } from '../layer/clean-path.ts';

/** A file whose content stands in the Dockerfile. */
export interface InlineFile {
  readonly name: string;
  readonly content: string | Buffer;
}

/** COPY or ADD, with all that is written in it expanded. */
export interface CopyRequest {
  readonly kind: 'copy' | 'add';
  /** Paths of the source tree, perhaps with wildcards; for ADD also URLs. */
  readonly sources: readonly (string | InlineFile)[];
  readonly destination: string;
  /** Absolute; what a destination is relative to, and a source is not. */
  readonly workdir: string;
  readonly chown?: string | undefined;
  readonly chmod?: string | undefined;
  /** The layer does not depend on the image: its links are replaced, not followed. */
  readonly link?: boolean | undefined;
  readonly parents?: boolean | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** The time of every entry, in seconds since the epoch. */
  readonly created: number;
  /** Of the one URL: `sha256:…`, for a Git repository a commit. */
  readonly checksum?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  /** Undefined: local archives of ADD are unpacked, and nothing else. */
  readonly unpack?: boolean | undefined;
}

export interface Destination {
  /** Without a slash at either end; `''` is the root. */
  readonly path: string;
  /** Whether it is said that it is a folder: with a slash at its end, or a dot. */
  readonly isFolder: boolean;
}

/** Where a request puts its files, links of the image not yet followed. */
export function destinationOf({ destination, workdir }: CopyRequest): Destination {
  const isFolder = /^\.?$|\/\.?$/.test(destination);
  const path = cleanPath(destination.startsWith('/') ? destination : `${workdir}/${destination}`);
  return { path, isFolder: isFolder || path === '' };
}

/** `--chmod` asks for the image's own files to be changed, which a layer by itself cannot (BuildKit does the same). */
export function isLinked({ link, chmod }: CopyRequest): boolean {
  return link === true && chmod === undefined;
}
