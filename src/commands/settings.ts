import { parsePlatform } from '#oci-spec-types';
import { RULES, type RuleId } from '../check/finding.ts';
import type { CheckLevel } from '../check/verdict.ts';
import { nearest } from '../config/nearest.ts';
import { type PackSettings, type ProjectConfig, resolveTarget } from '../config/project.ts';
import { parseCompression } from '../layer/compression.ts';
import { OcislimError } from '../lib/errors.ts';
import { createdTime } from '../lib/time.ts';
import { imagePath } from '../pack/add.ts';
import type { CompileRequest, PackRequest } from '../pack/request.ts';
import { documentsOf } from './document-options.ts';
import { oneOf } from './one-of.ts';

/** `pack`'s own options as commander hands them over. */
export interface PackOptions {
  readonly toolchain?: string;
  readonly network?: string;
  readonly recipe?: string;
  readonly bin?: string;
  readonly build?: string;
  readonly artifact?: string;
  readonly buildEnv?: readonly string[];
  readonly link?: string;
  readonly jlink?: boolean;
  readonly cache?: boolean;
  readonly sandbox?: string;
  readonly smoke?: string | true;
  readonly base?: string;
  readonly tag?: readonly string[];
  readonly output?: readonly string[];
  readonly push?: boolean;
  readonly pushByDigest?: boolean;
  readonly load?: boolean;
  readonly platform?: string;
  readonly dest?: string;
  readonly add?: readonly string[];
  readonly entrypoint?: string;
  readonly cmd?: string;
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly label?: readonly string[];
  readonly annotation?: readonly string[];
  readonly expose?: readonly string[];
  readonly volume?: readonly string[];
  readonly stopSignal?: string;
  readonly compression?: string;
  readonly check?: string;
  readonly checkIgnore?: readonly string[];
  readonly withLibs?: boolean;
  readonly libsFrom?: string;
  readonly withCerts?: boolean;
  readonly withTzdata?: boolean;
  readonly sign?: string;
  readonly created?: string;
  readonly offline?: boolean;
  readonly locked?: boolean;
  readonly dryRun?: boolean;
  readonly sbom?: string;
  readonly sbomDir?: string;
  readonly provenance?: boolean;
  readonly provenanceFile?: string;
  readonly watch?: boolean;
  readonly digestFile?: string;
  readonly metadataFile?: string;
}

/** What holds for one run: settings that a project file has, too, and those that only a command line has. */
type RunSettings = Partial<PackSettings> & {
  readonly dryRun: boolean;
  readonly pushByDigest?: boolean | undefined;
};

/**
 * The settings that hold for this run: the command line's, over those of the named target, over the project file's.
 * Maps (environment, labels, annotations) are merged by key; everything else is replaced.
 * @throws OCISLIM_USAGE when there is nothing to pack
 */
export function settingsFor(
  path: string | undefined,
  options: PackOptions,
  project: ProjectConfig | undefined,
  command: 'pack' | 'check' = 'pack',
): RunSettings {
  const target =
    project !== undefined && path !== undefined && project.targets.includes(path) ? path : undefined;
  const configured: Partial<PackSettings> =
    project === undefined ? {} : target === undefined ? project.defaults : resolveTarget(project, target);
  const input = target === undefined ? (path ?? configured.path) : configured.path;
  if (input === undefined) {
    throw new OcislimError('OCISLIM_USAGE', `${command} what? No path was given`, {
      hint: project?.targets.length
        ? `give a file, or a target of ${project.file}: ${project.targets.join(', ')}`
        : `for example: ocislim ${command} ./hello`,
    });
  }
  const { env, buildEnv, label, annotation, platform, smoke, cache, dryRun = false, ...plain } = options;
  return {
    ...configured,
    ...plain,
    path: input,
    ...(smoke === undefined ? {} : { smoke: smoke === true ? [] : smoke }),
    ...(cache === false ? { cache } : {}),
    ...(platform === undefined ? {} : { platform: platform.split(',') }),
    env: { ...configured.env, ...keyValues('--env', env, process.env) },
    buildEnv: { ...configured.buildEnv, ...keyValues('--build-env', buildEnv, process.env) },
    label: { ...configured.label, ...keyValues('--label', label) },
    annotation: { ...configured.annotation, ...keyValues('--annotation', annotation) },
    dryRun,
  };
}

/** Checks settings and turns them into what `pack` takes. @throws OCISLIM_USAGE and what the parsers throw */
export function requestOf(settings: RunSettings, env: NodeJS.ProcessEnv): PackRequest {
  const command = (option: string, value: string | readonly string[] | undefined) =>
    typeof value === 'string' ? commandOf(option, value) : value;
  return {
    path: settings.path ?? '',
    base: settings.base,
    tags: settings.tag ?? [],
    outputs: settings.output ?? [],
    push: settings.pushByDigest ? 'by-digest' : (settings.push ?? false),
    load: settings.load ?? false,
    platforms: (settings.platform ?? []).map(parsePlatform),
    dest: settings.dest === undefined ? undefined : imagePath(settings.dest),
    add: settings.add ?? [],
    config: {
      entrypoint: command('--entrypoint', settings.entrypoint),
      cmd: command('--cmd', settings.cmd),
      env: settings.env,
      user: settings.user,
      workdir: settings.workdir,
      labels: settings.label,
      expose: settings.expose,
      volumes: settings.volume,
      stopSignal: settings.stopSignal,
    },
    annotations: settings.annotation ?? {},
    compression: parseCompression(settings.compression ?? 'gzip'),
    created: createdTime({ created: settings.created, env }).seconds,
    check: checkLevel(settings.check ?? 'error'),
    ignore: (settings.checkIgnore ?? []).map(ruleOf),
    withLibs: settings.withLibs ?? false,
    withCerts: settings.withCerts ?? false,
    withTzdata: settings.withTzdata ?? false,
    libsFrom: settings.libsFrom,
    compile: compileOf(settings),
    smoke: command('--smoke', settings.smoke),
    dryRun: settings.dryRun,
    documents: documentsOf(settings),
  };
}

function compileOf(settings: Partial<PackSettings>): CompileRequest {
  const { toolchain = 'auto', network, recipe, bin, build, artifact, jlink = false, cache = true } = settings;
  const link = oneOf('link', settings.link ?? 'static', ['static', 'dynamic']);
  const sandbox = oneOf('sandbox', settings.sandbox ?? 'auto', ['auto', 'bubblewrap', 'proot']);
  const reach = network === undefined ? undefined : oneOf('network', network, ['none', 'host']);
  return {
    toolchain,
    network: reach,
    recipe,
    bin,
    build,
    artifact,
    env: settings.buildEnv,
    link,
    jlink,
    cache,
    sandbox,
  };
}

export function checkLevel(value: string): CheckLevel {
  if (value === 'error' || value === 'warn' || value === 'off') return value;
  throw new OcislimError('OCISLIM_USAGE', `check = ${JSON.stringify(value)}: must be error, warn or off`);
}

export function ruleOf(id: string): RuleId {
  const rule = RULES.find((each) => each === id);
  if (rule !== undefined) return rule;
  const similar = nearest(id, RULES);
  throw new OcislimError('OCISLIM_USAGE', `--check-ignore ${id}: no such rule`, {
    hint: similar === undefined ? `the rules are ${RULES.join(', ')}` : `did you mean ${similar}?`,
  });
}

/** One word, or a JSON array of words. */
export function commandOf(option: string, value: string): readonly string[] {
  if (!value.startsWith('[')) return value === '' ? [] : [value];
  try {
    const words: unknown = JSON.parse(value);
    if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words;
  } catch {
    // Reported below, like an array of other things than strings.
  }
  throw new OcislimError('OCISLIM_USAGE', `${option} ${value}: not a JSON array of strings`, {
    hint: `one word, or for example ${option} '["/bin/hello","--port","80"]'`,
  });
}

/** `KEY=VALUE` options; where `inherited` is given, a lone KEY takes its value from there, as with docker. */
export function keyValues(
  option: string,
  values: readonly string[] = [],
  inherited?: NodeJS.ProcessEnv,
): Record<string, string> {
  return Object.fromEntries(
    values.flatMap((value) => {
      const at = value.indexOf('=');
      if (at > 0) return [[value.slice(0, at), value.slice(at + 1)]];
      if (at === 0 || inherited === undefined) {
        throw new OcislimError('OCISLIM_USAGE', `${option} ${value}: must be KEY=VALUE`);
      }
      const taken = inherited[value];
      return taken === undefined ? [] : [[value, taken]];
    }),
  );
}
