import { type ClientRequest, type RequestOptions, request } from 'node:http';
import { Agent, request as tlsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls';
import { OcislimError } from '../lib/errors.ts';
import { KEPT, placeOf, proxyLogin, type Route, type RouteOptions, throughProxy } from './route.ts';
import { trustedContext } from './trust.ts';

/** A way to servers that speak HTTPS, or through a proxy that does. */
export function createSecureRoute(options: RouteOptions): Route {
  const { proxy, caFile, env } = options;
  const agent = new Agent({ ...KEPT, ...verification(options) });
  const proxyAgent =
    proxy?.protocol === 'https:'
      ? new Agent({ ...KEPT, secureContext: trustedContext(caFile, env) })
      : undefined;
  if (proxy !== undefined) Object.assign(agent, { createConnection: tunnelsThrough(proxy, proxyAgent) });
  return {
    request: (url, asked) =>
      proxy === undefined || url.protocol === 'https:'
        ? tlsRequest(url, { ...asked, agent })
        : tlsRequest({ ...securePlaceOf(proxy), ...throughProxy(url, proxy, asked), agent: proxyAgent }),
    close: () => {
      agent.destroy();
      proxyAgent?.destroy();
    },
  };
}

/** The proxy's own name is what its certificate must have, and not the Host that it is sent. */
function securePlaceOf(proxy: URL): RequestOptions & { servername: string } {
  const place = placeOf(proxy);
  const host = place.host ?? '';
  return { ...place, servername: isIP(host) === 0 ? host : '' };
}

/** What an agent connects with where a proxy is to carry the bytes to the server unseen (RFC 9110 § 9.3.6). */
function tunnelsThrough(proxy: URL, agent: Agent | undefined) {
  const begin = (options: RequestOptions): ClientRequest =>
    agent === undefined
      ? request({ ...placeOf(proxy), ...options })
      : tlsRequest({ ...securePlaceOf(proxy), ...options, agent });
  return (target: ConnectionOptions, done: (error: Error | null, socket?: Duplex) => void): void => {
    const name = target.host?.includes(':') ? `[${target.host}]` : target.host;
    const path = `${name}:${target.port ?? 443}`;
    begin({ method: 'CONNECT', path, headers: { ...proxyLogin(proxy), host: path } })
      .on('connect', (answer, socket) => {
        if (answer.statusCode === 200) return done(null, connect({ ...target, socket }));
        socket.destroy();
        done(Object.assign(new Error(`the proxy answered ${answer.statusCode}`), { code: 'EPROXYREFUSED' }));
      })
      .on('error', done)
      .end();
  };
}

/** What a server's certificate is checked against, and whether it is. */
function verification(options: RouteOptions): { secureContext?: SecureContext; rejectUnauthorized?: false } {
  const secureContext = contextFor(options);
  return {
    ...(secureContext === undefined ? {} : { secureContext }),
    ...(options.unverified ? { rejectUnauthorized: false } : {}),
  };
}

function contextFor({ loopback, unverified, own, caFile, env }: RouteOptions): SecureContext | undefined {
  if (own !== undefined) {
    try {
      return trustedContext(caFile, env, own);
    } catch (cause) {
      if (cause instanceof OcislimError) throw cause;
      throw new OcislimError('OCISLIM_CONFIG_INVALID', `${own.folder}: what is there cannot be used`, {
        hint: 'certificates and keys must be in PEM form, and each key belong to its certificate',
        cause,
      });
    }
  }
  if (unverified) return undefined;
  // Reading every authority of the system takes longer than a whole exchange with a registry on loopback, which
  // none of them ever signed.
  return loopback && caFile === undefined ? createSecureContext() : trustedContext(caFile, env);
}
