import { createSecureContext } from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { trustedContext } from './trust.ts';

/** How a server is reached: loopback never goes through a proxy, as in Go's clients. */
export type Route = 'loopback' | 'network' | 'unverified loopback' | 'unverified network';

/** undici's side of the transport; loaded by what touches the network alone. */
export function createDispatcher(
  route: Route,
  caFile: string | undefined,
  env: NodeJS.ProcessEnv,
  timeout: number,
): Dispatcher {
  if (route.startsWith('unverified')) {
    const connect = { timeout, rejectUnauthorized: false };
    return route === 'unverified loopback' ? new Agent({ connect }) : proxied({ connect });
  }
  // Reading every authority of the system takes longer than a whole exchange with a registry on loopback, which
  // none of them ever signed.
  const secureContext =
    route === 'loopback' && caFile === undefined ? createSecureContext() : trustedContext(caFile, env);
  const connect = { timeout, secureContext };
  return route === 'loopback' ? new Agent({ connect }) : proxied({ connect });

  function proxied({ connect }: { connect: object }): Dispatcher {
    return new EnvHttpProxyAgent({
      httpProxy: env['http_proxy'] ?? env['HTTP_PROXY'] ?? '',
      httpsProxy: env['https_proxy'] ?? env['HTTPS_PROXY'] ?? '',
      noProxy: env['no_proxy'] ?? env['NO_PROXY'] ?? '',
      connect,
      requestTls: connect,
      proxyTls: { timeout },
      // A proxy is asked for http:// pages as such, since many refuse CONNECT to anything but port 443.
      proxyTunnel: false,
    });
  }
}
