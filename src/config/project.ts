import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { nearest } from './nearest.ts';
import { type PackSettings, SETTINGS, type SettingKind } from './settings.ts';
import { invalid, isTable, parseToml } from './toml.ts';

export type { PackSettings } from './settings.ts';

const FILE_NAME = 'ocislim.toml';

/** A project file, read and checked. */
export interface ProjectConfig {
  readonly file: string;
  /** What holds for every target. */
  readonly defaults: Partial<PackSettings>;
  /** Names of the targets, in the order of the file. */
  readonly targets: readonly string[];
  readonly settings: ReadonlyMap<string, Partial<PackSettings>>;
}

/**
 * Reads `path`, or the `ocislim.toml` of `cwd` or the nearest folder above it, up to the root of the repository.
 * Relative paths in it are those of its own folder.
 * @throws OCISLIM_CONFIG_INVALID naming file, table and key
 */
export async function loadProjectConfig(
  path: string | undefined,
  cwd: string,
): Promise<ProjectConfig | undefined> {
  const file = path === undefined ? findUpwards(cwd) : resolve(cwd, path);
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new OcislimError(
      'OCISLIM_CONFIG_INVALID',
      `${path ?? file}: cannot be read (${systemCode(error)})`,
      {
        cause: error,
      },
    );
  });
  return parseProjectConfig(text, file, relative(cwd, dirname(file)));
}

function findUpwards(cwd: string): string | undefined {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const file = join(folder, FILE_NAME);
    if (existsSync(file)) return file;
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) return undefined;
  }
}

/** @param folder what relative paths of the file are below, seen from the working folder */
export function parseProjectConfig(text: string, file: string, folder: string): ProjectConfig {
  const shown = basename(file);
  const { targets = {}, ...rest } = parseToml(text, shown);
  const defaults = readTable(rest, shown, folder);
  if (!isTable(targets)) throw invalid(shown, 'targets must be tables', 'write [targets.NAME]');
  const settings = new Map<string, Partial<PackSettings>>();
  for (const [name, table] of Object.entries(targets)) {
    if (!isTable(table)) throw invalid(shown, `targets.${name} must be a table`, `write [targets.${name}]`);
    settings.set(name, readTable(table, `${shown}: targets.${name}`, folder));
  }
  return { file, defaults, targets: [...settings.keys()], settings };
}

/** What holds for a target: its own settings over the defaults; maps are merged by key. */
export function resolveTarget(config: ProjectConfig, name: string): Partial<PackSettings> {
  const { defaults } = config;
  const own = config.settings.get(name) ?? {};
  return {
    ...defaults,
    ...own,
    env: { ...defaults.env, ...own.env },
    buildEnv: { ...defaults.buildEnv, ...own.buildEnv },
    label: { ...defaults.label, ...own.label },
    annotation: { ...defaults.annotation, ...own.annotation },
    mirror: { ...defaults.mirror, ...own.mirror },
  };
}

/** `[build]` holds what is said of compiling, under shorter names; the same as the options at the top. */
export const BUILD_KEYS: Readonly<Record<string, keyof PackSettings>> = {
  command: 'build',
  env: 'buildEnv',
  toolchain: 'toolchain',
  recipe: 'recipe',
  bin: 'bin',
  artifact: 'artifact',
  link: 'link',
  jlink: 'jlink',
  network: 'network',
  cache: 'cache',
  sandbox: 'sandbox',
};

function flattened(table: Record<string, unknown>, shown: string): Record<string, unknown> {
  const { build, ...rest } = table;
  if (!isTable(build)) return table;
  for (const [key, value] of Object.entries(build)) {
    const name = Object.hasOwn(BUILD_KEYS, key) ? BUILD_KEYS[key] : undefined;
    if (name === undefined) {
      const similar = nearest(key, Object.keys(BUILD_KEYS));
      throw invalid(`${shown}: build`, `unknown key ${key}`, similar && `did you mean ${similar}?`);
    }
    rest[kebab(name)] = value;
  }
  return rest;
}

function readTable(whole: Record<string, unknown>, shown: string, folder: string): Partial<PackSettings> {
  const table = flattened(whole, shown);
  const entries = Object.entries(table).map(([key, value]) => {
    const name = key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const kind = Object.hasOwn(SETTINGS, name) ? SETTINGS[name as keyof PackSettings] : undefined;
    if (kind === undefined || key !== kebab(name)) {
      const similar = nearest(key, Object.keys(SETTINGS).map(kebab));
      throw invalid(shown, `unknown key ${key}`, similar && `did you mean ${similar}?`);
    }
    return [name, moved(name, readValue(kind, value, `${shown}: ${key}`), folder)] as const;
  });
  return Object.fromEntries(entries);
}

/** How a setting is written in the file: `checkIgnore` as `check-ignore`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function readValue(kind: SettingKind, value: unknown, shown: string): unknown {
  const isString = typeof value === 'string';
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
  switch (kind) {
    case 'boolean':
      if (typeof value === 'boolean') return value;
      throw invalid(shown, 'must be true or false');
    case 'string':
      if (isString) return value;
      throw invalid(shown, 'must be a string');
    case 'list':
      if (isString) return [value];
      if (isList) return value;
      throw invalid(shown, 'must be a string or a list of strings');
    case 'command':
      if (isString || isList) return value;
      throw invalid(shown, 'must be a string or a list of strings');
    case 'map':
      if (isTable(value) && Object.values(value).every((item) => typeof item === 'string')) return value;
      throw invalid(shown, 'must be a table of strings');
  }
}

/** Settings that are paths follow the file, not whoever runs ocislim from another folder. */
function moved(name: string, value: unknown, folder: string): unknown {
  if (folder === '') return value;
  const below = (path: string) => (isAbsolute(path) || path === '-' ? path : join(folder, path));
  const prefixed = (text: string) => {
    const [, transport, path = ''] = /^(oci|oci-archive|docker-archive):(.*)$/s.exec(text) ?? [];
    return transport === undefined ? undefined : `${transport}:${below(path)}`;
  };
  if (typeof value === 'string') {
    if (['path', 'digestFile', 'metadataFile', 'caFile', 'store', 'sign'].includes(name)) return below(value);
    if (['base', 'toolchain', 'libsFrom'].includes(name)) return prefixed(value) ?? value;
  }
  if (Array.isArray(value)) {
    if (name === 'add') return value.map((item: string) => below(item));
    if (name === 'output')
      return value.map((item: string) => prefixed(item) ?? (item.endsWith('.tar') ? below(item) : item));
  }
  return value;
}

/** The images that a project's settings name for any of its targets: bases, toolchains, what libraries are taken from. */
export function imagesNamedIn(config: ProjectConfig): readonly string[] {
  const all = [config.defaults, ...config.targets.map((name) => resolveTarget(config, name))];
  const named = all.flatMap(({ base, toolchain, libsFrom }) => [
    ...other(base, ['static', 'scratch']),
    ...other(toolchain, ['auto', 'host']),
    ...other(libsFrom, ['host']),
  ]);
  return [...new Set(named)];
}

function other(value: string | undefined, words: readonly string[]): readonly string[] {
  return value === undefined || words.includes(value) ? [] : [value];
}
