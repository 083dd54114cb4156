import { posix } from 'node:path';
import type { Linkage } from '../elf/linkage.ts';
import type { Tree } from '../rootfs/tree.ts';
import type { Finding } from './finding.ts';
import {
  handedOn,
  type Libc,
  libcOf,
  type Needy,
  type SearchOptions,
  searchPath,
  systemFolders,
} from './search-path.ts';

/** A program in ELF, in an image. */
export interface Program {
  /** Absolute. */
  readonly path: string;
  /** `PT_INTERP`; none for a static program. */
  readonly interpreter?: string | undefined;
  readonly linkage?: Linkage | undefined;
}

export interface Surroundings {
  /** The merged file tree, the program's own layer included. */
  readonly tree: Tree;
  /** How messages name what the program was put on. */
  readonly base: string;
  /** Environment of the container, `KEY=VALUE`. */
  readonly env: readonly string[];
}

const KNOWN: Readonly<Record<Libc, { readonly bases: string; readonly name: string }>> = {
  glibc: { name: 'glibc', bases: 'debian:stable-slim, ubuntu or gcr.io/distroless/base' },
  musl: { name: 'musl', bases: 'alpine' },
};
/** More objects than any real program loads. */
const OBJECT_LIMIT = 2000;

/**
 * Says whether the loader will find what a program is linked with: the loader itself, every library down to the last,
 * and the symbol versions they must define. A library that the tables of contents say nothing of is taken to be right.
 */
export function checkLinkage(program: Program, { tree, base, env }: Surroundings): readonly Finding[] {
  const { interpreter, linkage } = program;
  if (interpreter === undefined) return [];
  const libc = libcOf(interpreter);
  if (tree.lookup(interpreter)?.type !== 'file')
    return [missingInterpreter(program.path, interpreter, libc, base)];
  if (linkage === undefined || libc === undefined) return [];
  const [, libraryPath = ''] = env.map((each) => /^LD_LIBRARY_PATH=(.*)$/s.exec(each)).find(Boolean) ?? [];
  const options: SearchOptions = {
    libc,
    environment: libraryPath.split(/[:;]/).filter((each) => each !== ''),
    system: systemFolders(tree, libc),
  };
  return walk({ path: program.path, linkage }, interpreter, { tree, base, options });
}

interface Walk {
  readonly tree: Tree;
  readonly base: string;
  readonly options: SearchOptions;
}

/** Breadth first, as loaders go; a library is loaded once, by the name it is first asked for. */
function walk(program: Needy, interpreter: string, { tree, base, options }: Walk): readonly Finding[] {
  const findings: Finding[] = [];
  const loaded = new Map<string, Linkage | undefined>([
    [posix.basename(interpreter), tree.lookup(interpreter)?.facts?.linkage],
  ]);
  const queue: { readonly needy: Needy; readonly inherited: readonly string[] }[] = [
    { needy: program, inherited: [] },
  ];
  for (let at = 0; at < queue.length && at < OBJECT_LIMIT; at++) {
    const { needy, inherited } = queue[at] as (typeof queue)[number];
    const searched = searchPath(needy, inherited, options);
    for (const name of needy.linkage.needed) {
      if (loaded.has(name) || (options.libc === 'musl' && isMuslItself(name))) continue;
      const found = find(tree, name, searched);
      loaded.set(name, found?.facts?.linkage);
      if (found === undefined) {
        findings.push(missingLibrary(name, needy.path, searched, base, options.libc));
      } else if (found.facts?.linkage !== undefined) {
        const next = { path: `/${found.path}`, linkage: found.facts.linkage };
        queue.push({ needy: next, inherited: handedOn(needy, inherited, options.libc) });
      }
    }
    // musl does not look at versions.
    if (options.libc === 'glibc') findings.push(...missingVersions(needy, loaded, base));
  }
  return findings;
}

function find(tree: Tree, name: string, searched: readonly string[]) {
  const paths = name.includes('/') ? [name] : searched.map((folder) => posix.join(folder, name));
  return paths.map((path) => tree.lookup(path)).find((node) => node?.type === 'file');
}

/** The parts of a C library that musl's loader takes upon itself (musl, ldso/dynlink.c, reserved names). */
function isMuslItself(name: string): boolean {
  return /^lib(?:c|pthread|rt|m|dl|util|xnet)\./.test(name);
}

function missingVersions(
  { path, linkage }: Needy,
  loaded: ReadonlyMap<string, Linkage | undefined>,
  base: string,
): readonly Finding[] {
  return Object.entries(linkage.versionsNeeded).flatMap(([library, versions]) => {
    const defined = loaded.get(library)?.versionsDefined ?? [];
    const missing = versions.filter((version) => !defined.includes(version));
    // A library without any versions is taken by the loader, with a warning at most.
    if (defined.length === 0 || missing.length === 0) return [];
    return [
      {
        rule: 'symbol-version-missing',
        level: 'error',
        message: `${path} needs ${newest(missing)} of ${library}, but that of ${base} ends at ${newest(defined, missing)}`,
        remedy: `build it on a system as old as the base, link it statically, or choose a newer base`,
      },
    ];
  });
}

/** The highest of versions; where `like` is given, of those of the same family (`GLIBC_`, `GLIBCXX_`). */
function newest(versions: readonly string[], like: readonly string[] = versions): string {
  const family = (version: string) => version.replace(/_?[\d.]*$/, '');
  const families = new Set(like.map(family));
  const own = versions.filter((version) => families.has(family(version)));
  const sorted = [...(own.length > 0 ? own : versions)].sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  return sorted.at(-1) ?? '';
}

function missingInterpreter(
  path: string,
  interpreter: string,
  libc: Libc | undefined,
  base: string,
): Finding {
  const known = libc && KNOWN[libc];
  const built = known === undefined ? '' : ` (it was built for ${known.name})`;
  const bases = known === undefined ? 'a base that has it' : `a base with ${known.name}: ${known.bases}`;
  return {
    rule: 'interpreter-missing',
    level: 'error',
    message: `${path} needs the loader ${interpreter}${built}, which ${base} does not have: it would die with "no such file or directory"`,
    remedy: `link it statically, or choose ${bases}`,
  };
}

function missingLibrary(
  name: string,
  by: string,
  searched: readonly string[],
  base: string,
  libc: Libc,
): Finding {
  const places = name.includes('/') ? name : [...new Set(searched)].join(', ');
  return {
    rule: 'library-missing',
    level: 'error',
    message: `${by} needs the library ${name}, which ${base} does not have (looked in ${places})`,
    remedy: `add it with --add, link it statically, or choose a base for ${libc} that has it`,
  };
}
