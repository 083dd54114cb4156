import { basename, posix } from 'node:path';
import { parse } from 'smol-toml';
import { formatPlatform, samePlatform } from '#oci-spec-types';
import { OcislimError } from '../../lib/errors.ts';
import { unavailable } from '../gnu.ts';
import type { Plan, Program, Recipe, Wish } from '../recipe.ts';
import type { SourceFolder } from '../source.ts';

/** https://doc.rust-lang.org/cargo/reference */
export const rust: Recipe = {
  name: 'rust',
  title: 'Rust',
  signs: ['Cargo.toml', '*.rs'],
  roots: [{ file: 'Cargo.toml', text: /^\s*\[workspace/m }],
  leavings: [{ name: 'target', beside: 'Cargo.toml' }],
  identify: [
    ['rustc', '-vV'],
    ['cargo', '-V'],
    ['rustup', 'target', 'list', '--installed'],
    ['gcc', '--version'],
    ['ldd', '--version'],
  ],
  recognise: async (source) => {
    const { file } = source;
    if (file?.endsWith('.rs')) {
      return [{ name: basename(file, '.rs'), files: [file], plan: (wish) => planFile(wish, file) }];
    }
    const manifest = file === undefined ? await manifestAt(source, '.') : undefined;
    if (manifest === undefined) return [];
    const traits = await traitsOf(source, manifest);
    const folders = await packageFolders(source, manifest);
    const programs = (await Promise.all(folders.map((folder) => binaries(source, folder, traits)))).flat();
    const readsOutside = await dependsOutside(source, folders, manifest);
    return programs.map((program) => ({ ...program, readsOutside }));
  },
};

/** What holds for all programs of a workspace. */
interface Traits {
  readonly isLocked: boolean;
  readonly hasDownloads: boolean;
  readonly image: string;
}

type Table = Readonly<Record<string, unknown>>;

async function manifestAt(source: SourceFolder, folder: string): Promise<Table | undefined> {
  const path = posix.join(folder, 'Cargo.toml');
  const text = await source.read(path);
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    const [why] = String(error instanceof Error ? error.message : error).split('\n');
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: ${why}`, { cause: error });
  }
}

async function traitsOf(source: SourceFolder, manifest: Table): Promise<Traits> {
  const lock = await source.read('Cargo.lock');
  const isVendored = (await source.list('vendor')).length > 0;
  const toolchain = await source.read('rust-toolchain.toml');
  const channel = /^\s*channel\s*=\s*"(\d+\.\d+(?:\.\d+)?)"/m.exec(toolchain ?? '')?.[1];
  const wantsSome = lock === undefined ? 'dependencies' in manifest : /^source = "/m.test(lock);
  return {
    isLocked: lock !== undefined,
    // rustup fetches what the file names.
    hasDownloads: (wantsSome && !isVendored) || toolchain !== undefined,
    image: `rust:${channel ?? '1'}-alpine`,
  };
}

/** Folders of a workspace's packages; of patterns those that end with `/*`, which is how they are written. */
async function packageFolders(source: SourceFolder, manifest: Table): Promise<readonly string[]> {
  const workspace = table(manifest['workspace']);
  const folders = 'package' in manifest ? ['.'] : [];
  const excluded = strings(workspace['exclude']);
  for (const member of strings(workspace['members'])) {
    const path = posix.normalize(member);
    if (path.startsWith('..') || posix.isAbsolute(path)) continue;
    if (!path.endsWith('/*')) folders.push(path);
    else {
      const parent = path.slice(0, -2);
      const listed = await source.list(parent);
      folders.push(...listed.filter((each) => each.isFolder).map(({ name }) => posix.join(parent, name)));
    }
  }
  return [...new Set(folders)].filter((folder) => !excluded.includes(folder) && source.isMeant(folder));
}

/** A package's programs: those it names, and those that lie where cargo looks (§ Cargo Targets, Target auto-discovery). */
async function binaries(source: SourceFolder, folder: string, traits: Traits): Promise<readonly Program[]> {
  const manifest = await manifestAt(source, folder);
  const description = table(manifest?.['package']);
  const { name } = description;
  if (typeof name !== 'string') return [];
  const named = (Array.isArray(manifest?.['bin']) ? manifest['bin'] : [])
    .map((each) => table(each)['name'])
    .filter((each) => typeof each === 'string');
  const found = description['autobins'] === false ? [] : await discovered(source, folder, name);
  return [...new Set([...named, ...found])].map((bin) => ({
    name: bin,
    isDefault: description['default-run'] === bin,
    plan: (wish) => planPackage(wish, folder, bin, traits),
  }));
}

async function discovered(source: SourceFolder, folder: string, name: string): Promise<readonly string[]> {
  const found = (await source.has(posix.join(folder, 'src/main.rs'))) ? [name] : [];
  const below = posix.join(folder, 'src/bin');
  for (const each of await source.list(below)) {
    if (!each.isFolder && each.name.endsWith('.rs')) found.push(each.name.slice(0, -3));
    if (each.isFolder && (await source.has(`${below}/${each.name}/main.rs`))) found.push(each.name);
  }
  return found;
}

/** Whether a package, or the workspace, takes another one from out of the source. */
async function dependsOutside(
  source: SourceFolder,
  folders: readonly string[],
  workspace: Table,
): Promise<boolean> {
  const manifests = await Promise.all(
    folders.map(async (folder) => [folder, (await manifestAt(source, folder)) ?? {}] as const),
  );
  return [['.', workspace] as const, ...manifests].some(([folder, manifest]) =>
    paths(manifest).some((path) => posix.isAbsolute(path) || posix.join(folder, path).startsWith('..')),
  );
}

/** All values of `path`: dependencies have them in many tables, none deeper than `target.X.dependencies.NAME`. */
function paths(value: unknown, depth = 6): readonly string[] {
  if (depth === 0) return [];
  return Object.entries(table(value)).flatMap(([key, each]) =>
    key === 'path' && typeof each === 'string' ? [each] : paths(each, depth - 1),
  );
}

function planPackage(wish: Wish, folder: string, bin: string, traits: Traits): Plan {
  const { places, offline } = wish;
  const { triple, flags, linker } = targetOf(wish);
  const remap = [
    `--remap-path-prefix=${places.source}=.`,
    `--remap-path-prefix=${places.cache('cargo')}=/cargo`,
  ];
  const config = `target.${triple}.rustflags=${JSON.stringify([...flags, ...remap])}`;
  const variable = triple.toUpperCase().replaceAll('-', '_');
  return {
    steps: [
      [
        // Unlike `cargo build`, it puts the program where it is told to.
        ...['cargo', 'install', '--path', folder, '--bin', bin, '--root', places.output],
        ...['--target', triple, '--no-track', '--force', '--config', config],
        ...(traits.isLocked ? ['--locked'] : []),
      ],
    ],
    cwd: places.source,
    env: {
      CARGO_HOME: places.cache('cargo'),
      CARGO_TARGET_DIR: places.cache('cargo-target'),
      CARGO_PROFILE_RELEASE_STRIP: 'symbols',
      ...(linker === undefined ? {} : { [`CARGO_TARGET_${variable}_LINKER`]: linker }),
      ...(offline ? { CARGO_NET_OFFLINE: 'true' } : {}),
    },
    artifact: `${places.output}/bin/${bin}`,
    kind: 'program',
    caches: ['cargo', 'cargo-target'],
    tools: ['cargo', 'rustc'],
    images: [traits.image],
    writesSource: !traits.isLocked,
    needsNetwork: traits.hasDownloads,
  };
}

function planFile(wish: Wish, file: string): Plan {
  const { places } = wish;
  const { triple, flags, linker } = targetOf(wish);
  const output = `${places.output}/program`;
  return {
    steps: [
      [
        ...['rustc', '--edition=2021', '-O', '-C', 'strip=symbols', '-C', 'codegen-units=1'],
        ...['--target', triple, ...flags, ...(linker === undefined ? [] : ['-C', `linker=${linker}`])],
        ...[`--remap-path-prefix=${places.source}=.`, '-o', output, file],
      ],
    ],
    cwd: places.source,
    env: {},
    artifact: output,
    kind: 'program',
    caches: [],
    tools: ['rustc'],
    images: ['rust:1-alpine'],
    writesSource: false,
    needsNetwork: false,
  };
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  'linux/386': 'i686',
  'linux/amd64': 'x86_64',
  'linux/arm64': 'aarch64',
  'linux/arm/v6': 'arm',
  'linux/arm/v7': 'armv7',
  'linux/ppc64le': 'powerpc64le',
  'linux/riscv64': 'riscv64gc',
  'linux/s390x': 's390x',
};

interface Target {
  readonly triple: string;
  readonly flags: readonly string[];
  readonly linker?: string | undefined;
}

/** musl's target where it is installed, as it makes static programs by itself; else the machine's own with its C library linked in. */
function targetOf({ platform, host, toolchain, link }: Wish): Target {
  const { architecture, variant, os } = platform;
  const key = architecture === 'arm' ? formatPlatform(platform) : formatPlatform({ os, architecture });
  const arch = ARCHITECTURES[key];
  if (arch === undefined) throw unavailable('Rust', platform);
  const float = architecture === 'arm' ? 'eabihf' : '';
  const musl = `${arch}-unknown-linux-musl${float}`;
  const gnu = `${arch}-unknown-linux-gnu${float}`;
  const level =
    architecture === 'amd64' && variant !== undefined ? ['-C', `target-cpu=x86-64-${variant}`] : [];
  const id = ['-C', 'link-arg=-Wl,--build-id=none'];
  const known = installed(toolchain);
  const isNative = samePlatform({ ...platform, variant: undefined }, { ...host, variant: undefined });
  // An image of Rust on Alpine, unless it says otherwise, has its own target alone.
  const hasMusl = toolchain === undefined ? isNative : known.has(musl);
  if (hasMusl && (link === 'static' || !known.has(gnu))) {
    const flags = [...level, '-C', `target-feature=${link === 'static' ? '+' : '-'}crt-static`];
    return isNative
      ? { triple: musl, flags: [...flags, ...id] }
      : { triple: musl, flags, linker: 'rust-lld' };
  }
  if (!isNative) throw unavailable('Rust', platform, `rustup target add ${musl}`);
  return {
    triple: gnu,
    flags: [...level, ...(link === 'static' ? ['-C', 'target-feature=+crt-static'] : []), ...id],
  };
}

/** The compiler's own target, and those that rustup lists. */
function installed(toolchain: string | undefined): ReadonlySet<string> {
  const lines = (toolchain ?? '').split('\n').map((line) => line.replace(/^host: /, '').trim());
  return new Set(lines.filter((line) => /^[a-z0-9_]+-[a-z0-9_]+-linux-[a-z0-9]+$/.test(line)));
}

function table(value: unknown): Table {
  return typeof value === 'object' && value !== null ? (value as Table) : {};
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
