import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { onTestFinished } from 'vitest';
import type { Random } from './random.ts';

export interface Chaos {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** What was done to connections so far. */
  readonly done: readonly string[];
}

const FAULTS = ['refuse', 'cut up', 'cut down', 'flip up', 'flip down', 'delay', '5xx', '429'] as const;

/**
 * A way to `target` (`HOST:PORT`) that does something to some of its connections: refuses them, ends them after some
 * bytes, flips a bit in one direction, delays, or answers in the place of the server.
 * @param share of the connections that something is done to, from 0 to 1
 */
export async function chaosTo(target: string, random: Random, share: number): Promise<Chaos> {
  const done: string[] = [];
  const sockets = new Set<Socket>();
  const [host = '', port] = target.split(':');
  const server = createServer((client) => {
    sockets.add(client.on('error', () => {}));
    const fault = random.next() < share ? random.pick(FAULTS) : undefined;
    // Mostly among the headers and small documents, sometimes in the middle of content.
    const at = random.below(random.next() < 0.5 ? 2_000 : 400_000);
    if (fault !== undefined) done.push(`${fault} ${at}`);
    if (fault === 'refuse') {
      client.destroy();
      return;
    }
    if (fault === '5xx' || fault === '429') {
      answerInstead(client, fault === '429' ? 429 : random.pick([500, 502, 503, 504]));
      return;
    }
    const upstream = connect(Number(port), host);
    sockets.add(upstream.on('error', () => client.destroy()));
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    client.on('close', end);
    upstream.on('close', end);
    client
      .pipe(meddle(fault === 'cut up' ? 'cut' : fault === 'flip up' ? 'flip' : undefined, at, end))
      .pipe(upstream);
    const down =
      fault === 'cut down' ? 'cut' : fault === 'flip down' ? 'flip' : fault === 'delay' ? 'delay' : undefined;
    upstream.pipe(meddle(down, at, end)).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { host: `127.0.0.1:${address.port}`, done };
}

function answerInstead(client: Socket, status: number): void {
  client.once('data', () => {
    const wait = status === 429 ? 'Retry-After: 1\r\n' : '';
    client.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n${wait}\r\n`);
  });
}

function meddle(how: 'cut' | 'flip' | 'delay' | undefined, at: number, end: () => void): Transform {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const offset = at - passed;
      passed += chunk.length;
      const here = offset >= 0 && offset < chunk.length;
      if (how === 'delay') setImmediate(() => setImmediate(() => done(null, chunk)));
      else if (how === undefined || !here) done(null, chunk);
      else if (how === 'flip') {
        const flipped = Buffer.from(chunk);
        flipped[offset] = (flipped[offset] ?? 0) ^ 1;
        done(null, flipped);
      } else {
        this.push(chunk.subarray(0, offset));
        setImmediate(end);
        done();
      }
    },
  });
}
