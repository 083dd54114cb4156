/** Everything that can be said on the command line of `pack` and kept in `ocislim.toml`. */
export interface PackSettings {
  readonly path: string;
  readonly toolchain: string;
  readonly network: string;
  readonly recipe: string;
  readonly bin: string;
  readonly build: string;
  readonly artifact: string;
  readonly buildEnv: Readonly<Record<string, string>>;
  readonly link: string;
  readonly jlink: boolean;
  readonly cache: boolean;
  readonly sandbox: string;
  readonly smoke: string | readonly string[];
  readonly base: string;
  readonly tag: readonly string[];
  readonly output: readonly string[];
  readonly push: boolean;
  readonly load: boolean;
  readonly platform: readonly string[];
  readonly dest: string;
  readonly add: readonly string[];
  readonly entrypoint: string | readonly string[];
  readonly cmd: string | readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workdir: string;
  readonly label: Readonly<Record<string, string>>;
  readonly annotation: Readonly<Record<string, string>>;
  readonly expose: readonly string[];
  readonly volume: readonly string[];
  readonly stopSignal: string;
  readonly compression: string;
  readonly check: string;
  readonly checkIgnore: readonly string[];
  readonly withLibs: boolean;
  readonly libsFrom: string;
  readonly withCerts: boolean;
  readonly withTzdata: boolean;
  readonly sign: string;
  readonly created: string;
  readonly offline: boolean;
  readonly locked: boolean;
  readonly sbom: string;
  readonly sbomDir: string;
  readonly provenance: boolean;
  readonly provenanceFile: string;
  readonly digestFile: string;
  readonly metadataFile: string;
  readonly mirror: Readonly<Record<string, string>>;
  readonly insecure: readonly string[];
  readonly caFile: string;
  readonly store: string;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
  readonly progress: string;
}

/** What a setting's value looks like in TOML. */
export type SettingKind = 'boolean' | 'string' | 'list' | 'command' | 'map';

export const SETTINGS: Readonly<Record<keyof PackSettings, SettingKind>> = {
  path: 'string',
  toolchain: 'string',
  network: 'string',
  recipe: 'string',
  bin: 'string',
  build: 'string',
  artifact: 'string',
  buildEnv: 'map',
  link: 'string',
  jlink: 'boolean',
  cache: 'boolean',
  sandbox: 'string',
  smoke: 'command',
  base: 'string',
  tag: 'list',
  output: 'list',
  push: 'boolean',
  load: 'boolean',
  platform: 'list',
  dest: 'string',
  add: 'list',
  entrypoint: 'command',
  cmd: 'command',
  env: 'map',
  user: 'string',
  workdir: 'string',
  label: 'map',
  annotation: 'map',
  expose: 'list',
  volume: 'list',
  stopSignal: 'string',
  compression: 'string',
  check: 'string',
  checkIgnore: 'list',
  withLibs: 'boolean',
  libsFrom: 'string',
  withCerts: 'boolean',
  withTzdata: 'boolean',
  sign: 'string',
  created: 'string',
  offline: 'boolean',
  locked: 'boolean',
  sbom: 'string',
  sbomDir: 'string',
  provenance: 'boolean',
  provenanceFile: 'string',
  digestFile: 'string',
  metadataFile: 'string',
  mirror: 'map',
  insecure: 'list',
  caFile: 'string',
  store: 'string',
  quiet: 'boolean',
  verbose: 'boolean',
  json: 'boolean',
  progress: 'string',
};
