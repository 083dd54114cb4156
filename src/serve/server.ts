import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { type Answer, answer, failure } from './answer.ts';
import { createReach, type Shelf } from './shelf.ts';

/** What was asked, and what came of it. */
export interface Request {
  readonly method: string;
  readonly url: string;
  readonly status: number;
}

export interface ServerOptions {
  /** An IP address. */
  readonly address: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly onRequest?: ((request: Request) => void) | undefined;
}

export interface RunningServer {
  /** Host and port, as they stand in a reference: `127.0.0.1:5000`. */
  readonly host: string;
  /** Takes no further connections, lets running answers end, and resolves then. */
  close(): Promise<void>;
}

/** Connections at once; an engine opens half a dozen. Further ones are closed at once. */
const CONNECTIONS = 128;
/** In milliseconds: for the headers of a request, for a whole request, and for silence in the middle of an answer. */
const TIMES = { headers: 10_000, request: 30_000, silence: 60_000 } as const;
const HEADERS_LIMIT = 16 * 1024;
const CHUNK = 256 * 1024;

/** Serves what lies on a shelf until it is closed. @throws OCISLIM_FAILED where the port is taken or forbidden */
export async function startServer(shelf: Shelf, options: ServerOptions): Promise<RunningServer> {
  const { address, port, onRequest } = options;
  const reach = createReach();
  const isLocal = isLoopback(address);
  const server = createServer(
    { maxHeaderSize: HEADERS_LIMIT, headersTimeout: TIMES.headers, requestTimeout: TIMES.request },
    (request, response) => {
      // Whatever is sent along, nothing is done with it.
      request.resume();
      const { method = '', url = '', headers } = request;
      const work = async () => {
        const made =
          isLocal && !isLocalHost(headers.host)
            ? failure(421, 'DENIED', 'this registry answers to loopback addresses alone')
            : await answer({ method, url, range: rangeOf(request) }, shelf, reach);
        onRequest?.({ method, url, status: made.status });
        await send(response, made, method === 'HEAD');
      };
      work().catch(() => {
        if (response.headersSent) response.destroy();
        else void send(response, failure(500, 'UNKNOWN', 'the images cannot be read'), false).catch(() => {});
      });
    },
  );
  server.maxConnections = CONNECTIONS;
  server.setTimeout(TIMES.silence);
  await listen(server, address, port);
  const bound = (server.address() as AddressInfo).port;
  return {
    host: `${isIP(address) === 6 ? `[${address}]` : address}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

/** Without a validator of ours, which we never give, `If-Range` can match nothing. */
function rangeOf({ headers }: IncomingMessage): string | undefined {
  return headers['if-range'] === undefined ? headers.range : undefined;
}

async function send(response: ServerResponse, made: Answer, isHead: boolean): Promise<void> {
  const { status, headers, body, file } = made;
  const { start, end } = file?.range ?? { start: 0, end: (file?.size ?? 0) - 1 };
  const length = file === undefined ? (body?.length ?? 0) : end - start + 1;
  try {
    response.writeHead(status, {
      'docker-distribution-api-version': 'registry/2.0',
      'x-content-type-options': 'nosniff',
      'content-length': length,
      ...headers,
    });
    if (isHead || file === undefined || length === 0) {
      response.end(isHead ? undefined : body);
      return;
    }
    await pipeline(file.handle.createReadStream({ start, end, highWaterMark: CHUNK }), response);
  } finally {
    // A stream that has read to its end has closed it already.
    await file?.handle.close().catch(() => {});
  }
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = systemCode(error);
      const why = { EADDRINUSE: 'is taken', EACCES: 'may not be used', EADDRNOTAVAIL: 'is not here' };
      const known = why[code as keyof typeof why];
      const message = `port ${port} of ${address} ${known ?? `cannot be listened at: ${error.message}`}`;
      reject(
        new OcislimError('OCISLIM_FAILED', message, {
          cause: error,
          hint: code === 'EADDRINUSE' ? 'choose another with --port, or --port 0 for any' : undefined,
        }),
      );
    });
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
}

/** Whether nobody but this machine reaches an address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** A web page whose name was made to mean this machine (DNS rebinding) still says its own name. */
function isLocalHost(host: string | undefined): boolean {
  const [, name = ''] = /^(\[[0-9a-f:]+\]|[^:]*)(?::\d+)?$/i.exec(host ?? '') ?? [];
  return name.toLowerCase() === 'localhost' || isLoopback(name.replace(/^\[|\]$/g, ''));
}
