import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { watchCredentials } from './credential-watch.ts';

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** As much as was read. */
  readonly body: Buffer;
}

export interface Answer {
  /** Default 200; 0 breaks the connection off without an answer. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** The connection breaks off after so many bytes of the body. */
  readonly cutAfter?: number | undefined;
  /** Nothing more is sent after `cutAfter` bytes, but the connection stays. */
  readonly stalls?: boolean | undefined;
}

/** Gives the answer to a request; undefined is a 404. */
export type Script = (request: Seen) => Answer | undefined | Promise<Answer | undefined>;

export interface HttpServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** All requests so far, in order. */
  readonly seen: readonly Seen[];
  /** The requests so far as `METHOD PATH`. */
  lines(): string[];
  /** Takes no connections any more, and ends those it has. */
  down(): Promise<void>;
  /** Listens again at the same port. */
  up(): Promise<void>;
}

export interface HttpServerOptions {
  /** Key and certificate, PEM; then it speaks HTTPS. With `clients` it wants a certificate that this one has signed. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clients?: string } | undefined;
  /** How many bytes of a request's body are read before the connection breaks off; undefined reads it all. */
  readonly cut?: ((request: Omit<Seen, 'body'>) => number | undefined) | undefined;
}

/** Starts a scripted server on loopback, which ends with the test that started it. */
export async function httpServer(script: Script, options: HttpServerOptions = {}): Promise<HttpServer> {
  const seen: Seen[] = [];
  const { tls, cut } = options;
  let url = '';
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: path = '', headers, socket } = request;
    const limit = cut?.({ method, path, headers });
    const asked: Seen = { method, path, headers, body: await readBody(request, limit) };
    seen.push(asked);
    watchCredentials.request(url, headers);
    const answer = (await script(asked)) ?? { status: 404 };
    if (answer.status === 0 || limit !== undefined) {
      socket.destroy();
      return;
    }
    watchCredentials.answer(url, answer.headers);
    respond(response, answer, method === 'HEAD');
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tlsOptions(tls), listener);
  const listen = (port: number) => new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const down = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((done) => server.close(done));
  };
  await listen(0);
  onTestFinished(down);
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  url = `${tls === undefined ? 'http' : 'https'}://${host}`;
  return {
    host,
    url,
    seen,
    lines: () => seen.map(({ method, path }) => `${method} ${path}`),
    down,
    up: () => listen(port),
  };
}

function tlsOptions({ clients, ...tls }: NonNullable<HttpServerOptions['tls']>) {
  return clients === undefined ? tls : { ...tls, ca: clients, requestCert: true, rejectUnauthorized: true };
}

async function readBody(request: IncomingMessage, limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  if (limit === 0) return Buffer.alloc(0);
  try {
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size >= limit) break;
    }
  } catch {
    // The client broke off; what came is what there is.
  }
  return Buffer.concat(chunks).subarray(0, limit);
}

function respond(response: ServerResponse, answer: Answer, isHead: boolean): void {
  const body = Buffer.from(answer.body ?? '');
  const { status = 200, headers = {}, cutAfter, stalls = false } = answer;
  response.on('error', () => {});
  if (isHead || cutAfter === undefined) {
    const length = { 'content-length': String(body.length) };
    response.writeHead(status, status === 204 ? headers : { ...length, ...headers });
    response.end(isHead ? undefined : body);
    return;
  }
  response.writeHead(status, { 'content-length': String(body.length), ...headers });
  const part = body.subarray(0, cutAfter);
  if (stalls) response.write(part);
  else response.write(part, () => setImmediate(() => response.destroy()));
}

/** An address on loopback where nothing listens. */
export async function deadHost(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}
