import { ExitCode, OcislimError } from '../lib/errors.ts';
import { readBody, type Send } from './http.ts';
import type { Endpoint } from './mirrors.ts';
import type { Server } from './repository.ts';

/** What servers that only speak TLS say in plain HTTP to who does not (Go, nginx, Apache). */
const WANTS_TLS = /HTTP request (?:was )?(?:sent )?to an? (?:HTTPS|SSL)|speaking plain HTTP to an SSL/i;

/**
 * Finds out which of several ways to a registry works, once for each registry. Where there is one way nothing is
 * asked; where none works the first is given, and the real request tells what is wrong with it.
 */
export function serverFinder(
  send: Send,
): (endpoint: Endpoint, options?: { readonly signal?: AbortSignal | undefined }) => Promise<Server> {
  const found = new Map<string, Promise<Server>>();
  return ({ servers }, { signal } = {}) => {
    const [first, ...others] = servers;
    if (others.length === 0) return Promise.resolve(first);
    const key = servers.map(({ base, unverified }) => `${base.href}${unverified}`).join(' ');
    let search = found.get(key);
    if (search === undefined) {
      search = firstThatAnswers(servers, send, signal).then((server) => {
        if (server === undefined) found.delete(key);
        return server ?? first;
      });
      search.catch(() => found.delete(key));
      found.set(key, search);
    }
    return search;
  };
}

async function firstThatAnswers(
  servers: readonly Server[],
  send: Send,
  signal: AbortSignal | undefined,
): Promise<Server | undefined> {
  for (const server of servers) {
    const url = new URL('/v2/', server.base);
    try {
      const response = await send({
        method: 'GET',
        url,
        unverified: server.unverified,
        anonymous: true,
        retry: 'none',
        signal,
      });
      const text = (await readBody(response, 64 * 1024)).toString('latin1');
      if (url.protocol === 'https:' || response.status !== 400 || !WANTS_TLS.test(text)) return server;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof OcislimError && error.exitCode === ExitCode.Network)) throw error;
      // It speaks TLS; that its certificate is not trusted is what the user must hear.
      if (error.code === 'OCISLIM_REGISTRY_TLS' && !server.unverified) return server;
    }
  }
  return undefined;
}
