import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { systemCode } from '../lib/errors.ts';
import type { Reference } from './reference.ts';

/** Where Docker's clients keep what they know about Docker Hub. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

const entry = v.object({
  auth: v.optional(v.string()),
  username: v.optional(v.string()),
  password: v.optional(v.string()),
  identitytoken: v.optional(v.string()),
  registrytoken: v.optional(v.string()),
});
const schema = v.object({
  auths: v.optional(v.record(v.string(), entry), {}),
  credHelpers: v.optional(v.record(v.string(), v.string()), {}),
  credsStore: v.optional(v.string()),
});

/** One entry of `auths`. */
export type AuthEntry = v.InferOutput<typeof entry>;
/** Docker's config.json and Podman's auth.json, as far as credentials go. */
export type AuthFile = v.InferOutput<typeof schema>;

/** Where credentials are looked for: a variable with content, or a file. */
export interface AuthPlace {
  /** How messages name it. */
  readonly name: string;
  readonly content?: string | undefined;
}

export function dockerConfigPath(env: NodeJS.ProcessEnv, home: string): string {
  return join(env['DOCKER_CONFIG'] || join(home, '.docker'), 'config.json');
}

/** Docker's places and then Podman's; the first that knows a registry counts. */
export function authPlaces(env: NodeJS.ProcessEnv, home: string): AuthPlace[] {
  const content = env['DOCKER_AUTH_CONFIG'];
  const runtime = env['XDG_RUNTIME_DIR'];
  return [
    ...(content ? [{ name: '$DOCKER_AUTH_CONFIG', content }] : []),
    { name: dockerConfigPath(env, home) },
    ...(env['REGISTRY_AUTH_FILE'] ? [{ name: env['REGISTRY_AUTH_FILE'] }] : []),
    ...(runtime ? [{ name: join(runtime, 'containers/auth.json') }] : []),
    { name: join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers/auth.json') },
  ];
}

/**
 * Reads one of the places; undefined where there is nothing.
 * @throws Error with a message of a few words that quotes nothing of the content
 */
export async function readAuthFile({ name, content }: AuthPlace): Promise<AuthFile | undefined> {
  const text = content ?? (await readIfThere(name));
  if (text === undefined || text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new Error('does not have the form of a Docker config.json');
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw new Error(`cannot be read (${systemCode(error) ?? 'unknown reason'})`);
  }
}

/** The keys that may hold a repository's credentials, the most particular first: `HOST/a/b`, `HOST/a`, `HOST`. */
export function authKeys({ registry, repository }: Pick<Reference, 'registry' | 'repository'>): string[] {
  const components = repository === '' ? [] : repository.split('/');
  const keys = components.map((_, at) => [registry, ...components.slice(0, at + 1)].join('/'));
  return [...keys.reverse(), registry];
}

/** What a key of a file means: without scheme and API version, and with Docker Hub's names made one. */
export function normalKey(key: string): string {
  const bare = key.replace(/^https?:\/\//i, '').replace(/\/(?:v[12]\/?)?$/, '');
  const slash = bare.indexOf('/');
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase();
  const path = slash < 0 ? '' : bare.slice(slash);
  return (host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host) + path;
}

/** The value under the first of `keys` that a table of a file has, with the key looked for. */
export function findEntry<T>(
  table: Readonly<Record<string, T>>,
  keys: readonly string[],
): { readonly key: string; readonly value: T } | undefined {
  const entries = Object.entries(table);
  for (const key of keys) {
    const found = entries.find(([name]) => normalKey(name) === key);
    if (found !== undefined) return { key, value: found[1] };
  }
  return undefined;
}

/** What a helper is asked for, and what login writes. */
export function serverOfKey(key: string): string {
  return key === 'docker.io' ? DOCKER_HUB_KEY : key;
}
