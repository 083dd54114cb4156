import type { ContainerConfig } from '#oci-spec-types';

/**
 * Who says what is right. `buildkit` is the one inside dockerd 20.10, `classic` that daemon's older builder, `buildah`
 * is Debian's; none of them knows all of today's syntax. `hand` is the Dockerfile reference, read by a person.
 */
export type Judge = 'buildkit' | 'classic' | 'buildah' | 'hand';

/** A file of the build context: its content, or more about it. Modes default to 0644 and 0755, owners to root. */
export type ContextFile =
  | string
  | Buffer
  | { readonly link: string }
  | { readonly hardlink: string }
  | {
      readonly content?: string | Buffer;
      /** Without content it is a folder. */
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
    };

/** What a build must come to; what is not named must be as the base has it. */
export interface Expectation {
  /** The image that the changes are told against; default `alpine`. */
  readonly base?: string;
  /** Every path that differs from the base, as `mergedListing` describes it, or `gone`. */
  readonly changes?: Readonly<Record<string, string>>;
  /** Every field of the config that differs from the base. */
  readonly config?: Partial<ContainerConfig> & Readonly<Record<string, unknown>>;
  /** Instructions in history, those of the base not counted. */
  readonly history?: number;
}

export interface Case {
  /** A sentence. */
  readonly name: string;
  readonly files?: Readonly<Record<string, ContextFile>> | undefined;
  /** Where it begins with a line break, the indentation of its first line is taken from all. */
  readonly dockerfile: string;
  /** Where the Dockerfile is; default `Dockerfile`. */
  readonly path?: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform?: string;
  readonly secrets?: Readonly<Record<string, string>>;
  /** One or several, which must agree. */
  readonly judge: Judge | readonly Judge[];
  /** Why not `buildkit`. */
  readonly why?: string;
  /** With `hand` all there is to compare with; with others it must hold for the judge, too. */
  readonly expect?: Expectation;
  /** The build fails, and says this; the judge must refuse it as well. */
  readonly refuses?: RegExp;
  /** Paths in which the judge is known to be wrong, as prefixes. */
  readonly apart?: readonly string[];
  /** Fields of the config, or `history`, in which the judge is known to be wrong or judges differ. */
  readonly apartFields?: readonly string[];
  /** ocislim alone: what a successful build must print to stderr. */
  readonly prints?: RegExp;
}

/** The text of a case's Dockerfile. */
export function textOf({ dockerfile }: Pick<Case, 'dockerfile'>): string {
  if (!dockerfile.startsWith('\n')) return dockerfile;
  const indentation = /^\n( *)/.exec(dockerfile)?.[1] ?? '';
  const lines = dockerfile.slice(1).split('\n');
  return lines
    .map((line) => (line.startsWith(indentation) ? line.slice(indentation.length) : line.trimStart()))
    .join('\n');
}
