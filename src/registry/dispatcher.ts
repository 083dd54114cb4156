import { createSecureContext, type SecureContext } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { OcislimError } from '../lib/errors.ts';
import type { HostCertificates } from './host-certificates.ts';
import { trustedContext } from './trust.ts';

export interface DispatcherOptions {
  readonly loopback: boolean;
  /** URL of the proxy to go through, if any. */
  readonly proxy: string | undefined;
  /** The server's certificate is not checked. */
  readonly unverified: boolean;
  readonly own: HostCertificates | undefined;
  readonly caFile: string | undefined;
  /** Names of files with authorities are read from here. */
  readonly env: NodeJS.ProcessEnv;
  /** Limit on connecting, in milliseconds. */
  readonly timeout: number;
}

/** undici's side of the transport; loaded by what touches the network alone. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { proxy, unverified, timeout } = options;
  const secureContext = contextFor(options);
  const connect = {
    timeout,
    ...(secureContext === undefined ? {} : { secureContext }),
    ...(unverified ? { rejectUnauthorized: false } : {}),
  };
  if (proxy === undefined) return new Agent({ connect });
  return new ProxyAgent({
    uri: proxy,
    connect,
    requestTls: connect,
    proxyTls: { timeout },
    // A proxy is asked for http:// pages as such, since many refuse CONNECT to anything but port 443.
    proxyTunnel: false,
  });
}

function contextFor({
  loopback,
  unverified,
  own,
  caFile,
  env,
}: DispatcherOptions): SecureContext | undefined {
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
