import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Proxy {
  readonly url: string;
  /** What it was asked for: `CONNECT HOST:PORT`, `GET URL`. */
  readonly asked: readonly string[];
  /** The proxy-authorization of each that had one. */
  readonly logins: readonly string[];
}

/** A proxy on loopback that sends everything to `target` (`HOST:PORT`), whatever is asked for; it ends with its test. */
export async function proxyTo(
  target: string,
  { tunnels = true, tls }: { tunnels?: boolean; tls?: { key: string; cert: string } } = {},
): Promise<Proxy> {
  const asked: string[] = [];
  const logins: string[] = [];
  const note = ({ method, url, headers }: IncomingMessage) => {
    asked.push(`${method} ${url}`);
    const login = headers['proxy-authorization'];
    if (login !== undefined) logins.push(login);
  };
  const [host = '', port] = target.split(':');
  const listener: RequestListener = (request, response) => {
    note(request);
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    const options = { host, port, path: pathname, method: request.method };
    request.pipe(httpRequest(options, (answer) => answer.pipe(response)));
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on('connect', (request, socket) => {
    note(request);
    if (!tunnels) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const through = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      through.pipe(socket).pipe(through);
    });
    for (const end of [through, socket]) end.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`, asked, logins };
}
