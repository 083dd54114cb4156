import { formatPlatform, type Platform } from '#oci-spec-types';
import type { ArgInstruction, Word } from '../dockerfile/ast.ts';
import { COMMENT } from './configure.ts';
import type { StageState } from './state.ts';

/** What ARGs can get their values from. */
export interface Arguments {
  /** `--build-arg`. */
  readonly given: ReadonlyMap<string, string>;
  /** ARGs before the first FROM that have a value. */
  readonly globals: ReadonlyMap<string, string>;
  /** What BuildKit sets itself: `TARGETPLATFORM` and the like. */
  readonly automatic: ReadonlyMap<string, string>;
  /** Names of `given` that some ARG has asked for. */
  readonly used: Set<string>;
}

/** Names that need no ARG, and that neither the image's history nor a cache's key has (Dockerfile reference). */
const PROXIES: readonly string[] = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'];

/** Those of `--build-arg` that are about the way to the network. */
export function proxyVariables({ given, used }: Arguments): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const lower of PROXIES) {
    const names = [lower, lower.toUpperCase()].filter((name) => given.has(name));
    for (const name of names) used.add(name);
    // Programs look for one or the other.
    const value = given.get(names[0] ?? '');
    if (value !== undefined) Object.assign(env, { [lower.toUpperCase()]: value, [lower]: value });
  }
  return env;
}

/** The automatic platform arguments (Dockerfile reference § Automatic platform ARGs in the global scope). */
export function platformArguments(
  target: Platform,
  build: Platform,
  stage: string,
): ReadonlyMap<string, string> {
  const of = (prefix: string, platform: Platform): readonly (readonly [string, string])[] => [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
  return new Map([...of('TARGET', target), ...of('BUILD', build), ['TARGETSTAGE', stage]]);
}

type Expand = (word: Word, get: (name: string) => string | undefined) => string;

/** Gives the ARGs before the first FROM their values; each sees those before it. */
export function globalArguments(
  instructions: readonly ArgInstruction[],
  given: ReadonlyMap<string, string>,
  automatic: ReadonlyMap<string, string>,
  expand: Expand,
): Arguments {
  const globals = new Map<string, string>();
  const used = new Set<string>();
  for (const { name, value } of instructions.flatMap(({ args }) => args)) {
    const get = (each: string) => globals.get(each) ?? automatic.get(each);
    const own = given.get(name.text) ?? (value === undefined ? automatic.get(name.text) : expand(value, get));
    if (given.has(name.text)) used.add(name.text);
    if (own !== undefined) globals.set(name.text, own);
  }
  return { given, globals, automatic, used };
}

/** A stage with an ARG's say. One without any value is in no environment. */
export function declareArguments(
  state: StageState,
  { args }: ArgInstruction,
  { given, globals, automatic, used }: Arguments,
  expand: Expand,
): StageState {
  const vars = new Map(state.vars);
  const before = (name: string) => state.vars.get(name);
  for (const { name, value } of args) {
    if (given.has(name.text)) used.add(name.text);
    const own =
      given.get(name.text) ??
      (value === undefined ? (globals.get(name.text) ?? automatic.get(name.text)) : expand(value, before));
    if (own !== undefined) vars.set(name.text, own);
  }
  const shown = args.map(({ name, value }) =>
    value === undefined ? name.text : `${name.text}=${value.text}`,
  );
  const entry = { created_by: `ARG ${shown.join(' ')}`, comment: COMMENT, empty_layer: true };
  return { ...state, vars, history: [...state.history, entry] };
}
