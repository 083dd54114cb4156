import { posix } from 'node:path';
import type { Linkage } from '../elf/linkage.ts';
import type { FileView } from './subject.ts';

/** The two families of loaders; they look for libraries in different ways. */
export type Libc = 'glibc' | 'musl';

/** Whose loader a path names: `/lib/ld-musl-x86_64.so.1`, `/lib64/ld-linux-x86-64.so.2`; undefined for others. */
export function libcOf(interpreter: string): Libc | undefined {
  const name = posix.basename(interpreter);
  if (/^ld-musl-/.test(name)) return 'musl';
  return /^ld-linux|^ld(?:64)?\.so\.[12]$/.test(name) ? 'glibc' : undefined;
}

/** A file that needs libraries: where it is, and what it says. */
export interface Needy {
  readonly path: string;
  readonly linkage: Linkage;
}

export interface SearchOptions {
  readonly libc: Libc;
  /** `LD_LIBRARY_PATH` of the container, split. */
  readonly environment: readonly string[];
  /** What every lookup of this machine ends with, see {@link systemFolders}. */
  readonly system: readonly string[];
}

/** Where the loader looks for what a file needs, in order (ld.so(8); musl, ldso/dynlink.c); absolute paths. */
export function searchPath(
  { linkage, path }: Needy,
  /** `DT_RPATH` of those that led here, which glibc looks through, too. */
  inherited: readonly string[],
  { libc, environment, system }: SearchOptions,
): readonly string[] {
  const own = (folders: readonly string[]) => folders.flatMap((folder) => expand(folder, path));
  // musl makes no difference between the two, and hands both on.
  if (libc === 'musl')
    return [...environment, ...own([...linkage.runpath, ...linkage.rpath]), ...inherited, ...system];
  const before = linkage.runpath.length > 0 ? [] : [...own(linkage.rpath), ...inherited];
  return [...before, ...environment, ...own(linkage.runpath), ...system];
}

/** What those that a file loads inherit from it. */
export function handedOn(
  { linkage, path }: Needy,
  inherited: readonly string[],
  libc: Libc,
): readonly string[] {
  const folders =
    libc === 'musl'
      ? [...linkage.runpath, ...linkage.rpath]
      : linkage.runpath.length > 0
        ? []
        : linkage.rpath;
  return [...folders.flatMap((folder) => expand(folder, path)), ...inherited];
}

/** `$ORIGIN`, `$LIB` and `$PLATFORM`, with or without braces; `$LIB` is not the same on every distribution. */
function expand(folder: string, path: string): readonly string[] {
  const origin = posix.dirname(posix.resolve('/', path));
  const placed = folder.replace(/\$(?:ORIGIN\b|\{ORIGIN\})/g, origin);
  const variants = /\$(?:LIB\b|\{LIB\})/.test(placed)
    ? ['lib', 'lib64', 'lib/x86_64-linux-gnu', 'lib/aarch64-linux-gnu'].map((lib) =>
        placed.replace(/\$(?:LIB\b|\{LIB\})/g, lib),
      )
    : [placed];
  return variants.map((each) => each.replace(/\$(?:PLATFORM\b|\{PLATFORM\})/g, 'x86_64'));
}

/** glibc's own list; Debian's multiarch folders are built into its loader. */
const GLIBC_FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'];
const MUSL_FOLDERS = ['/lib', '/usr/local/lib', '/usr/lib'];
/** Depth and number of `include` lines that are followed. */
const INCLUDE_LIMIT = 100;

/** The folders that an image's own configuration names, and those that its loader has built in. */
export async function systemFolders(tree: FileView, libc: Libc): Promise<readonly string[]> {
  if (libc === 'musl') {
    const name = (await tree.list('etc')).find((each) => /^ld-musl-.*\.path$/.test(each));
    const text = name === undefined ? undefined : (await tree.lookup(`etc/${name}`))?.facts?.text;
    return text === undefined ? MUSL_FOLDERS : text.split(/[\n:]/).filter((each) => each !== '');
  }
  return [
    ...(await configured(tree, 'etc/ld.so.conf', { left: INCLUDE_LIMIT })),
    ...(await builtInFolders(tree, libc)),
  ];
}

/** The folders that a loader looks through without any configuration. */
export async function builtInFolders(tree: FileView, libc: Libc): Promise<readonly string[]> {
  if (libc === 'musl') return MUSL_FOLDERS;
  const multiarch: string[] = [];
  for (const folder of ['lib', 'usr/lib']) {
    const names = (await tree.list(folder)).filter((name) => /-linux-gnu/.test(name));
    multiarch.push(...names.map((name) => `/${folder}/${name}`));
  }
  return [...multiarch, ...GLIBC_FOLDERS];
}

async function configured(
  tree: FileView,
  path: string,
  budget: { left: number },
): Promise<readonly string[]> {
  if (budget.left-- <= 0) return [];
  const text = (await tree.lookup(path))?.facts?.text ?? '';
  const folders: string[] = [];
  for (const line of text.split('\n').map((each) => each.replace(/#.*/, '').trim())) {
    const [, pattern] = /^include\s+(\S+)$/.exec(line) ?? [];
    if (pattern === undefined) {
      if (line.startsWith('/')) folders.push(line);
      continue;
    }
    const whole = pattern.startsWith('/') ? pattern.slice(1) : posix.join(posix.dirname(path), pattern);
    const folder = posix.dirname(whole);
    const [before = '', after] = posix.basename(whole).split('*');
    const names = (await tree.list(folder)).filter((name) =>
      after === undefined ? name === before : name.startsWith(before) && name.endsWith(after),
    );
    for (const name of names) folders.push(...(await configured(tree, `${folder}/${name}`, budget)));
  }
  return folders;
}
