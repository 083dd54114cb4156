import * as v from 'valibot';
import { OcislimError } from '../lib/errors.ts';
import { hostName, leadsInward } from './address.ts';
import type { Challenge } from './challenge.ts';
import type { Credential } from './credentials.ts';
import { discard, type HttpRequest, type HttpResponse, readBody, type Send } from './http.ts';
import { redirecting } from './redirect.ts';
import { coversScopes, mergeScopes } from './scopes.ts';

/** The longest tokens seen, those of clouds with many claims, have a few tens of KiB. */
const ANSWER_LIMIT = 256 * 1024;
/** A token is at least used for so long, whatever its server says, and is asked anew a little before its end. */
const SHORTEST_LIFE = 60_000;
const MARGIN = 5_000;
const CLIENT_ID = 'ocislim';

export interface TokenOptions {
  /** Where the registry is; decides what its realm may be. */
  readonly base: URL;
  /** The registry's certificate is not checked, so that of a token server on the same host is not either. */
  readonly unverified: boolean;
  /** Without credentials or redirects of its own. */
  readonly send: Send;
  readonly now: () => number;
  readonly onToken?: ((grant: Grant) => void) | undefined;
}

/** What a token server gave. */
export interface Grant {
  /** Host of the token server. */
  readonly realm: string;
  readonly asked: readonly string[];
  /** What the token says that it allows; undefined where it does not say so, or not in a way that is known. */
  readonly granted: readonly string[] | undefined;
}

/** The token server would not give a token for what was asked. */
export class TokenRefused extends Error {
  readonly realm: string;

  constructor(realm: URL, status: number) {
    super(`${realm.host} answered ${status}`);
    this.realm = realm.host;
  }
}

interface Held {
  readonly scopes: readonly string[];
  readonly token: string;
  readonly until: number;
}

/** The bearer tokens of one registry and one credential: cached by scopes, and asked for once at a time. */
export class Tokens {
  readonly #options: TokenOptions;
  readonly #running = new Map<string, Promise<string>>();
  #held: readonly Held[] = [];

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /**
   * A token that allows `scopes`.
   * @throws TokenRefused; OCISLIM_REGISTRY_FAILED for a realm or an answer that cannot be right
   */
  async get(
    challenge: Challenge,
    scopes: readonly string[],
    credential: Credential | undefined,
    signal?: AbortSignal,
  ): Promise<string> {
    const wanted = mergeScopes(scopes);
    const now = this.#options.now();
    const held = this.#held.find((each) => each.until > now && coversScopes(each.scopes, wanted));
    if (held !== undefined) return held.token;
    const key = wanted.join(' ');
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#fetch(challenge, wanted, credential, signal).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  /** Never gives this token again: the registry would not have it. */
  forget(token: string): void {
    this.#held = this.#held.filter((each) => each.token !== token);
  }

  async #fetch(
    challenge: Challenge,
    scopes: readonly string[],
    credential: Credential | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const realm = checkedRealm(challenge, this.#options.base);
    const { response, asked } = await this.#ask(realm, challenge, scopes, credential, signal);
    if (response.status !== 200) {
      await discard(response);
      if (response.status >= 400 && response.status < 500) throw new TokenRefused(realm, response.status);
      throw failed(realm, `answered ${response.status} instead of a token`);
    }
    const { token, expiresIn } = parseAnswer(await readBody(response, ANSWER_LIMIT), realm);
    this.#options.onToken?.({ realm: realm.host, asked: scopes, granted: grantedBy(token) });
    const life = Math.max(SHORTEST_LIFE, expiresIn * 1000) - MARGIN;
    this.#held = [{ scopes, token, until: asked + life }, ...this.#held].slice(0, 100);
    return token;
  }

  async #ask(
    realm: URL,
    challenge: Challenge,
    scopes: readonly string[],
    credential: Credential | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly response: HttpResponse; readonly asked: number }> {
    const { base, unverified, send, now } = this.#options;
    const asked = now();
    const service = challenge.parameters.get('service');
    const common = { signal, unverified: unverified && hostName(realm.host) === hostName(base.host) };
    if (credential?.kind === 'identity-token') {
      // Sent without following redirects, which would carry the secret in the body elsewhere.
      const response = await send({
        ...common,
        ...refreshRequest(realm, service, scopes, credential.secret),
      });
      if (response.status !== 404 && response.status !== 405) return { response, asked };
      await discard(response);
    }
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    if (credential !== undefined) url.searchParams.set('account', credential.username);
    const authorization = credential && basic(credential);
    const withBasic: Send = (request) =>
      send(request.anonymous || !authorization ? request : { ...request, headers: { authorization } });
    return { response: await redirecting(withBasic)({ ...common, method: 'GET', url }), asked };
  }
}

/** `Authorization: Basic …` (RFC 7617). */
export function basic({ username, secret }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;
}

/** The OAuth2 form (distribution's spec/auth/oauth), for identity tokens. */
function refreshRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  token: string,
): HttpRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: CLIENT_ID,
    refresh_token: token,
  });
  if (service !== undefined) form.set('service', service);
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  const bytes = Buffer.from(form.toString());
  return {
    method: 'POST',
    url: realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: { size: bytes.length, open: async () => bytes },
  };
}

/** The realm is the registry's word, and credentials will be sent there. */
function checkedRealm(challenge: Challenge, base: URL): URL {
  const text = challenge.parameters.get('realm') ?? '';
  if (!URL.canParse(text)) throw failed(base, 'asks for a token, but its realm is no URL');
  const realm = new URL(text);
  const legal = realm.protocol === 'https:' || (realm.protocol === 'http:' && base.protocol === 'http:');
  if (!legal)
    throw failed(base, `asks for a token from ${realm.protocol}//${realm.host}, which is not HTTPS`);
  if (realm.username !== '' || realm.password !== '') throw failed(base, 'its realm holds credentials');
  if (leadsInward(realm, base)) {
    throw failed(base, `asks for a token from ${realm.host}, an address in a private network; not followed`);
  }
  return realm;
}

const answer = v.object({
  token: v.optional(v.string()),
  access_token: v.optional(v.string()),
  expires_in: v.optional(v.number()),
});

function parseAnswer(bytes: Buffer, realm: URL): { readonly token: string; readonly expiresIn: number } {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's message would quote what may be a token.
    throw failed(realm, 'gave something that is not JSON instead of a token');
  }
  const result = v.safeParse(answer, value);
  const token = result.success ? (result.output.token ?? result.output.access_token) : undefined;
  if (!result.success || token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw failed(realm, 'gave an answer without a token');
  }
  return { token, expiresIn: result.output.expires_in ?? 0 };
}

const claims = v.object({
  access: v.array(v.object({ type: v.string(), name: v.string(), actions: v.array(v.string()) })),
});

/** The scopes in a token that is a JWT (distribution.github.io/distribution/spec/auth/jwt); its signature is its registry's matter. */
function grantedBy(token: string): readonly string[] | undefined {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { access } = v.parse(claims, JSON.parse(payload));
    return access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`);
  } catch {
    return undefined;
  }
}

function failed({ host }: URL, why: string): OcislimError {
  return new OcislimError('OCISLIM_REGISTRY_FAILED', `${host}: ${why}`);
}
