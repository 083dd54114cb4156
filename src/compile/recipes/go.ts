import { basename, extname, posix } from 'node:path';
import type { Platform } from '#oci-spec-types';
import { gnuPrefix, isNative } from '../gnu.ts';
import type { Plan, Program, Recipe, Wish } from '../recipe.ts';
import type { SourceFolder } from '../source.ts';

/** https://go.dev/ref/mod, https://pkg.go.dev/cmd/go */
export const go: Recipe = {
  name: 'go',
  title: 'Go',
  signs: ['go.mod', 'go.work', '*.go'],
  roots: [{ file: 'go.work' }, { file: 'go.mod' }],
  leavings: [],
  identify: [
    ['go', 'version'],
    ['go', 'env', 'GOFLAGS', 'GOEXPERIMENT', 'GO386', 'GOMIPS'],
    ['gcc', '--version'],
    ['ldd', '--version'],
  ],
  recognise: async (source) => {
    if (source.file !== undefined) return bareFile(source, source.file);
    const work = await source.read('go.work');
    const mod = await source.read('go.mod');
    if (work === undefined && mod === undefined) return looseFiles(source);
    const modules = work === undefined ? ['.'] : workModules(work);
    const traits = await traitsOf(source, modules, work);
    const packages = (await Promise.all(modules.map((each) => packagesOf(source, each)))).flat();
    return programsOf(packages, source, mod, traits);
  },
};

/** What holds for all programs of a module or workspace. */
interface Traits {
  /** Version of the language, e.g. `1.24`. */
  readonly version?: string | undefined;
  readonly hasRequirements: boolean;
  readonly isVendored: boolean;
  /** Something of the module or workspace lies out of the source. */
  readonly readsOutside: boolean;
  /** go.sum is missing, and go build would not write it by itself. */
  readonly lacksSums: boolean;
}

interface Package {
  /** Relative to the source, `.` for its root. */
  readonly folder: string;
  readonly isMain: boolean;
  readonly usesC: boolean;
}

async function bareFile(source: SourceFolder, file: string): Promise<readonly Program[]> {
  if (extname(file) !== '.go') return [];
  const text = (await source.beginning(file)) ?? '';
  const usesC = importsC(text);
  return [{ name: basename(file, '.go'), files: [file], plan: (wish) => plan(wish, [file], usesC, LOOSE) }];
}

const LOOSE: Traits = { hasRequirements: false, isVendored: false, readsOutside: false, lacksSums: false };

/** A folder of Go without a module: what `go build *.go` takes. */
async function looseFiles(source: SourceFolder): Promise<readonly Program[]> {
  const { files, isMain, usesC } = await readPackage(source, '.');
  if (!isMain) return [];
  return [{ name: source.name, files, plan: (wish) => plan(wish, files, usesC, LOOSE) }];
}

function programsOf(
  packages: readonly Package[],
  source: SourceFolder,
  mod: string | undefined,
  traits: Traits,
): readonly Program[] {
  const usesC = packages.some((each) => each.usesC);
  const mains = packages.filter((each) => each.isMain && source.isMeant(each.folder));
  const names = mains.map(({ folder }) =>
    folder === '.' ? moduleName(mod ?? '', source.name) : posix.basename(folder),
  );
  const commands = mains.filter(({ folder }) => /(^|\/)cmd\/[^/]+$/.test(folder));
  const preferred =
    mains.find(({ folder }) => folder === '.') ?? (commands.length === 1 ? commands[0] : undefined);
  return mains.map((each, at) => {
    const { folder } = each;
    const isUnique = names.filter((name) => name === names[at]).length === 1;
    return {
      name: (isUnique ? names[at] : undefined) ?? folder.replaceAll('/', '-'),
      isDefault: each === preferred,
      readsOutside: traits.readsOutside,
      plan: (wish) => plan(wish, [folder === '.' ? '.' : `./${folder}`], usesC, traits),
    };
  });
}

/** As `go build` names it: the last part of the module's path that is no major version. */
function moduleName(mod: string, folder: string): string {
  const path = directive(mod, 'module') ?? folder;
  const parts = path.split('/').filter((part) => !/^v[0-9]+$/.test(part));
  return parts.at(-1) || folder;
}

function plan(wish: Wish, packages: readonly string[], usesC: boolean, traits: Traits): Plan {
  const { places, platform, host, offline, link } = wish;
  const static_ = usesC && link === 'static';
  const prefix = usesC ? gnuPrefix(platform, host) : '';
  const linker = static_
    ? " -linkmode=external '-extldflags=-static -Wl,--build-id=none'"
    : usesC
      ? ' -extldflags=-Wl,--build-id=none'
      : '';
  const output = `${places.output}/program`;
  const needsSums = traits.lacksSums && !offline;
  return {
    steps: [
      [
        ...['go', 'build', '-trimpath', '-buildvcs=false', `-ldflags=-s -w -buildid=${linker}`],
        ...(static_ ? ['-tags=netgo,osusergo'] : []),
        ...(needsSums ? ['-mod=mod'] : []),
        ...['-o', output, ...packages],
      ],
    ],
    cwd: places.source,
    env: {
      CGO_ENABLED: usesC ? '1' : '0',
      ...(prefix === '' ? {} : { CC: `${prefix}gcc`, CXX: `${prefix}g++` }),
      ...target(platform),
      GOTOOLCHAIN: 'local',
      GOCACHE: places.cache('go-build'),
      GOMODCACHE: places.cache('go-mod'),
      ...(offline ? { GOPROXY: 'off' } : {}),
    },
    artifact: output,
    kind: 'program',
    caches: ['go-build', 'go-mod'],
    tools: ['go', ...(usesC ? [`${prefix}gcc`] : [])],
    images: [image(traits.version, usesC && isNative(platform, host))],
    writesSource: needsSums,
    needsNetwork: traits.hasRequirements && !traits.isVendored,
  };
}

/** The variables that choose what is compiled for (pkg.go.dev/cmd/go#hdr-Environment_variables). */
function target({ os, architecture, variant }: Platform): Record<string, string> {
  const both = { GOOS: os, GOARCH: architecture };
  if (variant === undefined) return both;
  switch (architecture) {
    case 'amd64':
      return { ...both, GOAMD64: variant };
    case 'arm64':
      return { ...both, GOARM64: `${variant}.0` };
    case 'arm':
      return { ...both, GOARM: variant.replace(/^v/, '') };
    default:
      return both;
  }
}

/** Compilers go by their minor version; from 1.21 on a module says the least that it needs. Alpine's have no gcc. */
function image(version: string | undefined, usesC: boolean): string {
  const [, minor] = /^1\.(\d{1,3})/.exec(version ?? '') ?? [];
  const tag = minor !== undefined && Number(minor) >= 21 ? `1.${minor}` : '1';
  return usesC ? `golang:${tag}` : `golang:${tag}-alpine`;
}

async function traitsOf(
  source: SourceFolder,
  modules: readonly string[],
  work: string | undefined,
): Promise<Traits> {
  const mods = await Promise.all(modules.map(async (each) => (await source.read(`${each}/go.mod`)) ?? ''));
  const sums = await Promise.all(modules.map((each) => source.has(`${each}/go.sum`)));
  const hasRequirements = mods.some((mod) => directives(mod, 'require').length > 0);
  const isVendored = await source.has('vendor/modules.txt');
  const describing = [work ?? '', ...mods];
  const versions = describing.flatMap((text) => [
    directive(text, 'go'),
    directive(text, 'toolchain')?.replace(/^go/, ''),
  ]);
  return {
    version: versions
      .filter((each) => each !== undefined)
      .sort(byVersion)
      .at(-1),
    hasRequirements,
    isVendored,
    readsOutside: isOpen(work ?? '', modules, mods),
    lacksSums: hasRequirements && !isVendored && work === undefined && !sums.includes(true),
  };
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Folders that stand in for modules. */
function replacements(text: string): readonly string[] {
  return directives(text, 'replace').flatMap((line) => {
    const path = unquoted(line.split('=>')[1]?.trim() ?? '');
    return /^\.{0,2}\//.test(path) ? [path] : [];
  });
}

/** Whether a workspace or its modules name folders out of the source. */
function isOpen(work: string, modules: readonly string[], mods: readonly string[]): boolean {
  const named = [
    ...[...directives(work, 'use'), ...replacements(work)].map((path) => ['.', path] as const),
    ...modules.flatMap((folder, at) => replacements(mods[at] ?? '').map((path) => [folder, path] as const)),
  ];
  return named.some(([folder, path]) => isOutside(path.startsWith('/') ? path : posix.join(folder, path)));
}

function isOutside(path: string): boolean {
  return posix.isAbsolute(path) || /^\.\.(\/|$)/.test(posix.normalize(path));
}

/** Folders that are listed in `go.work`, without those out of the source. */
function workModules(work: string): readonly string[] {
  const used = directives(work, 'use').map((path) => posix.normalize(path));
  return [...new Set(used)].filter((path) => !isOutside(path));
}

function directive(text: string, name: string): string | undefined {
  return directives(text, name)[0];
}

/** What follows a keyword, alone or in a block: the grammar of go.mod is one of lines (go.dev/ref/mod#go-mod-file-lexical). */
function directives(text: string, name: string): readonly string[] {
  const found: string[] = [];
  let block: string | undefined;
  for (const raw of text.split('\n')) {
    const line = raw.replace(/\/\/.*/, '').trim();
    if (line === '') continue;
    if (block !== undefined) {
      if (line === ')') block = undefined;
      else if (block === name) found.push(unquoted(line));
      continue;
    }
    const [keyword = '', ...rest] = line.split(/\s+/);
    if (rest[0] === '(' || keyword.endsWith('(')) block = keyword.replace(/\($/, '');
    else if (keyword === name) found.push(unquoted(rest.join(' ')));
  }
  return found;
}

function unquoted(text: string): string {
  return text.replace(/^["`]|["`]$/g, '');
}

/** Folders that are looked through. */
const FOLDERS = 2000;

/** All packages of a module, as `./...` means them: not those of other modules, nor where names begin with `.` or `_`. */
async function packagesOf(source: SourceFolder, root: string): Promise<readonly Package[]> {
  const packages: Package[] = [];
  const folders = [posix.normalize(root)];
  for (let at = 0; at < folders.length && at < FOLDERS; at++) {
    const folder = folders[at] ?? '.';
    if (at > 0 && (await source.has(`${folder}/go.mod`))) continue;
    const { isMain, usesC, below } = await readPackage(source, folder);
    packages.push({ folder, isMain, usesC });
    folders.push(...below.map((name) => posix.join(folder, name)));
  }
  return packages;
}

interface ReadPackage {
  /** Files that are compiled. */
  readonly files: readonly string[];
  readonly isMain: boolean;
  readonly usesC: boolean;
  /** Names of folders in it that may have packages. */
  readonly below: readonly string[];
}

async function readPackage(source: SourceFolder, folder: string): Promise<ReadPackage> {
  const listed = await source.list(folder);
  const files: string[] = [];
  let [isMain, usesC] = [false, false];
  for (const { name, isFolder } of listed) {
    if (isFolder || !name.endsWith('.go') || name.endsWith('_test.go') || /^[._]/.test(name)) continue;
    const text = (await source.beginning(posix.join(folder, name))) ?? '';
    if (isLeftOut(text)) continue;
    files.push(name);
    isMain ||= packageName(text) === 'main';
    usesC ||= importsC(text);
  }
  const below = listed.filter(
    ({ name, isFolder }) => isFolder && !/^[._]|^(vendor|testdata|node_modules)$/.test(name),
  );
  return { files, isMain, usesC, below: below.map(({ name }) => name) };
}

/** Files for `go run` alone, by the convention of the tag `ignore`. */
function isLeftOut(text: string): boolean {
  return /^\/\/(go:build| \+build) (ignore|tools)$/m.test(text.slice(0, 8192));
}

/** The package clause is the first line that is no comment. */
function packageName(text: string): string | undefined {
  let isComment = false;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (isComment) {
      isComment = !line.includes('*/');
      continue;
    }
    if (line === '' || line.startsWith('//')) continue;
    if (line.startsWith('/*')) {
      isComment = !line.includes('*/');
      continue;
    }
    return /^package\s+(\w+)/.exec(line)?.[1];
  }
  return undefined;
}

function importsC(text: string): boolean {
  return text.split('\n').some((line) => /^\s*(import\s+)?"C"\s*(\/\/.*|;.*)?$/.test(line));
}
