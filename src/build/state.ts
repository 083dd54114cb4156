import type { ContainerConfig, History } from '#oci-spec-types';
import { environmentOf } from '../image/container-config.ts';
import type { Image, Layer } from '../image/model.ts';

/** What a stage has come to after some of its instructions. */
export interface StageState {
  /** The image that the stage began with; undefined for `scratch`. */
  readonly base: Image | undefined;
  /** From the base up; those that steps have made are uncompressed. */
  readonly layers: readonly Layer[];
  readonly config: ContainerConfig;
  readonly history: readonly History[];
  readonly author?: string | undefined;
  /** What words see and commands get: of ENV and ARG what was said last. */
  readonly vars: ReadonlyMap<string, string>;
  /** Whether CMD stands in this stage, rather than in what it is built from. */
  readonly hasCmd: boolean;
}

/** What commands find programs in where nothing says so (BuildKit, util/system). */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A stage that begins with nothing. */
export const SCRATCH: StageState = {
  base: undefined,
  layers: [],
  config: { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' },
  history: [],
  vars: new Map([['PATH', DEFAULT_PATH]]),
  hasCmd: false,
};

/** A stage that begins with an image. Triggers are the new stage's to fire, not to keep. */
export function beginWith(image: Image, history: readonly History[]): StageState {
  const { OnBuild: _, ArgsEscaped: __, ...config } = image.config.config ?? {};
  return {
    ...SCRATCH,
    base: image,
    layers: image.layers,
    config: withPath(config),
    history,
    author: image.config.author,
    vars: new Map(Object.entries(environmentOf(withPath(config)))),
  };
}

function withPath(config: ContainerConfig): ContainerConfig {
  if (environmentOf(config)['PATH'] !== undefined) return config;
  return { ...config, Env: [...(config.Env ?? []), `PATH=${DEFAULT_PATH}`] };
}

/** A stage that begins with another one: arguments are inherited, CMD counts as the other's. */
export function beginWithStage(other: StageState): StageState {
  const { OnBuild: _, ...config } = other.config;
  return { ...other, config, hasCmd: false };
}
