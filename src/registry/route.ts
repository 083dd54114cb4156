import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls';
import { OcislimError } from '../lib/errors.ts';
import type { HostCertificates } from './host-certificates.ts';
import { trustedContext } from './trust.ts';

export interface RouteOptions {
  readonly loopback: boolean;
  /** The proxy to go through, if any. */
  readonly proxy: URL | undefined;
  /** The server's certificate is not checked. */
  readonly unverified: boolean;
  readonly own: HostCertificates | undefined;
  readonly caFile: string | undefined;
  /** Names of files with authorities are read from here. */
  readonly env: NodeJS.ProcessEnv;
}

/** A way to servers, with its connections. */
export interface Route {
  /** Begins a request; its body and its end are the caller's. */
  request(url: URL, options: RequestOptions): ClientRequest;
  /** Ends all connections. */
  close(): void;
}

/** Connections that nobody used for so long are closed, in milliseconds: before servers begin to do so themselves. */
const IDLE = 4000;
const KEPT = { keepAlive: true, timeout: IDLE };

/** Node's side of the transport; loaded by what touches the network alone. */
export function createRoute(options: RouteOptions): Route {
  const { proxy } = options;
  // What secures connections takes a while to make, and http:// needs none of it.
  let tls: TlsAgent | undefined;
  const secured = () => {
    tls ??= new TlsAgent({ ...KEPT, ...verification(options) });
    return tls;
  };
  const plain = new Agent(KEPT);
  const close = () => {
    plain.destroy();
    tls?.destroy();
  };
  if (proxy === undefined) {
    const direct: Route['request'] = (url, asked) =>
      url.protocol === 'https:'
        ? tlsRequest(url, { ...asked, agent: secured() })
        : request(url, { ...asked, agent: plain });
    return { request: direct, close };
  }
  const toProxy = proxyConnection(proxy, options);
  const through: Route['request'] = (url, asked) => {
    if (url.protocol === 'https:') {
      const agent = secured();
      Object.assign(agent, { createConnection: tunnels(toProxy) });
      return tlsRequest(url, { ...asked, agent });
    }
    // A proxy is asked for http:// pages as such, since many refuse CONNECT to anything but port 443.
    const headers = { ...asked.headers, ...toProxy.headers, host: url.host };
    return toProxy.begin({ ...asked, headers, path: url.href });
  };
  const closeAll = () => {
    toProxy.close();
    close();
  };
  return { request: through, close: closeAll };
}

interface ProxyConnection {
  readonly headers: Readonly<Record<string, string>>;
  readonly begin: (options: RequestOptions) => ClientRequest;
  readonly close: () => void;
}

function proxyConnection(proxy: URL, { caFile, env }: RouteOptions): ProxyConnection {
  const { protocol, hostname, port, username, password } = proxy;
  const place = { host: hostname.replace(/^\[(.*)\]$/, '$1'), ...(port === '' ? {} : { port }) };
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers =
    username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
  if (protocol === 'http:') {
    const agent = new Agent(KEPT);
    return {
      headers,
      begin: (options) => request({ ...options, ...place, agent }),
      close: () => agent.destroy(),
    };
  }
  const agent = new TlsAgent({ ...KEPT, secureContext: trustedContext(caFile, env) });
  return {
    headers,
    begin: (options) => tlsRequest({ ...options, ...place, agent }),
    close: () => agent.destroy(),
  };
}

/** What an agent connects with where a proxy is to carry the bytes to the server unseen (RFC 9110 § 9.3.6). */
function tunnels({ begin, headers }: ProxyConnection) {
  return (target: ConnectionOptions, done: (error: Error | null, socket?: Duplex) => void): void => {
    const name = target.host?.includes(':') ? `[${target.host}]` : target.host;
    const path = `${name}:${target.port ?? 443}`;
    begin({ method: 'CONNECT', path, headers: { ...headers, host: path } })
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
