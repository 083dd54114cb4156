import { posix } from 'node:path';
import type { ContainerConfig } from '#oci-spec-types';
import type {
  Command,
  CommandInstruction,
  HealthcheckInstruction,
  Instruction,
  ListInstruction,
  OnbuildInstruction,
  PairsInstruction,
  ShellInstruction,
  ValueInstruction,
  Word,
} from '../dockerfile/ast.ts';
import { mergeEnv } from '../image/container-config.ts';
import { OcislimError } from '../lib/errors.ts';
import { exposedPorts } from './ports.ts';
import { requireSignal } from './signals.ts';
import type { StageState } from './state.ts';

/** Instructions that change how the image starts, and no file. */
export type ConfigInstruction =
  | PairsInstruction
  | CommandInstruction
  | ValueInstruction
  | ListInstruction
  | ShellInstruction
  | HealthcheckInstruction
  | OnbuildInstruction;

/** Whether an instruction is about how the image starts alone: no other instruction sees what it says. */
export function configOnly(kind: Instruction['kind']): boolean {
  return [
    'cmd',
    'entrypoint',
    'expose',
    'healthcheck',
    'label',
    'stopsignal',
    'volume',
    'maintainer',
  ].includes(kind);
}

/** What words mean where an instruction stands. */
export interface Words {
  one(word: Word): string;
  /** A word that may come to none or several. */
  several(word: Word): readonly string[];
}

/**
 * A stage with an instruction's say about its configuration (image-spec config.md; Dockerfile reference). WORKDIR's
 * folder is not made here.
 * @throws OCISLIM_DOCKERFILE_INVALID for values that are none
 */
export function configure(state: StageState, instruction: ConfigInstruction, words: Words): StageState {
  switch (instruction.kind) {
    case 'env':
      return setEnv(state, instruction, words);
    case 'label': {
      const labels = Object.fromEntries(pairsOf(instruction, words));
      return configured(
        state,
        { Labels: { ...state.config.Labels, ...labels } },
        `LABEL ${shownPairs(labels)}`,
      );
    }
    case 'cmd': {
      const Cmd = argvOf(instruction.command, state.config);
      return { ...configured(state, { Cmd }, `CMD ${shownList(Cmd)}`), hasCmd: true };
    }
    case 'entrypoint': {
      const Entrypoint = argvOf(instruction.command, state.config);
      // Arguments that were meant for the entrypoint of the base are not for this one.
      const changes = state.hasCmd ? { Entrypoint } : { Entrypoint, Cmd: undefined };
      return configured(state, changes, `ENTRYPOINT ${shownList(Entrypoint)}`);
    }
    case 'workdir': {
      const path = workdirOf(state.config, words.one(instruction.value));
      return configured(state, { WorkingDir: path }, `WORKDIR ${path}`);
    }
    case 'user': {
      const user = words.one(instruction.value);
      return configured(state, { User: user }, `USER ${user}`);
    }
    case 'stopsignal': {
      const signal = requireSignal(words.one(instruction.value));
      return configured(state, { StopSignal: signal }, `STOPSIGNAL ${signal}`);
    }
    case 'maintainer': {
      const author = words.one(instruction.value);
      return { ...configured(state, {}, `MAINTAINER ${author}`), author };
    }
    case 'expose': {
      const ports = exposedPorts(instruction.values.flatMap((word) => words.several(word)));
      const ExposedPorts = { ...state.config.ExposedPorts, ...ports };
      const shown = Object.keys(ports).map((port) => `${port}:{}`);
      return configured(state, { ExposedPorts }, `EXPOSE map[${shown.join(' ')}]`);
    }
    case 'volume': {
      const paths = instruction.values.map((word) => words.one(word));
      if (paths.includes('')) throw invalid('a volume without a path');
      const Volumes = { ...state.config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
      return configured(state, { Volumes }, `VOLUME [${paths.join(' ')}]`);
    }
    case 'shell':
      return configured(state, { Shell: instruction.args }, `SHELL ${shownList(instruction.args)}`);
    case 'healthcheck':
      return setHealthcheck(state, instruction);
    case 'onbuild': {
      const OnBuild = [...(state.config.OnBuild ?? []), instruction.trigger];
      return configured(state, { OnBuild }, `ONBUILD ${instruction.trigger}`);
    }
  }
}

/** What history says of how it was made. */
export const COMMENT = 'ocislim build';

/** Changes of the configuration, and a line of history that stands for no layer. */
function configured(state: StageState, changes: ContainerConfig, createdBy: string): StageState {
  const entry = { created_by: createdBy, comment: COMMENT, empty_layer: true };
  return { ...state, config: { ...state.config, ...changes }, history: [...state.history, entry] };
}

function setEnv(state: StageState, instruction: PairsInstruction, words: Words): StageState {
  const pairs = pairsOf(instruction, words);
  const env = Object.fromEntries(pairs);
  const next = configured(state, { Env: mergeEnv(state.config.Env ?? [], env) }, `ENV ${shownPairs(env)}`);
  return { ...next, vars: new Map([...state.vars, ...pairs]) };
}

/** All with the values from before the instruction: `ENV a=1 b=$a` sees the old `a`. */
function pairsOf({ pairs }: PairsInstruction, words: Words): readonly (readonly [string, string])[] {
  return pairs.map(({ name, value }) => {
    const key = words.one(name);
    if (key === '') throw invalid('a name that comes to nothing');
    return [key, words.one(value)] as const;
  });
}

function setHealthcheck(state: StageState, instruction: HealthcheckInstruction): StageState {
  const { command, interval, timeout, startPeriod, startInterval, retries } = instruction;
  if (command === undefined)
    return configured(state, { Healthcheck: { Test: ['NONE'] } }, 'HEALTHCHECK NONE');
  const Test = command.form === 'exec' ? ['CMD', ...command.args] : ['CMD-SHELL', command.text];
  const Healthcheck = {
    Test,
    ...(interval ? { Interval: interval } : {}),
    ...(timeout ? { Timeout: timeout } : {}),
    ...(startPeriod ? { StartPeriod: startPeriod } : {}),
    ...(startInterval ? { StartInterval: startInterval } : {}),
    ...(retries ? { Retries: retries } : {}),
  };
  return configured(state, { Healthcheck }, instruction.source);
}

/** What runs commands in shell form where no SHELL is said. */
export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

/** A command's words: in shell form what SHELL says, and the text. */
export function argvOf(command: Command, { Shell }: ContainerConfig): readonly string[] {
  if (command.form === 'exec') return command.args;
  return [...(Shell?.length ? Shell : DEFAULT_SHELL), command.text];
}

/** Of Linux, in bytes. */
const PATH_MAX = 4096;

/** Absolute and clean; a relative one begins where the last one led. */
export function workdirOf({ WorkingDir }: ContainerConfig, path: string): string {
  if (path === '') throw invalid('WORKDIR comes to nothing');
  const clean = posix.resolve('/', WorkingDir || '/', path);
  if (Buffer.byteLength(clean) >= PATH_MAX) throw invalid('the path is too long');
  return clean;
}

function shownPairs(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function shownList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}

function invalid(message: string): OcislimError {
  return new OcislimError('OCISLIM_DOCKERFILE_INVALID', message);
}
