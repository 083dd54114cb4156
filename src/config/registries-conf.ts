import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import * as v from 'valibot';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { lazily } from '../lib/lazily.ts';
import { parseReference } from '../registry/reference.ts';

/** What containers-registries.conf(5) says about the registries and names that ocislim asks about. */
export interface RegistriesConfig {
  readonly rules: readonly RegistryRule[];
  /** Short names and the repositories they stand for. */
  readonly aliases: Readonly<Record<string, string>>;
}

/** One `[[registry]]` table. */
export interface RegistryRule {
  /** `HOST[:PORT][/PATH]`, or `*.DOMAIN`. */
  readonly prefix: string;
  /** What takes the prefix's place; undefined leaves names as they are. */
  readonly location: string | undefined;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly MirrorRule[];
  /** The file it is in, for messages. */
  readonly file: string;
}

interface MirrorRule {
  readonly location: string;
  readonly insecure: boolean;
  /** Which pulls may use it. */
  readonly pulls: 'all' | 'digest-only' | 'tag-only';
}

export const noRegistriesConfig: RegistriesConfig = { rules: [], aliases: {} };

const text = v.optional(v.string());
const flag = v.optional(v.boolean(), false);
const list = v.optional(v.object({ registries: v.optional(v.array(v.string()), []) }), {});

// `unqualified-search-registries` is not read: a short name means Docker Hub, here as in Docker. Searching a list
// would let whoever first registers a name on an earlier registry take its place.
const schema = v.object({
  registry: v.optional(
    v.array(
      v.object({
        prefix: text,
        location: text,
        insecure: flag,
        blocked: flag,
        'mirror-by-digest-only': flag,
        mirror: v.optional(
          v.array(
            v.object({
              location: v.string(),
              insecure: flag,
              'pull-from-mirror': v.optional(v.picklist(['all', 'digest-only', 'tag-only'])),
            }),
          ),
          [],
        ),
      }),
    ),
    [],
  ),
  aliases: v.optional(v.record(v.string(), v.string()), {}),
  // The form before version 2 still lies about on old machines; what it blocks must stay blocked.
  registries: v.optional(v.object({ insecure: list, block: list }), {}),
});

/**
 * Reads one file of containers-registries.conf(5); keys it does not know are passed over, as newer versions add some. Files
 * of aliases alone, of which distributions have long ones, are read once somebody asks for an alias.
 * @throws OCISLIM_CONFIG_INVALID naming the file and what is wrong in it
 */
export function parseRegistriesConf(content: string, file: string): RegistriesConfig {
  const lines = content.split('\n').map((line) => line.trim());
  const [first, ...others] = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (first === undefined) return noRegistriesConfig;
  if (first !== '[aliases]' || others.some((line) => line.startsWith('['))) return parseWhole(content, file);
  return withAliases([], () => parseWhole(content, file).aliases);
}

function withAliases(
  rules: readonly RegistryRule[],
  read: () => RegistriesConfig['aliases'],
): RegistriesConfig {
  const aliases = lazily(read);
  return {
    rules,
    get aliases() {
      return aliases();
    },
  };
}

function parseWhole(content: string, file: string): RegistriesConfig {
  let table: unknown;
  try {
    table = parseToml(content);
  } catch (cause) {
    const [reason = ''] = cause instanceof Error ? cause.message.split('\n') : [];
    throw invalid(file, `not TOML: ${reason}`, cause);
  }
  const result = v.safeParse(schema, table, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw invalid(file, `${v.getDotPath(issue) ?? 'content'}: ${issue.message}`);
  }
  const { registry, aliases, registries } = result.output;
  const rules = registry.map((each): RegistryRule => {
    const prefix = each.prefix || each.location;
    if (!prefix) throw invalid(file, '[[registry]] with neither prefix nor location');
    return {
      prefix: checkedPlace(prefix, file),
      location: each.location ? checkedPlace(each.location, file) : undefined,
      insecure: each.insecure,
      blocked: each.blocked,
      mirrors: each.mirror.map((mirror) => ({
        location: checkedPlace(mirror.location, file),
        insecure: mirror.insecure,
        pulls: mirror['pull-from-mirror'] ?? (each['mirror-by-digest-only'] ? 'digest-only' : 'all'),
      })),
      file,
    };
  });
  const old = (prefix: string, insecure: boolean): RegistryRule => {
    const blocked = !insecure;
    return { prefix: checkedPlace(prefix, file), location: undefined, insecure, blocked, mirrors: [], file };
  };
  return {
    rules: [
      ...rules,
      ...registries.insecure.registries.map((prefix) => old(prefix, true)),
      ...registries.block.registries.map((prefix) => old(prefix, false)),
    ],
    aliases: checkedAliases(aliases, file),
  };
}

function checkedPlace(place: string, file: string): string {
  if (
    /^(?:\*\.)?[\w.-]+(?::\d+)?(?:\/[\w./-]*\w)?$|^\[[\da-fA-F:.]+\](?::\d+)?(?:\/[\w./-]*\w)?$/.test(place)
  ) {
    const slash = place.indexOf('/');
    const host = slash < 0 ? place : place.slice(0, slash);
    return host.toLowerCase() + place.slice(host.length);
  }
  throw invalid(file, `${JSON.stringify(place.slice(0, 100))} is not HOST[:PORT][/PATH]; it takes no scheme`);
}

/** An alias of nothing takes away one that an earlier file gave. */
function checkedAliases(aliases: Readonly<Record<string, string>>, file: string): Record<string, string> {
  for (const [name, target] of Object.entries(aliases)) {
    if (target === '') continue;
    try {
      parseReference(target);
    } catch (cause) {
      throw invalid(
        file,
        `alias ${JSON.stringify(name.slice(0, 100))} stands for something that is no name`,
        cause,
      );
    }
  }
  return aliases;
}

/** Joins files, the later of which overrule the earlier, prefix by prefix and alias by alias. */
export function mergeRegistriesConfigs(configs: readonly RegistriesConfig[]): RegistriesConfig {
  const rules = new Map<string, RegistryRule>();
  for (const config of configs) for (const rule of config.rules) rules.set(rule.prefix, rule);
  return withAliases([...rules.values()], () => {
    const aliases = new Map<string, string>();
    for (const [name, target] of configs.flatMap((config) => Object.entries(config.aliases))) {
      if (target === '') aliases.delete(name);
      else aliases.set(name, target);
    }
    return Object.fromEntries(aliases);
  });
}

export interface RegistriesConfOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** The machine's own folder; default `/etc/containers`. */
  readonly system?: string | undefined;
}

/**
 * Reads this user's settings: the file that `CONTAINERS_REGISTRIES_CONF` names, or else their own
 * `registries.conf`, or else the machine's; then the drop-ins (`registries.conf.d`) of the machine and theirs; then
 * the aliases that Podman recorded. A file named by the variable stands alone, with the drop-ins beside it.
 * @throws OCISLIM_CONFIG_INVALID for a file that cannot be read or is wrong, or a named one that is not there
 */
export async function loadRegistriesConfig(options: RegistriesConfOptions): Promise<RegistriesConfig> {
  const { env, home, system = '/etc/containers' } = options;
  const named = env['CONTAINERS_REGISTRIES_CONF'];
  if (named !== undefined && named !== '') {
    const main = await readIfThere(named);
    if (main === undefined) {
      throw new OcislimError(
        'OCISLIM_CONFIG_INVALID',
        `${named}: no such file, named by CONTAINERS_REGISTRIES_CONF`,
      );
    }
    return mergeRegistriesConfigs([parseRegistriesConf(main, named), ...(await dropIns(`${named}.d`))]);
  }
  const user = join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers');
  const recorded = join(
    env['XDG_CACHE_HOME'] || join(home, '.cache'),
    'containers',
    'short-name-aliases.conf',
  );
  const [main, machine, own, aliases] = await Promise.all([
    firstOf([join(user, 'registries.conf'), join(system, 'registries.conf')]),
    dropIns(join(system, 'registries.conf.d')),
    dropIns(join(user, 'registries.conf.d')),
    firstOf([recorded]),
  ]);
  return mergeRegistriesConfigs([...main, ...machine, ...own, ...aliases]);
}

async function firstOf(paths: readonly string[]): Promise<RegistriesConfig[]> {
  for (const path of paths) {
    const content = await readIfThere(path);
    if (content !== undefined) return [parseRegistriesConf(content, path)];
  }
  return [];
}

async function dropIns(folder: string): Promise<RegistriesConfig[]> {
  const names = await readdir(folder).catch((): string[] => []);
  const files = names.filter((name) => name.endsWith('.conf')).sort();
  return (await Promise.all(files.map((name) => firstOf([join(folder, name)])))).flat();
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw invalid(path, `cannot be read (${systemCode(error) ?? 'unknown reason'})`, error);
  }
}

function invalid(file: string, why: string, cause?: unknown): OcislimError {
  return new OcislimError('OCISLIM_CONFIG_INVALID', `${file}: ${why}`, { cause });
}
