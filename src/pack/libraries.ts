import { posix } from 'node:path';
import type { ContainerConfig } from '#oci-spec-types';
import { type Finding, finding } from '../check/finding.ts';
import { type Loaded, type Resolution, resolveLinkage } from '../check/linkage.ts';
import { builtInFolders } from '../check/search-path.ts';
import type { FileView } from '../check/subject.ts';
import type { ElfFacts } from '../elf/program.ts';
import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Node, Tree } from '../rootfs/tree.ts';
import type { FileSource } from './file-source.ts';

/** A program that needs its libraries brought along. */
export interface Dependent {
  /** Where it is in the image. */
  readonly dest: string;
  /** Where it really is on the host; what it says of `$ORIGIN` is meant from there. */
  readonly path: string;
  readonly elf: ElfFacts;
  /** Names of libraries that come with it and are loaded by themselves. */
  readonly own?: ReadonlySet<string> | undefined;
}

/**
 * Brings along the loader and the libraries that a program needs and the image lacks, from the host or another image, to
 * where the loader will look for them. Nothing where the image has all of them.
 * @returns what is to be said of it
 * @throws OCISLIM_NOT_FOUND naming the libraries that the source does not have either
 */
export async function bringLibraries(
  { dest, path, elf, own = new Set() }: Dependent,
  /** With the program in it. */
  tree: Tree,
  config: ContainerConfig,
  files: BroughtFiles,
): Promise<readonly Finding[]> {
  const { source } = files;
  const { interpreter } = elf;
  if (interpreter === undefined) return [];
  const to = posix.join('/', tree.lookup(dest)?.path ?? dest);
  const there = await resolveLinkage({ path: to, ...elf }, tree, config);
  const isMissing = there.missing.some(({ name }) => !own.has(name));
  if (there.loader !== undefined && !isMissing) return [];
  const has = new Set(there.libraries.map(({ name }) => name));
  // What the image's own libraries need is looked for as if the program needed it.
  const lacking = there.missing.map(({ name }) => name).filter((name) => !own.has(name));
  const needed = [...(elf.linkage?.needed ?? []), ...lacking].filter((name) => !own.has(name));
  const linkage = elf.linkage && { ...elf.linkage, needed };
  const found = await resolveLinkage({ path, ...elf, linkage }, source.view, {});
  const missing = [
    ...(there.loader === undefined && found.loader === undefined ? [interpreter] : []),
    ...new Set(found.missing.map(({ name }) => name).filter((name) => !has.has(name))),
  ];
  if (missing.length > 0) {
    throw new OcislimError(
      'OCISLIM_NOT_FOUND',
      `${dest} needs ${missing.join(', ')}, which ${source.name} does not have`,
      { hint: 'say with --libs-from which image has them, such as the one that compiled it' },
    );
  }
  const wanted = found.libraries.filter(({ name }) => !has.has(name));
  if (there.loader === undefined && found.loader !== undefined) files.add(interpreter, found.loader.node);
  const place = await placesFor(found, there, source.view, tree, { from: path, to });
  for (const library of wanted) files.add(place(library), library.node);
  // The C library offers dlopen, which says nothing of who calls it.
  const callers = wanted.filter(({ name }) => !/^lib(?:c|dl)\./.test(name));
  const loads = [elf, ...callers.map(({ node }) => node.facts?.elf)];
  return loads.some(usesDlopen) ? [loadsAtRunTime(dest)] : [];
}

function usesDlopen(elf: ElfFacts | undefined): boolean {
  return elf?.uses?.includes('dlopen') ?? false;
}

function loadsAtRunTime(path: string): Finding {
  return finding(
    'loads-at-run-time',
    `${path} can load more libraries while it runs (dlopen), which --with-libs does not see`,
    'add those that it needs with --add',
  );
}

/**
 * Where each library goes. What is found in folders that are built into the image's loader stays there, and so does
 * what is named by an absolute path; what is named by `$ORIGIN` moves with the program; the rest goes beside the C
 * library.
 */
async function placesFor(
  { libc, libraries }: Resolution,
  there: Resolution,
  from: FileView,
  tree: Tree,
  moved: { readonly from: string; readonly to: string },
): Promise<(library: Loaded) => string> {
  // Where the image has no loader, it gets that of the source.
  const [known, view] = there.loader === undefined ? [libraries, from] : [there.libraries, tree];
  const builtIn = new Set(libc === undefined ? [] : await builtInFolders(view, libc));
  const ofSource = new Set(libc === undefined ? [] : await builtInFolders(from, libc));
  const own = known.find(({ path }) => builtIn.has(posix.dirname(path)));
  const usual = own === undefined ? ([...builtIn][0] ?? '/lib') : posix.dirname(own.path);
  const targets = new Map([[moved.from, moved.to]]);
  return ({ name, path, by, isConfigured }) => {
    const folder = posix.dirname(path);
    const linkage = by.linkage;
    const isNamed = [...linkage.rpath, ...linkage.runpath].includes(folder) || name.includes('/');
    const relative = posix.relative(posix.dirname(by.path), path);
    const target =
      builtIn.has(folder) || isNamed
        ? path
        : isConfigured || ofSource.has(folder)
          ? posix.join(usual, name)
          : posix.resolve(posix.dirname(targets.get(by.path) ?? by.path), relative);
    targets.set(path, target);
    return target;
  };
}

/** Files of a source by their paths in the image; what is there twice under two names becomes a link. */
export class BroughtFiles {
  readonly source: FileSource;
  readonly #mtime: number;
  readonly #entries = new Map<string, Entry>();
  /** Paths in the image, by real paths in the source. */
  readonly #placed = new Map<string, string>();

  constructor(source: FileSource, mtime: number) {
    this.source = source;
    this.#mtime = mtime;
  }

  add(path: string, node: Node): void {
    const target = posix.resolve('/', path).slice(1);
    if (this.#entries.has(target)) return;
    const owner = { uid: 0, gid: 0, mtime: this.#mtime };
    const first = this.#placed.get(node.path);
    if (first !== undefined) {
      const linkname = posix.relative(posix.dirname(target), first);
      this.#entries.set(target, { path: target, type: 'symlink', mode: 0o777, ...owner, linkname });
      return;
    }
    this.#placed.set(node.path, target);
    this.#entries.set(target, {
      path: target,
      type: 'file',
      mode: (node.mode & 0o111) === 0 ? 0o644 : 0o755,
      ...owner,
      size: node.size,
      open: () => this.source.open(node.path, [...this.#placed.keys()]),
      facts: node.facts ?? {},
    });
  }

  entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }
}

const ZONES = 'usr/share/zoneinfo';
/** Other ways to count the same time, which nothing asks for by itself, and double the size. */
const OTHER_ZONES = new Set(['posix', 'right']);
/** More than any release of tzdata has. */
const ZONE_LIMIT = 5000;

/** Brings along the time zones of a source. @throws OCISLIM_NOT_FOUND where it has none */
export async function bringTimeZones(files: BroughtFiles): Promise<void> {
  const { source } = files;
  const folders = [ZONES];
  let count = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of await source.view.list(folder)) {
      const path = `${folder}/${name}`;
      const node = await source.view.lookup(path);
      if (++count > ZONE_LIMIT) break;
      if (node?.type === 'file') files.add(`/${path}`, node);
      if (node?.type === 'directory' && !OTHER_ZONES.has(name)) folders.push(path);
    }
  }
  if (count > 0) return;
  throw new OcislimError('OCISLIM_NOT_FOUND', `--with-tzdata: ${source.name} has no time zones (/${ZONES})`, {
    hint: 'install tzdata there, or take them from an image with --libs-from',
  });
}
