import { parsePlatform } from '#oci-spec-types';
import { contextName } from '../build/context-name.ts';
import type { BuildRequest, SecretSource } from '../build/request.ts';
import { parseCompression } from '../layer/compression.ts';
import { OcislimError } from '../lib/errors.ts';
import { createdTime } from '../lib/time.ts';
import { documentsOf } from './document-options.ts';
import { oneOf } from './one-of.ts';
import { checkLevel, commandOf, keyValues, ruleOf } from './settings.ts';

/** `build`'s own options as commander hands them over. */
export interface BuildOptions {
  readonly file?: string;
  readonly tag?: readonly string[];
  readonly output?: readonly string[];
  readonly push?: boolean;
  readonly load?: boolean;
  readonly target?: string;
  readonly buildArg?: readonly string[];
  readonly buildContext?: readonly string[];
  readonly secret?: readonly string[];
  readonly ssh?: readonly string[];
  readonly platform?: string;
  readonly network?: string;
  /** False with `--no-cache`; with `--no-cache-filter` commander puts the stages here. */
  readonly cache?: boolean;
  readonly cacheFilter?: readonly string[];
  readonly hermetic?: boolean;
  readonly cacheFrom?: readonly string[];
  readonly cacheTo?: readonly string[];
  readonly squash?: boolean;
  readonly label?: readonly string[];
  readonly annotation?: readonly string[];
  readonly compression?: string;
  readonly created?: string;
  readonly sandbox?: string;
  readonly check?: string;
  readonly checkIgnore?: readonly string[];
  readonly smoke?: string | true;
  readonly sign?: string;
  readonly debugShell?: boolean;
  readonly locked?: boolean;
  readonly sbom?: string;
  readonly sbomDir?: string;
  readonly provenance?: boolean;
  readonly provenanceFile?: string;
  readonly digestFile?: string;
  readonly metadataFile?: string;
}

/** Checks options and turns them into what `build` takes. @throws OCISLIM_USAGE and what the parsers throw */
export function buildRequestOf(context: string, options: BuildOptions, env: NodeJS.ProcessEnv): BuildRequest {
  const { smoke } = options;
  return {
    context,
    file: options.file,
    input: process.stdin,
    target: options.target,
    buildArgs: new Map(Object.entries(keyValues('--build-arg', options.buildArg, env))),
    contexts: contextsOf(options.buildContext),
    secrets: (options.secret ?? []).map(secretOf),
    ssh: new Map((options.ssh ?? []).map((text) => agentOf(text, env))),
    tags: options.tag ?? [],
    outputs: options.output ?? [],
    push: options.push ?? false,
    load: options.load ?? false,
    platforms: (options.platform?.split(',') ?? []).map(parsePlatform),
    labels: keyValues('--label', options.label),
    annotations: keyValues('--annotation', options.annotation),
    compression: parseCompression(options.compression ?? 'gzip'),
    created: createdTime({ created: options.created, env }).seconds,
    squash: options.squash ?? false,
    network: oneOf('network', options.network ?? 'host', ['none', 'host']),
    cache: options.cache ?? true,
    hermetic: options.hermetic ?? false,
    noCache: options.cacheFilter ?? [],
    cacheFrom: options.cacheFrom ?? [],
    cacheTo: options.cacheTo ?? [],
    sandbox: oneOf('sandbox', options.sandbox ?? 'auto', ['auto', 'bubblewrap', 'proot']),
    check: checkLevel(options.check ?? 'warn'),
    ignore: (options.checkIgnore ?? []).map(ruleOf),
    smoke: smoke === undefined ? undefined : smoke === true ? [] : commandOf('--smoke', smoke),
    debugShell: options.debugShell ?? false,
    documents: documentsOf(options),
  };
}

function contextsOf(values: readonly string[] | undefined): ReadonlyMap<string, string> {
  const given = Object.entries(keyValues('--build-context', values));
  return new Map(given.map(([name, where]) => [contextName(name), where]));
}

/** `id=ID,src=FILE` or `id=ID,env=NAME`; alone `id=ID` means the variable, else the file, of that name (as with docker). */
function secretOf(text: string): SecretSource {
  const fields = new Map(text.split(',').map((field) => splitOnce(field)));
  const id = fields.get('id') ?? '';
  const file = fields.get('src') ?? fields.get('source');
  const variable = fields.get('env');
  const unknown = [...fields.keys()].find((key) => !['id', 'src', 'source', 'env', 'type'].includes(key));
  if (id === '' || unknown !== undefined || (file !== undefined && variable !== undefined)) {
    const why =
      id === ''
        ? 'no id is given'
        : unknown === undefined
          ? 'a file or a variable, not both'
          : `${unknown} is not known`;
    throw new OcislimError('OCISLIM_USAGE', `--secret ${text}: ${why}`, {
      hint: '--secret id=token,src=token.txt or --secret id=token,env=TOKEN',
    });
  }
  if (file !== undefined) return { id, from: 'file', name: file };
  const isFile = fields.get('type') === 'file' || (variable === undefined && process.env[id] === undefined);
  return isFile ? { id, from: 'file', name: id } : { id, from: 'env', name: variable ?? id };
}

function agentOf(text: string, env: NodeJS.ProcessEnv): readonly [string, string] {
  const [id, socket] = splitOnce(text);
  const path = socket || env['SSH_AUTH_SOCK'];
  if (path) return [id, path];
  throw new OcislimError('OCISLIM_USAGE', `--ssh ${text}: no agent runs here (SSH_AUTH_SOCK is not set)`, {
    hint: 'start one with eval $(ssh-agent), or name its socket: --ssh default=/path',
  });
}

function splitOnce(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
