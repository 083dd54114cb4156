import { posix } from 'node:path';
import type { ContainerConfig, Platform } from '#oci-spec-types';
import type { Linkage } from '../elf/linkage.ts';
import type { Node } from '../rootfs/tree.ts';
import { type Finding, finding } from './finding.ts';
import {
  handedOn,
  type Libc,
  libcOf,
  type Needy,
  type SearchOptions,
  searchPath,
  systemFolders,
} from './search-path.ts';
import { type FileView, variable } from './subject.ts';

/** A program in ELF, in an image. */
export interface Program {
  /** Absolute, with no link in it: the kernel tells the loader where the file really is (`/proc/self/exe`). */
  readonly path: string;
  /** `PT_INTERP`; none for a static program. */
  readonly interpreter?: string | undefined;
  readonly linkage?: Linkage | undefined;
  readonly platform?: Platform | undefined;
}

export interface Surroundings {
  /** What the container sees, the program's own layer included. */
  readonly tree: FileView;
  /** How messages name what the program was put on. */
  readonly base: string;
  readonly config: ContainerConfig;
}

/** A library that the loader will load, or the loader itself. */
export interface Loaded {
  /** The name it was asked for by. */
  readonly name: string;
  /** Where it was looked for and found; a link perhaps. */
  readonly path: string;
  readonly node: Node;
  /** The first file that asked for it. */
  readonly by: Needy;
  /** Whether what led there was the system's configuration, or a variable, and not the file that asked for it. */
  readonly isConfigured: boolean;
}

/** What the loader will find of what a program is linked with; where there is no loader, what it would find. */
export interface Resolution {
  readonly libc: Libc | undefined;
  readonly loader: Pick<Loaded, 'name' | 'path' | 'node'> | undefined;
  /** In the order of loading. */
  readonly libraries: readonly Loaded[];
  readonly missing: readonly {
    readonly name: string;
    /** The file that needs it. */
    readonly by: string;
    readonly searched: readonly string[];
  }[];
  readonly versions: readonly {
    readonly by: string;
    readonly library: string;
    readonly missing: readonly string[];
    readonly defined: readonly string[];
  }[];
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
export async function checkLinkage(
  program: Program,
  { tree, base, config }: Surroundings,
): Promise<readonly Finding[]> {
  const { interpreter, path } = program;
  if (interpreter === undefined) return [];
  const { libc, loader, missing, versions } = await resolveLinkage(program, tree, config);
  if (loader === undefined) return [missingInterpreter(path, interpreter, libc, base)];
  return [
    ...missing.map((each) => missingLibrary(each, base, libc)),
    ...versions.map((each) => missingVersion(each, base)),
  ];
}

/**
 * Looks up what a program is linked with, as its loader does: breadth first; a library is loaded once, by the name it
 * is first asked for.
 */
export async function resolveLinkage(
  program: Program,
  tree: FileView,
  config: ContainerConfig,
): Promise<Resolution> {
  const { interpreter, linkage, path } = program;
  const libc = interpreter === undefined ? undefined : libcOf(interpreter);
  const machine = program.platform?.architecture;
  const loader = interpreter === undefined ? undefined : await find(tree, interpreter, [], machine);
  const [libraries, missing, versions] = [
    [] as Loaded[],
    [] as Resolution['missing'][number][],
    [] as Resolution['versions'][number][],
  ];
  if (interpreter === undefined || linkage === undefined || libc === undefined)
    return { libc, loader, libraries, missing, versions };
  const itself: Needy = { path, linkage };
  const options: SearchOptions = {
    libc,
    environment: (variable(config, 'LD_LIBRARY_PATH') ?? '').split(/[:;]/).filter((each) => each !== ''),
    system: await systemFolders(tree, libc),
  };
  const loaded = new Map<string, Linkage | undefined>([
    [posix.basename(interpreter), loader?.node.facts?.elf?.linkage],
  ]);
  const queue: { readonly needy: Needy; readonly inherited: readonly string[] }[] = [
    { needy: itself, inherited: [] },
  ];
  for (let at = 0; at < queue.length && at < OBJECT_LIMIT; at++) {
    const { needy, inherited } = queue[at] as (typeof queue)[number];
    const searched = searchPath(needy, inherited, options);
    const configured = new Set([...options.environment, ...options.system]);
    for (const name of needy.linkage.needed) {
      if (loaded.has(name) || (libc === 'musl' && isMuslItself(name))) continue;
      const found = await find(tree, name, searched, machine);
      const own = found?.node.facts?.elf?.linkage;
      loaded.set(name, own);
      if (found === undefined) {
        missing.push({ name, by: needy.path, searched });
        continue;
      }
      const isConfigured = configured.has(posix.dirname(found.path));
      libraries.push({ ...found, by: needy, isConfigured });
      if (own === undefined) continue;
      // A link to a library is not followed for its `$ORIGIN`.
      const next = { path: found.path, linkage: own };
      queue.push({ needy: next, inherited: handedOn(needy, inherited, libc) });
    }
    // musl does not look at versions.
    if (libc === 'glibc') versions.push(...missingVersions(needy, loaded));
  }
  return { libc, loader, libraries, missing, versions };
}

/** The first file of that name which is for the same machine; loaders pass over others. */
async function find(
  tree: FileView,
  name: string,
  searched: readonly string[],
  machine: string | undefined,
): Promise<Pick<Loaded, 'name' | 'path' | 'node'> | undefined> {
  const paths = name.includes('/') ? [name] : searched.map((folder) => `${folder}/${name}`);
  for (const path of paths) {
    const node = await tree.lookup(path);
    const own = node?.facts?.elf?.platform?.architecture;
    const isOfOther = own !== undefined && machine !== undefined && own !== machine;
    if (node?.type === 'file' && !isOfOther) return { name, path, node };
  }
  return undefined;
}

/** The parts of a C library that musl's loader takes upon itself (musl, ldso/dynlink.c, reserved names). */
function isMuslItself(name: string): boolean {
  return /^lib(?:c|pthread|rt|m|dl|util|xnet)\./.test(name);
}

function missingVersions(
  { path, linkage }: Needy,
  loaded: ReadonlyMap<string, Linkage | undefined>,
): Resolution['versions'] {
  return Object.entries(linkage.versionsNeeded).flatMap(([library, versions]) => {
    const defined = loaded.get(library)?.versionsDefined ?? [];
    const missing = versions.filter((version) => !defined.includes(version));
    // A library without any versions is taken by the loader, with a warning at most.
    return defined.length === 0 || missing.length === 0 ? [] : [{ by: path, library, missing, defined }];
  });
}

function missingVersion(
  { by, library, missing, defined }: Resolution['versions'][number],
  base: string,
): Finding {
  return finding(
    'symbol-version-missing',
    `${by} needs ${newest(missing)} of ${library}, but that of ${base} ends at ${newest(defined, missing)}`,
    'build it on a system as old as the base, link it statically, or choose a newer base',
  );
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
  return finding(
    'interpreter-missing',
    `${path} needs the loader ${interpreter}${built}, which ${base} does not have: it would die with "no such file or directory"`,
    `link it statically, bring its libraries along with --with-libs, or choose ${bases}`,
  );
}

function missingLibrary(
  { name, by, searched }: Resolution['missing'][number],
  base: string,
  libc: Libc | undefined,
): Finding {
  const places = name.includes('/') ? name : [...new Set(searched)].join(', ');
  return finding(
    'library-missing',
    `${by} needs the library ${name}, which ${base} does not have (looked in ${places})`,
    `bring it along with --with-libs, link it statically, or choose a base for ${libc ?? 'it'} that has it`,
  );
}
