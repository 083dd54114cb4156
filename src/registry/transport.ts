import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { VERSION } from '../version.ts';
import { isLoopback } from './address.ts';
import { connectionError } from './connection-errors.ts';
import { readHostCertificates } from './host-certificates.ts';
import type { HttpRequest, HttpResponse, Send } from './http.ts';
import { proxyFor } from './proxy.ts';
import { readCaFile } from './trust.ts';

export interface TransportOptions {
  readonly caFile?: string | undefined;
  /** Proxy variables are read from here. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly userAgent?: string | undefined;
  /** Where certificates for single hosts are kept. */
  readonly certificateFolders?: readonly string[] | undefined;
  /** Limits in milliseconds: on connecting (TLS included), and on silence before and in an answer. */
  readonly timeouts?: { readonly connect?: number; readonly silence?: number } | undefined;
}

export interface Transport {
  /** Sends one request, once. @throws OCISLIM_REGISTRY_UNREACHABLE | …_TLS | …_NOT_TLS naming the host. */
  readonly send: Send;
  /** Ends all connections, so that the process can end. */
  close(): Promise<void>;
}

/** The one place that speaks HTTP: connections, proxies, TLS, limits on time, and errors in the user's words. */
export function createTransport(options: TransportOptions = {}): Transport {
  const { env = {}, userAgent = `ocislim/${VERSION}` } = options;
  const connect = options.timeouts?.connect ?? 15_000;
  const silence = options.timeouts?.silence ?? 60_000;
  if (options.caFile !== undefined) readCaFile(options.caFile);
  const dispatchers = new Map<string, Promise<Dispatcher>>();

  /** One for all servers that are reached in the same way; those with certificates of their own have one each. */
  const dispatcherFor = ({ url, unverified = false }: HttpRequest): Promise<Dispatcher> => {
    const loopback = isLoopback(url.host);
    const folders = options.certificateFolders ?? [];
    const own = url.protocol === 'https:' ? readHostCertificates(url.host, folders) : undefined;
    const proxy = proxyFor(url, env)?.url.href;
    const route = `${loopback} ${unverified} ${proxy ?? ''} ${own === undefined ? '' : url.host}`;
    let made = dispatchers.get(route);
    if (made === undefined) {
      const { caFile } = options;
      made = import('./dispatcher.ts').then(({ createDispatcher }) =>
        createDispatcher({ loopback, proxy, unverified, own, caFile, env, timeout: connect }),
      );
      dispatchers.set(route, made);
    }
    return made;
  };

  const send: Send = async (request) => {
    const { url, signal } = request;
    signal?.throwIfAborted();
    const through = await dispatcherFor(request);
    try {
      return await exchange(request, through, { 'user-agent': userAgent }, silence);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof BodyError ? error.cause : connectionError(error, url);
    }
  };
  const close = async () => {
    for (const made of dispatchers.values())
      await made.then(
        (dispatcher) => dispatcher.destroy(),
        () => {},
      );
    dispatchers.clear();
  };
  return { send, close };
}

/** What the source of a body failed with is no failure of the connection. */
class BodyError extends Error {}

async function exchange(
  request: HttpRequest,
  dispatcher: Dispatcher,
  headers: Readonly<Record<string, string>>,
  silence: number,
): Promise<HttpResponse> {
  const { method, url, signal, body } = request;
  let failure: unknown;
  const opened = await body?.open().catch((cause: unknown) => {
    throw new BodyError('the body cannot be opened', { cause });
  });
  const content =
    opened === undefined || opened instanceof Uint8Array
      ? opened
      : watched(opened, (error) => {
          failure = error;
        });
  try {
    const { statusCode, ...answer } = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-length': String(body.size) }),
        ...request.headers,
      },
      ...(content === undefined ? {} : { body: content }),
      ...(signal === undefined ? {} : { signal }),
      headersTimeout: request.patience ?? silence,
      bodyTimeout: silence,
    });
    return { status: statusCode, headers: answer.headers, body: answer.body, url };
  } catch (error) {
    // What broke the source of the body matters more than that the request broke with it.
    throw failure === undefined ? error : new BodyError('the body broke off', { cause: failure });
  }
}

/** The same stream; told of what its source fails with, and not of what ends it from this side. */
function watched(source: Readable, onFailure: (error: unknown) => void): Readable {
  const read = async function* () {
    try {
      yield* source;
    } catch (error) {
      onFailure(error);
      throw error;
    }
  };
  return Readable.from(read(), { objectMode: false });
}
