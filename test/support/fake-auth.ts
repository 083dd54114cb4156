import { type Answer, type HttpServer, httpServer, type Script, type Seen } from './http-server.ts';

/** How a scripted registry wants to know who asks. */
export interface FakeAuth {
  readonly kind: 'basic' | 'token';
  readonly username: string;
  readonly password: string;
  /** Whether everybody may read. */
  readonly public?: boolean;
  /** Asked first by the token server. */
  readonly tokenScript?: Script;
  /** Told of the token server once it is there, to look at its requests or to take tokens back. */
  readonly onStart?: (server: TokenServer) => void;
}

export interface TokenServer extends HttpServer {
  /** Makes all tokens worthless that were given so far. */
  revoke(): void;
}

/** What stands before a registry: gives an answer for whoever may not pass. */
export async function fakeAuth(auth: FakeAuth): Promise<(request: Seen) => Answer | undefined> {
  const basic = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
  if (auth.kind === 'basic') {
    const refusal: Answer = { status: 401, headers: { 'www-authenticate': 'Basic realm="registry"' } };
    return ({ headers }) => (headers.authorization === basic ? undefined : refusal);
  }
  const granted = new Map<string, ReadonlySet<string>>();
  let given = 0;
  const server = await httpServer(async (request) => {
    const scripted = await auth.tokenScript?.(request);
    if (scripted !== undefined) return scripted;
    const { authorization } = request.headers;
    const isUser = authorization === basic;
    if (authorization !== undefined && !isUser) return { status: 401 };
    const asked = new URL(request.path, 'http://tokens').searchParams.getAll('scope');
    const allowed = asked
      .flatMap(actionsOf)
      .filter((each) => isUser || (auth.public && each.endsWith(':pull')));
    const token = `token-${server.host}-${++given}`;
    granted.set(token, new Set(allowed));
    return { body: JSON.stringify({ token, expires_in: 300 }) };
  });
  auth.onStart?.({ ...server, revoke: () => granted.clear() });
  return (request) => {
    const needed = neededFor(request);
    const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    const has = granted.get(token);
    if (has !== undefined && (needed === undefined || has.has(needed))) return undefined;
    const scope = needed === undefined ? '' : `,scope="${needed}"`;
    const challenge = `Bearer realm="${server.url}/token",service="registry"${scope}`;
    return { status: 401, headers: { 'www-authenticate': challenge } };
  };
}

/** `repository:NAME:pull,push` as one scope an action. */
function actionsOf(scope: string): readonly string[] {
  const colon = scope.lastIndexOf(':');
  const actions = scope.slice(colon + 1).split(',');
  return actions.map((action) => `${scope.slice(0, colon)}:${action}`);
}

function neededFor({ method, path }: Seen): string | undefined {
  const [, repository] = /^\/v2\/(.+)\/(?:manifests|blobs|referrers|tags)\//.exec(path) ?? [];
  if (repository === undefined) return undefined;
  return `repository:${repository}:${method === 'GET' || method === 'HEAD' ? 'pull' : 'push'}`;
}
