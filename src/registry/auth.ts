import { OcislimError } from '../lib/errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credential, Lookup } from './credentials.ts';
import { discard, type HttpRequest, type HttpResponse, header, type Send } from './http.ts';
import { basic, type Grant, TokenRefused, Tokens } from './tokens.ts';

export interface AuthOptions {
  /** As references name it, `docker.io`; what `ocislim login` takes. */
  readonly registry: string;
  /** What messages are about: a repository, or the registry itself. */
  readonly subject: string;
  readonly base: URL;
  readonly unverified: boolean;
  /** Looked up when the registry first asks, since it may start a helper. */
  readonly credential: () => Promise<Lookup>;
  /** Without credentials or redirects of its own. */
  readonly send: Send;
  readonly now?: (() => number) | undefined;
  readonly onToken?: ((grant: Grant) => void) | undefined;
}

export interface Authenticator {
  /** Sends with what the registry wants to see, and answers when it asks for it. */
  readonly send: Send;
  /** What to tell the user about an answer 401 or 403. */
  refused(request: Pick<HttpRequest, 'scopes'>, reason?: string): Promise<OcislimError>;
}

/**
 * Answers the demands of one registry. Credentials and tokens go to its own origin and its realm alone; a request
 * that is anonymous, or goes anywhere else, stays without.
 */
export function authenticator(options: AuthOptions): Authenticator {
  const { base, send, now = Date.now } = options;
  const { unverified, onToken } = options;
  const tokens = new Tokens({ base, unverified, send, now, onToken });
  let known: Challenge | undefined;
  let lookup: Promise<Lookup> | undefined;
  const find = () => {
    lookup ??= options.credential();
    return lookup;
  };

  const refused: Authenticator['refused'] = async ({ scopes = [] }, reason) =>
    refusal(options, scopes, lookup === undefined ? undefined : await find(), reason);

  const authorize = async (challenge: Challenge, request: HttpRequest): Promise<string | undefined> => {
    const { credential } = await find();
    if (credential?.kind === 'registry-token') return `Bearer ${credential.secret}`;
    if (challenge.scheme === 'basic') return credential && basic(credential);
    try {
      const scopes = [...(request.scopes ?? []), ...scopesOf(challenge)];
      return `Bearer ${await tokens.get(challenge, scopes, credential, request.signal)}`;
    } catch (error) {
      throw error instanceof TokenRefused ? await refused(request, error.message) : error;
    }
  };

  const authenticated: Send = async (request) => {
    if (request.anonymous || request.url.origin !== base.origin) return send({ ...request, anonymous: true });
    // A challenge names the scope of the request it answered; the next one has its own.
    const first = known && (await authorize(withoutScope(known), request));
    const response = await send(withAuthorization(request, first));
    const challenge = response.status === 401 ? choose(response) : undefined;
    if (challenge === undefined) return response;
    known = challenge;
    if (first !== undefined) tokens.forget(first.replace(/^Bearer /, ''));
    let second: string | undefined;
    try {
      second = await authorize(challenge, request);
    } catch (error) {
      await discard(response);
      throw error;
    }
    if (second === undefined || second === first) return response;
    await discard(response);
    return send(withAuthorization(request, second));
  };
  return { send: authenticated, refused };
}

function withAuthorization(request: HttpRequest, authorization: string | undefined): HttpRequest {
  return authorization === undefined
    ? request
    : { ...request, headers: { ...request.headers, authorization } };
}

/** Bearer before Basic, which shows the password itself. */
function choose(response: HttpResponse): Challenge | undefined {
  const challenges = parseChallenges(header(response, 'www-authenticate') ?? '');
  return (
    challenges.find(({ scheme }) => scheme === 'bearer') ??
    challenges.find(({ scheme }) => scheme === 'basic')
  );
}

function scopesOf({ parameters }: Challenge): readonly string[] {
  return (parameters.get('scope') ?? '').split(' ').filter((scope) => scope !== '');
}

function withoutScope({ scheme, parameters }: Challenge): Challenge {
  return { scheme, parameters: new Map([...parameters].filter(([name]) => name !== 'scope')) };
}

function refusal(
  { registry, subject }: AuthOptions,
  scopes: readonly string[],
  lookup: Lookup | undefined,
  reason: string | undefined,
): OcislimError {
  const pushes = scopes.some((scope) => /[:,]push\b/.test(scope));
  const action = scopes.length === 0 ? 'not authorised' : `not authorised to ${pushes ? 'push' : 'pull'}`;
  const asked = scopes.length === 0 ? '' : `; asked for scope ${scopes.join(' ')}`;
  const said = reason === undefined || reason === '' ? '' : `; ${reason}`;
  const has = lookup?.credential !== undefined;
  return new OcislimError('OCISLIM_UNAUTHORIZED', `${subject}: ${action}: ${whose(lookup)}${asked}${said}`, {
    hint: hintFor(registry, has, pushes),
  });
}

function whose(lookup: Lookup | undefined): string {
  if (lookup === undefined) return 'the registry refuses without asking for credentials';
  const problems = lookup.problems.length === 0 ? '' : ` (${lookup.problems.join('; ')})`;
  if (lookup.credential !== undefined) return `refused for ${lookup.credential.from}${problems}`;
  return `no credentials found in ${lookup.searched.join(', ')}${problems}`;
}

function hintFor(registry: string, has: boolean, pushes: boolean): string {
  const login = `ocislim login ${registry}`;
  if (has) return `check what this user may do there, or log in as another: ${login}`;
  // Registries answer so for what does not exist, too, lest they tell what does.
  return pushes ? login : `check the name; if the repository is private: ${login}`;
}

/** For messages about a credential that was just typed in. */
export function givenLookup(credential: Credential): Lookup {
  return { credential, searched: [], problems: [] };
}
