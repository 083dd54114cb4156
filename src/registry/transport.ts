import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { VERSION } from '../version.ts';
import { isLoopback } from './address.ts';
import { readCaFile } from './ca-file.ts';
import { connectionError } from './connection-errors.ts';
import { readHostCertificates } from './host-certificates.ts';
import type { HttpRequest, HttpResponse, RequestBody, Send } from './http.ts';
import { proxyFor } from './proxy.ts';
import type { Route } from './route.ts';

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
  const routes = new Map<string, Promise<Route>>();

  /** One for all servers that are reached in the same way; those with certificates of their own have one each. */
  const routeFor = ({ url, unverified = false }: HttpRequest): Promise<Route> => {
    const loopback = isLoopback(url.host);
    const folders = options.certificateFolders ?? [];
    const own = url.protocol === 'https:' ? readHostCertificates(url.host, folders) : undefined;
    const proxy = proxyFor(url, env)?.url;
    const secure = [url, proxy].some((each) => each?.protocol === 'https:');
    const name = `${secure} ${loopback} ${unverified} ${proxy?.href ?? ''} ${own === undefined ? '' : url.host}`;
    let made = routes.get(name);
    if (made === undefined) {
      const { caFile } = options;
      const way = { loopback, proxy, unverified, own, caFile, env };
      made = secure
        ? import('./secure-route.ts').then(({ createSecureRoute }) => createSecureRoute(way))
        : import('./route.ts').then(({ createRoute }) => createRoute(way));
      routes.set(name, made);
    }
    return made;
  };

  const send: Send = async (request) => {
    const { url, signal } = request;
    signal?.throwIfAborted();
    const route = await routeFor(request);
    try {
      return await exchange(request, route, { userAgent, connect, silence });
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof BodyError ? error.cause : connectionError(error, url);
    }
  };
  const close = async () => {
    for (const made of routes.values())
      await made.then(
        (route) => route.close(),
        () => {},
      );
    routes.clear();
  };
  return { send, close };
}

/** What the source of a body failed with is no failure of the connection. */
class BodyError extends Error {}

interface Limits {
  readonly userAgent: string;
  /** In milliseconds, as in {@link TransportOptions}. */
  readonly connect: number;
  readonly silence: number;
}

async function exchange(
  request: HttpRequest,
  route: Route,
  { userAgent, connect, silence }: Limits,
): Promise<HttpResponse> {
  const { method, url, signal, body } = request;
  const opened = await body?.open().catch((cause: unknown) => {
    throw new BodyError('the body cannot be opened', { cause });
  });
  const asked = route.request(url, {
    method,
    headers: {
      'user-agent': userAgent,
      ...(body?.size === undefined ? {} : { 'content-length': String(body.size) }),
      ...request.headers,
    },
  });
  limitConnecting(asked, connect);
  endSilence(asked, request.patience ?? silence, silence);
  const answer = answerTo(asked, signal);
  let broken: BodyError | undefined;
  if (body === undefined || opened === undefined) asked.end();
  else {
    const sent = exactly(body, opened, (error) => {
      broken = error;
    });
    void write(asked, sent, body.size);
  }
  const response = await answer.catch((error: unknown) => {
    // What broke the source of the body matters more than that the request broke with it.
    throw broken ?? error;
  });
  return { status: response.statusCode ?? 0, headers: response.headers, body: response, url };
}

/** The head of the answer, and an end to both when `signal` says so. */
function answerTo(asked: ClientRequest, signal: AbortSignal | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let response: IncomingMessage | undefined;
    const stop = () => (response ?? asked).destroy(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
    asked
      .on('response', (answer: IncomingMessage) => {
        response = answer;
        // A server that has answered may not want the rest of what it was sent.
        answer.on('end', () => {
          if (!asked.writableFinished) asked.destroy();
        });
        resolve(answer);
      })
      // Once there is an answer, it tells by itself what breaks it off.
      .on('error', reject)
      .on('close', () => {
        signal?.removeEventListener('abort', stop);
        reject(failure('ECONNRESET', 'closed without an answer'));
      });
  });
}

function limitConnecting(asked: ClientRequest, limit: number): void {
  const timer = setTimeout(() => asked.destroy(failure('ETIMEDOUT', 'not connected in time')), limit);
  const done = () => clearTimeout(timer);
  asked.on('close', done).on('socket', (socket) => {
    if (asked.reusedSocket) done();
    else socket.once((socket as TLSSocket).encrypted ? 'secureConnect' : 'connect', done);
  });
}

/** Ends an exchange in which the other side says nothing for too long; but not for the time our side takes to read. */
function endSilence(asked: ClientRequest, beforeAnswer: number, within: number): void {
  asked.on('socket', (socket) => {
    let answer: IncomingMessage | undefined;
    const onSilence = () => {
      if (answer === undefined) asked.destroy(failure('ENOANSWER', 'no answer in time'));
      else if (answer.readableLength > 0) socket.setTimeout(within);
      else answer.destroy(failure('ESILENT', 'stopped sending'));
    };
    socket.setTimeout(beforeAnswer).on('timeout', onSilence);
    asked.on('response', (response: IncomingMessage) => {
      answer = response;
      socket.setTimeout(within);
    });
    // Another request may have the connection then.
    asked.on('close', () => socket.off('timeout', onSilence));
  });
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/**
 * Writes a body as fast as the server takes it; the request tells what goes wrong. By hand, since `stream.pipeline` makes an
 * error of each end, which takes longer than sending a small body.
 */
async function write(
  asked: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  size = Number.POSITIVE_INFINITY,
): Promise<void> {
  let left = size;
  try {
    for await (const chunk of body) {
      if (asked.destroyed) return;
      left -= chunk.length;
      // After the last nothing more is read into its memory; and the answer may be there before it is known to be gone.
      if (left > 0) await written(asked, chunk);
      else asked.write(chunk);
    }
    asked.end();
  } catch (error) {
    asked.destroy(error as Error);
  }
}

/** Writes a chunk, whose memory is free for other use then. */
function written(asked: ClientRequest, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      asked.off('close', done);
      resolve();
    };
    asked.on('close', done);
    asked.write(chunk, done);
  });
}

/** The bytes of a body, of which the head of the request may say how many there are. */
async function* exactly(
  { size, onBytes }: RequestBody,
  body: Readable | Uint8Array,
  onFailure: (error: BodyError) => void,
): AsyncGenerator<Uint8Array> {
  let rest = size ?? Number.POSITIVE_INFINITY;
  try {
    for await (const chunk of body instanceof Uint8Array ? [body] : body) {
      rest -= (chunk as Uint8Array).length;
      if (rest < 0) break;
      onBytes?.((chunk as Uint8Array).length);
      yield chunk as Uint8Array;
    }
    if (size !== undefined && rest !== 0)
      throw new Error(`a body that is said to have ${size} bytes has not`);
  } catch (cause) {
    const error = new BodyError('the body broke off', { cause });
    onFailure(error);
    throw error;
  }
}
