import { describe, expect, onTestFinished, test } from 'vitest';
import { type AuthOptions, authenticator } from '../../src/registry/auth.ts';
import type { Credential, Lookup } from '../../src/registry/credentials.ts';
import { discard, type HttpRequest, type HttpResponse, type Send } from '../../src/registry/http.ts';
import { redirecting } from '../../src/registry/redirect.ts';
import { createTransport } from '../../src/registry/transport.ts';
import { type Answer, type HttpServer, httpServer, type Script, type Seen } from '../support/http-server.ts';

const ALICE: Credential = {
  kind: 'password',
  username: 'alice',
  secret: 's3cret',
  from: 'user "alice" of FILE',
};
const BASIC = `Basic ${Buffer.from('alice:s3cret').toString('base64')}`;
const PULL = 'repository:app:pull';
const PUSH = 'repository:app:pull,push';

function transport(): Send {
  const opened = createTransport();
  onTestFinished(() => opened.close());
  return opened.send;
}

function found(credential?: Credential): Lookup {
  return { credential, searched: ['/home/me/.docker/config.json'], problems: [] };
}

function authFor(
  server: Pick<HttpServer, 'url' | 'host'>,
  credential?: Credential,
  more?: Partial<AuthOptions>,
) {
  return authenticator({
    registry: server.host,
    subject: 'reg/app',
    base: new URL(`${server.url}/`),
    unverified: false,
    credential: async () => found(credential),
    send: transport(),
    ...more,
  });
}

async function done(response: Promise<HttpResponse>): Promise<number> {
  const { status } = await response.then(async (answer) => {
    await discard(answer);
    return answer;
  });
  return status;
}

function get(server: Pick<HttpServer, 'url'>, scopes: readonly string[] = [PULL]): HttpRequest {
  return { method: 'GET', url: new URL('/v2/app/x', server.url), scopes };
}

/** A registry that wants tokens from `/token` on itself, which are numbered, and takes those that `accepts` says. */
async function tokenRegistry(
  options: { token?: Script; accepts?: (token: string) => boolean; challenge?: string } = {},
): Promise<HttpServer> {
  let tokens = 0;
  const server: HttpServer = await httpServer(async (request): Promise<Answer> => {
    if (request.path.startsWith('/token')) {
      return (await options.token?.(request)) ?? { body: JSON.stringify({ token: `t${++tokens}` }) };
    }
    const [, token] = /^Bearer (.*)$/.exec(request.headers.authorization ?? '') ?? [];
    if (token !== undefined && (options.accepts?.(token) ?? true)) return { body: 'ok' };
    const challenge = options.challenge ?? `Bearer realm="${server.url}/token",service="reg",scope="${PULL}"`;
    return { status: 401, headers: { 'www-authenticate': challenge } };
  });
  return server;
}

function tokenRequests(server: HttpServer): Seen[] {
  return server.seen.filter(({ path }) => path.startsWith('/token'));
}

function query(request: Seen | undefined): URLSearchParams {
  return new URL(request?.path ?? '', 'http://x').searchParams;
}

describe('a registry that wants tokens', () => {
  test('gets one for the scopes of the request, bought with the password', async () => {
    const server = await tokenRegistry();
    expect(await done(authFor(server, ALICE).send(get(server, [PUSH])))).toBe(200);
    const [asked] = tokenRequests(server);
    expect(asked?.headers.authorization).toBe(BASIC);
    expect(query(asked).getAll('scope')).toEqual([PUSH]);
    expect(query(asked).get('service')).toBe('reg');
    expect(server.seen.at(-1)?.headers.authorization).toBe('Bearer t1');
  });

  test('gets one without credentials where there are none', async () => {
    const server = await tokenRegistry();
    expect(await done(authFor(server).send(get(server)))).toBe(200);
    expect(tokenRequests(server)[0]?.headers.authorization).toBeUndefined();
  });

  test('gets the same token for everything it covers, and another for more', async () => {
    const server = await tokenRegistry();
    const { send } = authFor(server, ALICE);
    for (const scopes of [[PUSH], [PULL], [PUSH]]) await done(send(get(server, scopes)));
    expect(tokenRequests(server)).toHaveLength(1);
    await done(send(get(server, [PUSH, 'repository:base:pull'])));
    expect(query(tokenRequests(server)[1]).getAll('scope')).toEqual([PUSH, 'repository:base:pull']);
  });

  test('is asked for one token by many requests at once', async () => {
    const server = await tokenRegistry();
    const { send } = authFor(server, ALICE);
    await Promise.all(Array.from({ length: 8 }, () => done(send(get(server)))));
    expect(tokenRequests(server)).toHaveLength(1);
  });

  test('gets a new token when the old one has run out', async () => {
    let now = 0;
    const server = await tokenRegistry({ token: () => ({ body: '{"access_token":"t","expires_in":300}' }) });
    const { send } = authFor(server, ALICE, { now: () => now });
    await done(send(get(server)));
    now = 294_000;
    await done(send(get(server)));
    expect(tokenRequests(server)).toHaveLength(1);
    now = 296_000;
    await done(send(get(server)));
    expect(tokenRequests(server)).toHaveLength(2);
  });

  test('gets a new token, and the body again, when it takes the old one no longer', async () => {
    let good = 't1';
    const server = await tokenRegistry({ accepts: (token) => token === good });
    const { send } = authFor(server, ALICE);
    await done(send(get(server, [PUSH])));
    good = 't2';
    let opened = 0;
    const body = {
      size: 7,
      open: async () => {
        opened++;
        return Buffer.from('content');
      },
    };
    expect(await done(send({ ...get(server, [PUSH]), method: 'PUT', body }))).toBe(200);
    expect(opened).toBe(2);
    expect(server.seen.at(-1)?.body.toString()).toBe('content');
  });

  test('is not asked for ever', async () => {
    const server = await tokenRegistry({ accepts: () => false });
    expect(await done(authFor(server, ALICE).send(get(server)))).toBe(401);
    expect(tokenRequests(server)).toHaveLength(1);
  });

  test('gets an identity token as OAuth2 has it', async () => {
    const server = await tokenRegistry();
    const credential: Credential = { ...ALICE, kind: 'identity-token', secret: 'id+token' };
    expect(await done(authFor(server, credential).send(get(server)))).toBe(200);
    const [asked] = tokenRequests(server);
    expect(asked).toMatchObject({ method: 'POST', path: '/token' });
    expect(Object.fromEntries(new URLSearchParams(asked?.body.toString()))).toEqual({
      grant_type: 'refresh_token',
      client_id: 'ocislim',
      refresh_token: 'id+token',
      service: 'reg',
      scope: PULL,
    });
  });

  test('gets an identity token by GET where it knows no OAuth2', async () => {
    const server = await tokenRegistry({
      token: ({ method }) => (method === 'POST' ? { status: 404 } : undefined),
    });
    const credential: Credential = { ...ALICE, kind: 'identity-token' };
    expect(await done(authFor(server, credential).send(get(server)))).toBe(200);
    expect(tokenRequests(server).map(({ method }) => method)).toEqual(['POST', 'GET']);
  });
});

describe('a registry that wants a password', () => {
  const registry = () =>
    httpServer(({ headers }) =>
      headers.authorization === BASIC
        ? { body: 'ok' }
        : { status: 401, headers: { 'www-authenticate': 'Negotiate, Basic realm="x"' } },
    );

  test('gets it after asking, and from then on at once', async () => {
    const server = await registry();
    const { send } = authFor(server, ALICE);
    await done(send(get(server)));
    await done(send(get(server)));
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, BASIC, BASIC]);
  });

  test('is not sent a wrong one again and again', async () => {
    const server = await registry();
    const { send } = authFor(server, { ...ALICE, secret: 'wrong' });
    expect(await done(send(get(server)))).toBe(401);
    expect(server.seen).toHaveLength(2);
    expect(await done(send(get(server)))).toBe(401);
    expect(server.seen).toHaveLength(3);
  });
});

describe('credentials', () => {
  test('are not looked for until the registry asks', async () => {
    const server = await httpServer(() => ({ body: 'ok' }));
    const credential = () => Promise.reject(new Error('looked'));
    expect(await done(authFor(server, undefined, { credential }).send(get(server)))).toBe(200);
  });

  test('are not sent with anonymous requests, nor to another origin', async () => {
    const server = await tokenRegistry();
    const other = await tokenRegistry();
    const { send } = authFor(server, ALICE);
    await done(send(get(server)));
    expect(await done(send({ ...get(server), anonymous: true }))).toBe(401);
    expect(await done(send(get(other)))).toBe(401);
    expect(other.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('stay behind at a redirect, also when it leads back', async () => {
    const away: HttpServer = await httpServer(() => ({
      status: 307,
      headers: { location: `${server.url}/back` },
    }));
    const server: HttpServer = await httpServer(({ path, headers }) => {
      if (path === '/back') return { body: 'ok' };
      if (headers.authorization === BASIC) return { status: 307, headers: { location: `${away.url}/x` } };
      return { status: 401, headers: { 'www-authenticate': 'Basic' } };
    });
    expect(await done(redirecting(authFor(server, ALICE).send)(get(server)))).toBe(200);
    expect(away.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    expect(server.seen.at(-1)).toMatchObject({ path: '/back' });
    expect(server.seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  test('stay behind when the token server redirects', async () => {
    const away = await httpServer(() => ({ body: '{"token":"t"}' }));
    const server = await tokenRegistry({
      token: () => ({ status: 302, headers: { location: `${away.url}/token` } }),
    });
    await done(authFor(server, ALICE).send(get(server)));
    expect(away.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('in the body of a request for a token follow no redirect', async () => {
    const away = await httpServer(() => ({ body: '{"token":"t"}' }));
    const server = await tokenRegistry({
      token: () => ({ status: 307, headers: { location: `${away.url}/token` } }),
    });
    const { send } = authFor(server, { ...ALICE, kind: 'identity-token' });
    await expect(done(send(get(server)))).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_FAILED' });
    expect(away.seen).toEqual([]);
  });
});

describe('a realm', () => {
  const base = new URL('https://reg.example/');
  const realms = (realm: string) => {
    const asked: string[] = [];
    const send: Send = async ({ url }) => {
      asked.push(url.href);
      const { Readable } = await import('node:stream');
      const headers = { 'www-authenticate': `Bearer realm="${realm}"` };
      return { status: 401, headers, body: Readable.from([]), url };
    };
    const auth = authFor({ url: base.href, host: 'reg.example' }, ALICE, { send, base });
    return { asked, answer: done(auth.send({ method: 'GET', url: new URL('/v2/', base), scopes: [PULL] })) };
  };

  test.each([
    ['http://auth.example/token', /not HTTPS/],
    ['https://169.254.169.254/latest', /private network/],
    ['https://10.0.0.1/token', /private network/],
    ['https://localhost/token', /private network/],
    ['https://u:p@auth.example/token', /holds credentials/],
    ['file:///etc/passwd', /not HTTPS/],
    ['token', /no URL/],
  ])('%s is not asked', async (realm, why) => {
    const { asked, answer } = realms(realm);
    await expect(answer).rejects.toThrow(why);
    expect(asked).toEqual(['https://reg.example/v2/']);
  });
});

describe('an answer of the token server', () => {
  test.each([
    ['{}', /without a token/],
    ['{"token": "a\\nb"}', /without a token/],
    ['<html>', /not JSON/],
    [`{"token": "${'x'.repeat(300_000)}"}`, /larger than/],
  ])('that is no good is named (%#)', async (body, why) => {
    const server = await tokenRegistry({ token: () => ({ body }) });
    await expect(done(authFor(server, ALICE).send(get(server)))).rejects.toThrow(why);
  });

  test('that refuses names the credentials and the scope, and not the secret', async () => {
    const server = await tokenRegistry({ token: () => ({ status: 403 }) });
    const error: unknown = await done(authFor(server, ALICE).send(get(server, [PUSH]))).catch(
      (thrown) => thrown,
    );
    expect(error).toMatchObject({
      code: 'OCISLIM_UNAUTHORIZED',
      message: `reg/app: not authorised to push: refused for user "alice" of FILE; asked for scope ${PUSH}; ${server.host} answered 403`,
      hint: expect.stringContaining(`ocislim login ${server.host}`),
    });
    expect(JSON.stringify(error)).not.toContain('s3cret');
  });
});

test('a refusal without credentials tells where they were looked for', async () => {
  const server = await tokenRegistry({ token: () => ({ status: 401 }) });
  await expect(done(authFor(server).send(get(server)))).rejects.toThrow(
    `reg/app: not authorised to pull: no credentials found in /home/me/.docker/config.json; asked for scope ${PULL}`,
  );
});
