import { homedir } from 'node:os';
import { authKeys, findEntry, serverOfKey } from './auth-file.ts';
import { CredentialHelper } from './credential-helper.ts';
import { credentialOf, helpersFor } from './credentials.ts';
import { openDockerConfig } from './docker-config.ts';
import { parsePlace } from './place.ts';
import type { Registry } from './registry.ts';

export interface LoginContext {
  registry(): Promise<Registry>;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

export interface LoginRequest {
  /** `HOST[:PORT]`, or `HOST[:PORT]/REPOSITORY` for credentials of that repository and those below it. */
  readonly registry: string;
  readonly username: string;
  readonly secret: string;
}

/**
 * Tries credentials, and keeps them where Docker does: in the helper that its config.json names, else in that file.
 * @returns where they are kept, for a message
 * @throws OCISLIM_UNAUTHORIZED when the registry refuses them; OCISLIM_CONFIG_INVALID for a config.json that cannot be
 *   read or a helper that fails; OCISLIM_NOT_WRITABLE
 */
export async function login(request: LoginRequest, context: LoginContext): Promise<string> {
  const { username, secret } = request;
  const place = parsePlace(request.registry, 'login');
  const registry = await context.registry();
  await registry.ping(place.registry, credentialOf(username, secret, 'this login'), {
    signal: context.signal,
  });
  const config = await openDockerConfig(context.env, homeOf(context.env));
  const keys = authKeys(place);
  const server = serverOfKey(keys[0] ?? place.registry);
  const [helper] = helpersFor(config.file, keys);
  if (helper === undefined) {
    await config.write(server, { auth: Buffer.from(`${username}:${secret}`).toString('base64') });
    return config.path;
  }
  const keeper = new CredentialHelper(helper.name, context.env);
  await keeper.store(server, { username, secret });
  await config.write(server, {});
  return `${keeper.program}, named in ${config.path}`;
}

/** Forgets credentials that {@link login} keeps. @returns false where there were none */
export async function logout(registry: string, context: LoginContext): Promise<boolean> {
  const keys = authKeys(parsePlace(registry, 'logout'));
  const [key = ''] = keys;
  const server = serverOfKey(key);
  const config = await openDockerConfig(context.env, homeOf(context.env));
  let removed = false;
  for (const name of new Set(helpersFor(config.file, keys).map((helper) => helper.name))) {
    const keeper = new CredentialHelper(name, context.env);
    if ((await keeper.get(server)) === undefined) continue;
    await keeper.erase(server);
    removed = true;
  }
  if (findEntry(config.file.auths, [key]) !== undefined) {
    await config.write(server, undefined);
    removed = true;
  }
  return removed;
}

function homeOf(env: NodeJS.ProcessEnv): string {
  return env['HOME'] ?? homedir();
}
