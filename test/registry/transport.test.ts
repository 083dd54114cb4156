import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OcislimError } from '../../src/lib/errors.ts';
import { readBody } from '../../src/registry/http.ts';
import { createTransport, type TransportOptions } from '../../src/registry/transport.ts';
import { httpServer } from '../support/http-server.ts';
import { freePort } from '../support/processes.ts';
import { proxyTo } from '../support/proxy.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));
const tls = {
  key: readFileSync(fixture('key.pem'), 'utf8'),
  cert: readFileSync(fixture('cert.pem'), 'utf8'),
};

function transportOf(options: TransportOptions = {}) {
  const transport = createTransport(options);
  onTestFinished(() => transport.close());
  const get = async (url: string, more: object = {}) => {
    const response = await transport.send({ method: 'GET', url: new URL(url), ...more });
    return { status: response.status, text: (await readBody(response, 1e6)).toString() };
  };
  return { ...transport, get };
}

describe('the transport', () => {
  it('sends method, path, query, headers and body, and says who it is', async () => {
    const server = await httpServer(() => ({ body: 'ok' }));
    const { send } = transportOf({ userAgent: 'ocislim/9' });
    const body = { size: 5, open: async () => Buffer.from('hello') };
    await send({ method: 'PUT', url: new URL(`${server.url}/v2/a?b=c%2Bd`), headers: { 'x-a': '1' }, body });
    const [seen] = server.seen;
    expect(seen).toMatchObject({ method: 'PUT', path: '/v2/a?b=c%2Bd' });
    expect(seen?.headers).toMatchObject({ 'user-agent': 'ocislim/9', 'x-a': '1', 'content-length': '5' });
    expect(seen?.body.toString()).toBe('hello');
  });

  it('says that nothing listens', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    await expect(transportOf().get(`http://${host}/`)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: `${host}: connection refused`,
    });
  });

  it('says that nobody knows the name', async () => {
    await expect(transportOf().get('https://registry.invalid/')).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: expect.stringMatching(/^registry\.invalid: /),
    });
  });

  it('says that plain HTTP answers where HTTPS was expected', async () => {
    const server = await httpServer(() => ({ body: 'ok' }));
    await expect(transportOf().get(`https://${server.host}/`)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_NOT_TLS',
      hint: expect.stringContaining(`--insecure ${server.host}`),
    });
  });

  it('does not trust a certificate that nobody vouches for, unless told to', async () => {
    const server = await httpServer(() => ({ body: 'ok' }), { tls });
    await expect(transportOf().get(`${server.url}/`)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_TLS',
      hint: expect.stringContaining('--ca-file'),
    });
    expect(await transportOf({ caFile: fixture('cert.pem') }).get(`${server.url}/`)).toMatchObject({
      text: 'ok',
    });
    expect(await transportOf().get(`${server.url}/`, { unverified: true })).toMatchObject({ text: 'ok' });
  });

  it.each([
    ['/no/such/file', 'cannot be read'],
    [fixture('key.pem'), 'holds no certificate'],
  ])('finds out at once that %s is no file of certificates', (caFile, why) => {
    expect(() => createTransport({ caFile })).toThrow(
      expect.objectContaining({ code: 'OCISLIM_CONFIG_INVALID', message: expect.stringContaining(why) }),
    );
  });

  it('ends a connection that stays silent', async () => {
    const server = await httpServer(() => new Promise(() => {}));
    await expect(transportOf({ timeouts: { silence: 30 } }).get(`${server.url}/`)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: `${server.host}: no answer in time`,
    });
  });

  it('says that a connection was broken off', async () => {
    const server = await httpServer(() => ({ status: 0 }));
    await expect(transportOf().get(`${server.url}/`)).rejects.toThrow('connection broken off');
  });

  it("passes on what the body's source fails with", async () => {
    const server = await httpServer(() => ({ body: 'ok' }));
    const failure = new Error('file changed');
    const body = { size: 5, open: () => Promise.reject(failure) };
    await expect(transportOf().send({ method: 'PUT', url: new URL(server.url), body })).rejects.toBe(failure);
  });

  it.each([4, 6])('does not pass %d bytes off as a body of 5', async (size) => {
    const server = await httpServer(() => ({ body: 'ok' }));
    const body = { size: 5, open: async () => Readable.from([Buffer.alloc(size)]) };
    await expect(transportOf().send({ method: 'PUT', url: new URL(server.url), body })).rejects.toThrow(
      'a body that is said to have 5 bytes has not',
    );
    expect(server.seen).toEqual([]);
  });

  it('stops when it is aborted in mid-answer', async () => {
    const controller = new AbortController();
    const server = await httpServer(() => ({ body: 'ok', stalls: true, cutAfter: 1 }));
    const url = new URL(server.url);
    const response = await transportOf().send({ method: 'GET', url, signal: controller.signal });
    const reason = new OcislimError('OCISLIM_INTERRUPTED', 'interrupted');
    controller.abort(reason);
    await expect(readBody(response, 10)).rejects.toBe(reason);
  });

  it('ends an answer that stops in its middle', async () => {
    const server = await httpServer(() => ({ body: 'ok', stalls: true, cutAfter: 1 }));
    const { get } = transportOf({ timeouts: { silence: 30 } });
    await expect(get(server.url, { patience: 60_000 })).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: `${server.host}: stopped sending in mid-answer`,
    });
  });

  it('takes its own slow reading for no silence, and still finds the silence after it', async () => {
    const server = await httpServer(() => ({ body: 'ok', stalls: true, cutAfter: 1 }));
    const { send } = transportOf({ timeouts: { silence: 30 } });
    const response = await send({ method: 'GET', url: new URL(server.url), patience: 60_000 });
    await once((response.body as IncomingMessage).socket, 'timeout');
    await expect(readBody(response, 10)).rejects.toThrow('stopped sending in mid-answer');
  });

  it('stops when it is aborted', async () => {
    const controller = new AbortController();
    const server = await httpServer(() => {
      controller.abort(new Error('enough'));
      return new Promise(() => {});
    });
    await expect(transportOf().get(server.url, { signal: controller.signal })).rejects.toThrow('enough');
  });
});

describe('proxies', () => {
  it('carry HTTPS through a tunnel and HTTP as it is', async () => {
    const secure = await httpServer(() => ({ body: 'secure' }), { tls });
    const plain = await httpServer(() => ({ body: 'plain' }));
    const one = await proxyTo(secure.host);
    const two = await proxyTo(plain.host);
    const { get } = transportOf({ env: { https_proxy: one.url, http_proxy: two.url } });
    expect(await get('https://registry.example/v2/', { unverified: true })).toMatchObject({ text: 'secure' });
    expect(await get('http://registry.example/v2/')).toMatchObject({ text: 'plain' });
    expect(one.asked).toEqual(['CONNECT registry.example:443']);
    expect(two.asked).toEqual(['GET http://registry.example/v2/']);
  });

  it('get name and password, and the server does not', async () => {
    const secure = await httpServer(() => ({ body: 'secure' }), { tls });
    const plain = await httpServer(() => ({ body: 'plain' }));
    const one = await proxyTo(secure.host);
    const two = await proxyTo(plain.host);
    const withLogin = (url: string) => url.replace('//', '//me:p%40ss@');
    const env = { https_proxy: withLogin(one.url), http_proxy: withLogin(two.url) };
    const { get } = transportOf({ env });
    await get('https://registry.example/v2/', { unverified: true });
    await get('http://registry.example/v2/');
    const login = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
    expect([one.logins, two.logins]).toEqual([[login], [login]]);
    expect(secure.seen[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  it('may speak TLS themselves, and are checked like any server', async () => {
    const secure = await httpServer(() => ({ body: 'secure' }), { tls });
    const plain = await httpServer(() => ({ body: 'plain' }));
    const one = await proxyTo(secure.host, { tls });
    const two = await proxyTo(plain.host, { tls });
    const env = { https_proxy: one.url, http_proxy: two.url };
    const { get } = transportOf({ env, caFile: fixture('cert.pem') });
    expect(await get('https://registry.example/v2/', { unverified: true })).toMatchObject({ text: 'secure' });
    expect(await get('http://registry.example/v2/')).toMatchObject({ text: 'plain' });
    await expect(
      transportOf({ env }).get('https://registry.example/v2/', { unverified: true }),
    ).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_TLS' });
  });

  it('that refuse say so', async () => {
    const proxy = await proxyTo('127.0.0.1:9', { tunnels: false });
    const { get } = transportOf({ env: { https_proxy: proxy.url } });
    await expect(get('https://registry.example/v2/')).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: 'registry.example: the proxy refused the connection',
      hint: expect.stringContaining('HTTPS_PROXY'),
    });
  });

  it('are not asked for loopback, nor for what NO_PROXY names', async () => {
    const server = await httpServer(() => ({ body: 'direct' }));
    const proxy = await proxyTo(server.host);
    const { get } = transportOf({
      env: { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: '.invalid' },
    });
    expect(await get(`${server.url}/`)).toMatchObject({ text: 'direct' });
    await expect(get('http://registry.invalid/')).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
    });
    expect(proxy.asked).toEqual([]);
  });
});

it('the certificate of these tests is for loopback', () => {
  const text = readFileSync(fixture('cert.pem'), 'utf8');
  expect(text).toContain('BEGIN CERTIFICATE');
  expect(
    execFileSync(process.execPath, [
      '-p',
      `new crypto.X509Certificate(${JSON.stringify(text)}).subjectAltName`,
    ]).toString(),
  ).toContain('127.0.0.1');
});
