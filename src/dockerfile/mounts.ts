import { nearest } from '../config/nearest.ts';
import { dockerfileError, type Place } from './error.ts';

interface Owned {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A folder or file of the build context, a stage or an image. What is written into it is thrown away. */
export interface BindMount {
  readonly type: 'bind';
  readonly target: string;
  /** Within `from`, or the build context; its root as default. */
  readonly source: string;
  readonly from?: string | undefined;
  readonly readOnly: boolean;
}

/** A folder that stays from one build to the next. */
export interface CacheMount extends Owned {
  readonly type: 'cache';
  readonly target: string;
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** What a new one starts with, with `source` in it. */
  readonly from?: string | undefined;
  readonly source: string;
  readonly readOnly: boolean;
}

export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly target: string;
  /** In bytes. */
  readonly size?: number | undefined;
  readonly readOnly: boolean;
}

export interface SecretMount extends Owned {
  readonly type: 'secret';
  readonly id: string;
  /** Undefined where it is in the environment alone. */
  readonly target?: string | undefined;
  /** The variable it is in. */
  readonly env?: string | undefined;
  readonly required: boolean;
}

export interface SshMount extends Owned {
  readonly type: 'ssh';
  readonly id: string;
  /** As default a path that is not among others' (`/run/buildkit/ssh_agent.N`). */
  readonly target?: string | undefined;
  readonly required: boolean;
}

/** What `RUN --mount` says (Dockerfile reference § RUN --mount). */
export type Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
type MountType = (typeof TYPES)[number];
const SHARING = ['shared', 'private', 'locked'] as const;

/** Other names of keys. */
const ALIASES: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
  rw: 'readwrite',
};

/** Keys, and the types that have them where not all have. */
const KEYS: Readonly<Record<string, readonly MountType[] | undefined>> = {
  type: undefined,
  from: ['bind', 'cache', 'tmpfs', 'ssh'],
  source: undefined,
  target: undefined,
  readonly: undefined,
  readwrite: undefined,
  id: undefined,
  sharing: ['cache'],
  required: ['secret', 'ssh'],
  mode: ['cache', 'secret', 'ssh'],
  uid: ['cache', 'secret', 'ssh'],
  gid: ['cache', 'secret', 'ssh'],
  size: ['tmpfs'],
  env: ['secret'],
};

/**
 * Reads the value of `--mount`.
 * @param at where it stands, for errors
 * @param expand expands a key's value; what is expanded is not split at commas any more
 * @throws OCISLIM_DOCKERFILE_INVALID
 */
export function parseMount(
  value: string,
  at: Place,
  expand: (text: string) => string = (text) => text,
): Mount {
  const fail = (why: string, hint?: string) => dockerfileError(at.file, at.range, `mount ${why}`, { hint });
  const fields = mountFields(value);
  if (fields === undefined) throw fail('has a quote that is not closed');
  const options = optionsOf(fields, fail, expand);
  const type = options.get('type')?.toLowerCase() ?? 'bind';
  if (!isOneOf(type, TYPES)) throw fail(`type ${type} is unknown`, suggestion(type, TYPES));
  for (const key of options.keys()) {
    const types = KEYS[key];
    if (types !== undefined && !types.includes(type))
      throw fail(`of type ${type} has no ${key}`, `${key} is for ${types.join(' and ')}`);
  }
  return mountOf(type, options, fail);
}

type Fail = (why: string, hint?: string) => Error;

function mountOf(type: MountType, options: ReadonlyMap<string, string>, fail: Fail): Mount {
  const number = (key: string, standard: number) => numberOf(options, key, standard, fail);
  const owned = (mode: number) => ({
    mode: number('mode', mode),
    uid: number('uid', 0),
    gid: number('gid', 0),
  });
  const target = options.get('target');
  const required = options.get('required') === 'true';
  const readOnly = (standard: boolean) => {
    const [last] = [...options.keys()].filter((key) => key === 'readonly' || key === 'readwrite').slice(-1);
    if (last === undefined) return standard;
    return (options.get(last) === 'true') === (last === 'readonly');
  };
  const from = options.get('from') || undefined;
  const source = options.get('source') ?? '';
  switch (type) {
    case 'bind':
      return { type, target: target || '.', source, from, readOnly: readOnly(true) };
    case 'tmpfs':
      return {
        type,
        target: needed(target, type, fail),
        size: sizeOf(options.get('size'), fail),
        readOnly: readOnly(false),
      };
    case 'cache': {
      const path = needed(target, type, fail);
      const sharing = options.get('sharing')?.toLowerCase() ?? 'shared';
      if (!isOneOf(sharing, SHARING))
        throw fail(`sharing ${sharing} is unknown`, suggestion(sharing, SHARING));
      const id = options.get('id') || path;
      return { type, target: path, id, sharing, from, source, readOnly: readOnly(false), ...owned(0o755) };
    }
    case 'secret': {
      const given = options.get('id');
      if (source !== '' && given)
        throw fail('of type secret has both id and source', 'they are the same; leave one out');
      const id = given || source || baseName(target ?? '');
      if (id === '') throw fail('of type secret has no id', 'expected type=secret,id=NAME');
      const env = options.get('env') || undefined;
      const path = target || (env === undefined ? `/run/secrets/${baseName(id)}` : undefined);
      return { type, id, target: path, env, required, ...owned(0o400) };
    }
    case 'ssh':
      return {
        type,
        id: options.get('id') || 'default',
        target: target || undefined,
        required,
        ...owned(0o600),
      };
  }
}

function needed(target: string | undefined, type: MountType, fail: Fail): string {
  if (target) return target;
  throw fail(`of type ${type} has no target`, `expected type=${type},target=PATH`);
}

/** By name, checked as far as that can be without the type; the last of each counts. */
function optionsOf(
  fields: readonly string[],
  fail: Fail,
  expand: (text: string) => string,
): Map<string, string> {
  const options = new Map<string, string>();
  for (const field of fields) {
    const cut = field.indexOf('=');
    const written = field.slice(0, cut < 0 ? undefined : cut).toLowerCase();
    const key = Object.hasOwn(ALIASES, written) ? (ALIASES[written] ?? written) : written;
    if (!Object.hasOwn(KEYS, key)) {
      throw fail(
        `has no key ${written.slice(0, 60)}`,
        suggestion(written, [...Object.keys(KEYS), ...Object.keys(ALIASES)]),
      );
    }
    const isFlag = ['readonly', 'readwrite', 'required'].includes(key);
    if (cut < 0 && !isFlag) throw fail(`key ${written} has no value`, `expected ${written}=VALUE`);
    const value = cut < 0 ? 'true' : expand(field.slice(cut + 1));
    options.delete(key);
    options.set(key, isFlag ? booleanOf(written, value, fail) : value);
  }
  return options;
}

/** As Go's strconv.ParseBool. */
function booleanOf(key: string, value: string, fail: Fail): string {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return 'true';
  if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return 'false';
  throw fail(`${key}=${value.slice(0, 60)}: not a boolean`, 'expected true or false');
}

function numberOf(options: ReadonlyMap<string, string>, key: string, standard: number, fail: Fail): number {
  const text = options.get(key);
  if (text === undefined) return standard;
  const isOctal = key === 'mode';
  const number = (isOctal ? /^[0-7]{1,12}$/ : /^[0-9]{1,12}$/).test(text)
    ? Number.parseInt(text, isOctal ? 8 : 10)
    : -1;
  if (number >= 0 && number < 2 ** 32) return number;
  throw fail(
    `${key}=${text.slice(0, 60)}: not a number`,
    isOctal ? 'expected for example 0700' : 'expected for example 1000',
  );
}

/** In bytes, of `64m` or `1.5GiB`. */
function sizeOf(text: string | undefined, fail: Fail): number | undefined {
  if (text === undefined) return undefined;
  const [, number, unit = ''] = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp]?)(?:i?b)?$/i.exec(text) ?? [];
  if (number === undefined) throw fail(`size=${text.slice(0, 60)}: not a size`, 'expected for example 64m');
  return Math.floor(Number(number) * 1024 ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '));
}

/** The fields of one CSV record; undefined where a quote has no end or stands in mid-field. */
export function mountFields(value: string): string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; ; at++) {
    if (value[at] !== '"') {
      const comma = value.indexOf(',', at);
      const field = value.slice(at, comma < 0 ? undefined : comma);
      if (field.includes('"')) return undefined;
      fields.push(field);
      if (comma < 0) return fields;
      at = comma;
      continue;
    }
    const parts: string[] = [];
    for (;;) {
      const close = value.indexOf('"', at + 1);
      if (close < 0) return undefined;
      parts.push(value.slice(at + 1, close));
      at = close + 1;
      if (value[at] !== '"') break;
    }
    fields.push(parts.join('"'));
    if (at >= value.length) return fields;
    if (value[at] !== ',') return undefined;
  }
}

function isOneOf<T extends string>(text: string, words: readonly T[]): text is T {
  return (words as readonly string[]).includes(text);
}

function suggestion(word: string, words: readonly string[]): string {
  const similar = word !== '' && word.length <= 40 ? nearest(word, words) : undefined;
  return similar === undefined ? `it is one of ${words.join(', ')}` : `did you mean ${similar}?`;
}

function baseName(path: string): string {
  return path.replace(/\/+$/, '').split('/').at(-1) ?? '';
}
