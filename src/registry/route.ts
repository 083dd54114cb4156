import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http';
import type { HostCertificates } from './host-certificates.ts';

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
export const KEPT = { keepAlive: true, timeout: IDLE };

/** A way without any TLS; loaded by what touches the network alone. */
export function createRoute({ proxy }: RouteOptions): Route {
  const agent = new Agent(KEPT);
  const begin = (options: RequestOptions) => request({ ...options, agent });
  return {
    request: (url, options) =>
      proxy === undefined
        ? request(url, { ...options, agent })
        : begin({ ...placeOf(proxy), ...throughProxy(url, proxy, options) }),
    close: () => agent.destroy(),
  };
}

/** A proxy is asked for http:// pages as such, since many refuse CONNECT to anything but port 443. */
export function throughProxy(url: URL, proxy: URL, options: RequestOptions): RequestOptions {
  return {
    ...options,
    path: url.href,
    headers: { ...options.headers, ...proxyLogin(proxy), host: url.host },
  };
}

/** Where a proxy listens. */
export function placeOf({ hostname, port }: URL): Pick<RequestOptions, 'host' | 'port'> {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), ...(port === '' ? {} : { port }) };
}

export function proxyLogin({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}
