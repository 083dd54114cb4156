import type { Platform } from '#oci-spec-types';
import type { Argv } from '../lib/process.ts';
import type { SourceFolder } from './source.ts';

/**
 * Paths as the compile step sees them: the host's own, or those in a sandbox. All are absolute.
 */
export interface Places {
  readonly source: string;
  /** An empty folder for what is made. */
  readonly output: string;
  /** A folder that outlasts the run. */
  cache(name: CacheName): string;
  /** An empty folder that does not. */
  readonly scratch: string;
}

/**
 * What is kept from one run to the next. Downloads and results that tools know again by content are good for all
 * projects; what is `PROJECT_CACHES` belongs to one.
 */
export type CacheName = 'go-build' | 'go-mod' | 'cargo' | 'cargo-target' | 'maven' | 'npm';

export const PROJECT_CACHES: ReadonlySet<CacheName> = new Set<CacheName>(['cargo-target']);

/** What a plan is wanted for. */
export interface Wish {
  readonly places: Places;
  /** What the program is to run on. */
  readonly platform: Platform;
  /** What the compiler runs on. */
  readonly host: Platform;
  /** What the recipe's `identify` commands print where it will be compiled; none where that is not known yet. */
  readonly toolchain?: string | undefined;
  /** Whether a program of C, C++ or Rust asks for shared libraries. */
  readonly link: 'static' | 'dynamic';
  /** With a Java runtime of just the modules it needs. */
  readonly jlink: boolean;
  /** Nothing may be downloaded. */
  readonly offline: boolean;
  /** Time that files in archives get, in seconds since the epoch. */
  readonly created: number;
}

/** How one program is compiled. Says nothing of where but through {@link Places}. */
export interface Plan {
  /** Run in order; each must end with 0. */
  readonly steps: readonly Argv[];
  readonly cwd: string;
  /** Beyond PATH, HOME and the like. */
  readonly env: Readonly<Record<string, string>>;
  /** What is made. `*` as its last part is the one file there of its kind, `**` the one in any folder below. */
  readonly artifact: string;
  readonly kind: 'program' | 'jar' | 'folder';
  /** Of a folder: the command that starts it, with its file relative to the folder. */
  readonly start?: Argv | undefined;
  readonly caches: readonly CacheName[];
  /** Commands that must be there. */
  readonly tools: readonly string[];
  /** Images that have them, the best first. */
  readonly images: readonly string[];
  /** It writes into the folder of the source, and gets a copy: see `needsCopy`. */
  readonly writesSource: boolean;
  /** It downloads what is not in its caches. */
  readonly needsNetwork: boolean;
  /** Image that has what the program needs to run; none where it stands alone, or its file tells. */
  readonly runsOn?: string | undefined;
}

/** One of the programs that a source can be compiled to. */
export interface Program {
  /** What `--bin` calls it, and the image unless told otherwise. */
  readonly name: string;
  /** The one that is meant where none is named. */
  readonly isDefault?: boolean | undefined;
  /** All files it is made of, relative to the folder, where that is not the whole folder; it gets a copy of just these. */
  readonly files?: readonly string[] | undefined;
  /** It reads what is out of the source, which no copy has and no key knows. */
  readonly readsOutside?: boolean | undefined;
  /** @throws OCISLIM_PLATFORM_UNAVAILABLE where that platform cannot be had there */
  plan(wish: Wish): Plan;
}

/** A folder by its name, where a file of that name is beside it: `target` beside `pom.xml`. */
export interface Leaving {
  readonly name: string;
  readonly beside: string;
}

/** How sources of one kind are recognised and compiled. */
export interface Recipe {
  /** What `--recipe` calls it. */
  readonly name: string;
  /** For people, e.g. `Go`. */
  readonly title: string;
  /** What it is recognised by, e.g. `go.mod`. */
  readonly signs: readonly string[];
  /**
   * Files that mark the folder a part of which may be meant, e.g. `go.mod` above `cmd/hello`; the first counts most. Where
   * `text` is given, the file must have it.
   */
  readonly roots?: readonly { readonly file: string; readonly text?: RegExp }[] | undefined;
  /** It stands back where another recipe knows the folder too: a Makefile often only calls other tools. */
  readonly isFallback?: boolean | undefined;
  /** Folders that compiling makes; what is in them says nothing about the result. */
  readonly leavings: readonly Leaving[];
  /**
   * Commands that tell which toolchain of a machine it is, and what it can; what is not there tells nothing. None where
   * no command could: what was compiled on a machine is then not kept.
   */
  readonly identify: readonly Argv[];
  /** The programs in a source, without running any of its code; none when it is of another kind. */
  recognise(source: SourceFolder): Promise<readonly Program[]>;
}
