import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseReference } from '../../src/registry/reference.ts';
import { openFromRegistry, pushToRegistry } from '../../src/transports/registry.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from '../support/context.ts';
import type { TokenServer } from '../support/fake-auth.ts';
import { fault, ranged } from '../support/fake-registry.ts';
import { httpServer, type Seen } from '../support/http-server.ts';
import { registryClient } from '../support/registry-client.ts';
import { inOrder, onDisk, type SceneOptions, scene } from '../support/scene.ts';

// The faults that a client has to survive, numbered; 18 to 20 need whole processes and are in e2e/faults.test.ts.

const methods = (requests: readonly Seen[]) => requests.map(({ method }) => method);
/** How often each method was used. */
function counts({ seen }: { readonly seen: readonly Seen[] }): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const { method } of seen) counted[method] = (counted[method] ?? 0) + 1;
  return counted;
}
/**
 * A push that nothing happens to: whether it is a registry; whether it has the manifest, the two blobs, and in the end
 * the tag; two uploads of a POST and a PUT; the manifest and its tag.
 */
const PUSH = { GET: 1, HEAD: 4, POST: 2, PUT: 3 };
const isLayer = ({ method, path }: Seen) => method === 'GET' && /\/blobs\/sha256:/.test(path);
/** Answers only the first, or the first few, of the requests that match. */
function first<T>(matches: (request: Seen) => boolean, answer: (request: Seen) => T, times = 1) {
  let left = times;
  return (request: Seen): T | undefined => (matches(request) && left-- > 0 ? answer(request) : undefined);
}
const user = { username: 'me', password: 'pw' };
const envFor = (host: string) => ({
  DOCKER_AUTH_CONFIG: JSON.stringify({
    auths: { [host]: { auth: Buffer.from(`${user.username}:${user.password}`).toString('base64') } },
  }),
});

/** A scene whose layer is answered in some way by a script that knows the layer's bytes. */
async function withLayer(
  answer: (bytes: Buffer, request: Seen, times: number) => object | undefined,
  client: SceneOptions['client'] = {},
) {
  let times = 0;
  const made = await scene({
    client,
    script: (request) => {
      if (!isLayer(request) || !request.path.endsWith(made.layer.digest)) return undefined;
      const bytes = made.registry.blobs.get(`me/app@${made.layer.digest}`) as Buffer;
      return answer(bytes, request, ++times);
    },
  });
  return made;
}

describe('a download', () => {
  it('1: that is reset in mid-blob goes on where it was', async () => {
    const { pull, layerReads, disk } = await withLayer((body, _, times) =>
      times === 1 ? { body, cutAfter: 200_000 } : undefined,
    );
    await pull();
    const [, second] = layerReads();
    expect(layerReads()).toHaveLength(2);
    const [, from] = /^bytes=(\d+)-$/.exec(second?.headers.range ?? '') ?? [];
    expect(Number(from)).toBeGreaterThan(0);
    expect(Number(from)).toBeLessThanOrEqual(200_000);
    expect(disk()).toEqual(inOrder(3));
  });

  it('1: that is always reset fails, and keeps what it has for the next run', async () => {
    let broken = true;
    const { pull, layerReads, disk } = await withLayer((body, { headers }) =>
      broken && headers.range === undefined
        ? { body, cutAfter: 100_000 }
        : broken
          ? { status: 0 }
          : undefined,
    );
    await expect(pull()).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_UNREACHABLE', exitCode: 4 });
    const [kept = 0] = disk().partial;
    expect(kept).toBeGreaterThan(0);
    const before = layerReads().length;
    expect(before).toBeLessThan(20);
    broken = false;
    await pull();
    expect(layerReads()).toHaveLength(before + 1);
    expect(layerReads().at(-1)?.headers.range).toBe(`bytes=${kept}-`);
    expect(disk()).toEqual(inOrder(3));
  });

  it('2: whose range is answered with the whole skips what it has', async () => {
    const { pull, layerReads, disk } = await withLayer((body, _, times) =>
      times === 1 ? { body, cutAfter: 200_000 } : { body },
    );
    await pull();
    expect(layerReads()).toHaveLength(2);
    expect(disk()).toEqual(inOrder(3));
  });

  it('3: whose range begins elsewhere is asked for whole', async () => {
    const { pull, layerReads, disk } = await withLayer((body, { headers }, times) => {
      if (times === 1) return { body, cutAfter: 200_000 };
      return headers.range === undefined ? { body } : { ...ranged(body, 'bytes=7-') };
    });
    await pull();
    expect(layerReads().map(({ headers }) => headers.range !== undefined)).toEqual([false, true, false]);
    expect(disk()).toEqual(inOrder(3));
  });

  it('4: whose range is refused is asked for whole', async () => {
    const { pull, layerReads, disk } = await withLayer((body, { headers }, times) => {
      if (times === 1) return { body, cutAfter: 200_000 };
      return headers.range === undefined ? { body } : { status: 416 };
    });
    await pull();
    expect(layerReads()).toHaveLength(3);
    expect(disk()).toEqual(inOrder(3));
  });

  it('5: of the right length with the wrong digest is tried once more and not kept', async () => {
    const always = await withLayer((body) => ({ body: Buffer.alloc(body.length) }));
    await expect(always.pull()).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_MISMATCH' });
    expect(always.layerReads()).toHaveLength(2);
    // The config and the manifest have come; nothing names them.
    expect(always.disk()).toEqual(inOrder(2));
    expect(await always.context.store.names.list()).toEqual([]);
    const once = await withLayer((body, _, times) =>
      times === 1 ? { body: Buffer.alloc(body.length) } : undefined,
    );
    await once.pull();
    expect(once.layerReads()).toHaveLength(2);
    expect(once.disk()).toEqual(inOrder(3));
  });

  it('5: that a mirror gets wrong comes from the registry itself', async () => {
    const { registry, image, layer, context } = await scene();
    const mirror = await withLayer((body) => ({ body: Buffer.alloc(body.length) }));
    const client = registryClient({ mirrors: { [registry.host]: [mirror.registry.url] } });
    const { source } = await client.resolve(parseReference(`${registry.host}/me/app:1`));
    const open = () => source.open(layer);
    await context.store.ensure({ descriptor: layer, open });
    expect(mirror.layerReads()).toHaveLength(1);
    expect(
      registry.lines().filter((line) => line.startsWith('GET') && line.endsWith(layer.digest)),
    ).toHaveLength(1);
    expect(onDisk(context.store.root)).toEqual(inOrder(1));
    expect(image.layers).toHaveLength(1);
  });

  it.each([
    ['seconds', '7', [7000]],
    ['a date', new Date(Date.now() + 3_600_000).toUTCString(), [30_000]],
    ['nonsense', 'soon', [expect.toSatisfy((wait: number) => wait <= 300)]],
    ['a year', '31536000', [30_000]],
  ])('6: answered with 429 and %s waits and goes on', async (_, retryAfter, waits) => {
    const headers = { 'retry-after': retryAfter };
    const made = await scene({ script: first(isLayer, () => ({ status: 429, headers })) });
    await made.pull();
    expect(made.waits).toEqual(waits);
    expect(made.registry.seen.filter(isLayer)).toHaveLength(3);
    expect(made.disk()).toEqual(inOrder(3));
  });

  it('6: answered with 429 and an exhausted quota says so at once', async () => {
    const headers = { 'ratelimit-remaining': '0;w=21600', 'retry-after': '60' };
    const made = await scene({
      script: (request) => (isLayer(request) ? { status: 429, headers } : undefined),
    });
    await expect(made.pull()).rejects.toMatchObject({ code: 'OCISLIM_RATE_LIMITED', exitCode: 4 });
    expect(made.waits).toEqual([]);
    expect(made.registry.seen.filter(isLayer)).toHaveLength(1);
    // The manifest had come.
    expect(made.disk()).toEqual(inOrder(1));
  });

  it('10: of a manifest whose content type has parameters is none the worse', async () => {
    const { pull, registry, disk } = await scene({ quirks: { charset: '; charset=utf-8' } });
    await pull();
    expect(registry.seen.filter(({ path }) => path.includes('/manifests/'))).toHaveLength(1);
    expect(disk()).toEqual(inOrder(3));
  });

  it('16: from a registry that refuses Accept sends it with manifests alone', async () => {
    const { pull, push, pushed, disk, registry, layer } = await scene({ quirks: { strictAccept: true } });
    await pull();
    await push();
    expect(pushed()?.length).toBe(layer.size);
    expect(
      registry.seen.filter(({ headers, path }) => headers.accept && !path.includes('/manifests/')),
    ).toEqual([]);
    // The manifest and two blobs were read, too.
    expect(counts(registry)).toEqual({ ...PUSH, GET: 4 });
    expect(disk()).toEqual(inOrder(3));
  });

  it('17: that is redirected to object storage goes on there, without credentials', async () => {
    const contents = new Map<string, Buffer>();
    let cut = 1;
    const storage = await httpServer(({ path, headers }) => {
      const body = contents.get(path.replace(/\?.*/, '').replace(/.*@|.*\//, ''));
      if (body === undefined) return { status: 403 };
      return body.length > 100_000 && cut-- > 0 ? { body, cutAfter: 50_000 } : ranged(body, headers.range);
    });
    const made = await scene({ quirks: { storage: storage.url }, auth: { kind: 'basic', ...user } });
    for (const [key, body] of made.registry.blobs) contents.set(key.replace(/.*@/, ''), body);
    const client = registryClient({ env: envFor(made.registry.host) });
    const context = { ...made.context, registry: async () => client };
    const artifact = await openFromRegistry(parseReference(`${made.registry.host}/me/app:1`), context);
    await keepInStore(artifact, ['docker.io/library/pulled:1'], context);
    expect(storage.seen).toHaveLength(3);
    expect(storage.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    expect(made.layerReads().at(-1)?.headers.authorization).toMatch(/^Basic /);
    expect(made.disk()).toEqual(inOrder(3));
  });

  it('21: that stalls for ever is taken up again', async () => {
    const made = await withLayer(
      (body, { headers }, times) =>
        times < 3 ? { ...ranged(body, headers.range), cutAfter: 70_000, stalls: true } : undefined,
      { timeouts: { silence: 100 } },
    );
    await made.pull();
    expect(made.layerReads().map(({ headers }) => headers.range !== undefined)).toEqual([false, true, true]);
    expect(made.disk()).toEqual(inOrder(3));
  });
});

describe('an upload', () => {
  /** Breaks off the body of the first PUT after some bytes. */
  const cutPut = (after: number, times = 1) => {
    let left = times;
    return ({ method, headers }: Omit<Seen, 'body'>) =>
      method === 'PUT' && Number(headers['content-length']) > 10_000 && left-- > 0 ? after : undefined;
  };

  it('goes on where it broke off, as far as the registry has it', async () => {
    const { push, pushed, layer, uploads, registry, disk } = await scene({ cut: cutPut(200_000) });
    await push();
    expect(pushed()?.length).toBe(layer.size);
    const [put, status, patch, last] = uploads().filter(({ path }) => !path.endsWith('uploads/'));
    expect(put?.body.length).toBe(200_000);
    expect(status?.method).toBe('GET');
    expect(patch?.headers['content-range']).toBe(`200000-${layer.size - 1}`);
    expect(last?.body.length).toBe(0);
    expect(registry.uploads.size).toBe(0);
    expect(counts(registry)).toEqual({ ...PUSH, GET: 2, PUT: 4, PATCH: 1 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('7: whose token ends in its middle asks for another and goes on', async () => {
    const servers: TokenServer[] = [];
    let revoked = false;
    const made = await scene({
      auth: { kind: 'token', ...user, onStart: (server) => servers.push(server) },
      script: ({ method, body }) => {
        if (method === 'PUT' && body.length > 10_000 && !revoked) {
          revoked = true;
          servers[0]?.revoke();
        }
        return undefined;
      },
    });
    const client = registryClient({ env: envFor(made.registry.host) });
    const target = parseReference(`${made.registry.host}/me/pushed:1`);
    await pushToRegistry(made.image, [target], { ...made.context, registry: async () => client });
    expect(made.pushed()?.length).toBe(made.layer.size);
    expect(servers[0]?.seen.length).toBe(2);
    const puts = made.registry.seen.filter(({ method, body }) => method === 'PUT' && body.length > 10_000);
    expect(puts.map(({ body }) => body.length)).toEqual([made.layer.size, made.layer.size]);
    // The first of all requests and the interrupted one were refused; so is the config, if it comes after that.
    const { PUT, ...others } = counts(made.registry);
    expect(others).toEqual({ GET: PUSH.GET, POST: PUSH.POST, HEAD: 5 });
    expect([4, 5]).toContain(PUT);
    expect(made.disk()).toEqual(inOrder(0));
  });

  it('8: to a registry that does not allow HEAD is made without it', async () => {
    const { push, pushed, layer, disk, registry } = await scene({ quirks: { head: 405 } });
    await push();
    expect(pushed()?.length).toBe(layer.size);
    // The tag is looked for by GET in the end.
    expect(counts(registry)).toEqual({ ...PUSH, GET: 2 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('9: to a registry that names no digests is checked by what it gives back', async () => {
    const { push, pull, pushed, layer, registry, disk } = await scene({ quirks: { noDigest: true } });
    await push();
    expect(pushed()?.length).toBe(layer.size);
    expect(registry.lines().at(-1)).toBe('GET /v2/me/pushed/manifests/1');
    expect(counts(registry)).toEqual({ ...PUSH, GET: 2 });
    await pull();
    expect(disk()).toEqual(inOrder(3));
  });

  it('9: whose tag does not name it in the end is an error', async () => {
    const { push, registry, disk } = await scene({
      script: ({ method, path }) =>
        method === 'PUT' && path.endsWith('/manifests/1') ? { status: 201 } : undefined,
    });
    await expect(push()).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_FAILED',
      message: expect.stringContaining('is not there'),
    });
    expect(registry.lines().filter((line) => line === 'HEAD /v2/me/pushed/manifests/1')).toHaveLength(4);
    expect(counts(registry)).toEqual({ ...PUSH, GET: 5, HEAD: 7 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('11: follows a relative location, and keeps its query', async () => {
    const { push, uploads, layer, registry, disk } = await scene();
    await push();
    const digest = encodeURIComponent(layer.digest);
    expect(uploads().map(({ method, path }) => `${method} ${path}`)).toContainEqual(
      expect.stringMatching(
        new RegExp(`^PUT /v2/me/pushed/blobs/uploads/\\d\\?_state=a%2Bb%3D0&digest=${digest}$`),
      ),
    );
    expect(counts(registry)).toEqual(PUSH);
    expect(disk()).toEqual(inOrder(0));
  });

  it.each([202, 401, 403, 404])('12: is made when a mount is answered with %i', async (status) => {
    const { registry, client, image, layer, pushed, disk } = await scene({ quirks: { mount: status } });
    const target = await client.target(parseReference(`${registry.host}/me/pushed:1`));
    const [blob] = image.layers;
    if (blob === undefined) throw new Error('no layer');
    const origins = [{ origin: registry.url, repository: 'me/app' }];
    expect(await target.pushBlob({ ...blob, origins })).toBe('pushed');
    expect(pushed()?.length).toBe(layer.size);
    expect(counts(registry)).toEqual({ GET: 1, HEAD: 1, POST: status === 202 ? 1 : 2, PUT: 1 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('13: whose chunks are answered with 201 and a stale range asks where it is', async () => {
    const { push, pushed, layer, uploads, registry, disk } = await scene({
      cut: cutPut(100_000),
      quirks: { patchStatus: 201, staleRange: true },
    });
    await push();
    expect(pushed()?.length).toBe(layer.size);
    expect(methods(uploads()).slice(-5)).toEqual(['PUT', 'GET', 'PATCH', 'GET', 'PUT']);
    expect(registry.uploads.size).toBe(0);
    expect(counts(registry)).toEqual({ ...PUSH, GET: 3, PUT: 4, PATCH: 1 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('13: fails where a registry takes no more and cannot be asked what it has', async () => {
    const { push, pushed, layer, registry, disk } = await scene({
      quirks: { longestBody: 300_000, noStatus: true, staleRange: true },
    });
    await expect(push()).rejects.toMatchObject({ exitCode: 4 });
    expect(pushed()).toBeUndefined();
    expect(layer.size).toBeGreaterThan(600_000);
    expect(counts(registry)).toEqual({ GET: 2, HEAD: 3, POST: 2, PUT: 2, DELETE: 1 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('14: that is too long for a registry is sent in chunks it takes', async () => {
    const { push, pushed, layer, registry, disk } = await scene({ quirks: { longestBody: 200_000 } });
    await push();
    expect(pushed()?.length).toBe(layer.size);
    const taken = registry.seen.filter(({ method, body }) => method === 'PATCH' && body.length <= 200_000);
    expect(taken.reduce((sum, { body }) => sum + body.length, 0)).toBe(layer.size);
    expect(registry.uploads.size).toBe(0);
    expect(counts(registry)).toEqual({ ...PUSH, GET: 2, PUT: 4, PATCH: 6 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('15: keeps to the least size of a chunk', async () => {
    const { push, pushed, layer, registry, disk } = await scene({
      quirks: { longestBody: 300_000, leastChunk: 250_000 },
    });
    await push();
    expect(pushed()?.length).toBe(layer.size);
    const chunks = registry.seen.filter(({ method, body }) => method === 'PATCH' && body.length <= 300_000);
    expect(chunks.slice(0, -1).every(({ body }) => body.length >= 250_000)).toBe(true);
    expect(counts(registry)).toEqual({ ...PUSH, GET: 2, PUT: 4, PATCH: 5 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('that fails is taken back', async () => {
    const { push, registry, disk } = await scene({
      script: ({ method, body }) =>
        method === 'PUT' && body.length > 10_000 ? fault(400, 'DIGEST_INVALID') : undefined,
    });
    await expect(push()).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_FAILED' });
    expect(registry.lines().filter((line) => line.startsWith('DELETE'))).toHaveLength(1);
    expect(registry.uploads.size).toBe(0);
    expect(counts(registry)).toEqual({ GET: 1, HEAD: 3, POST: 2, PUT: 2, DELETE: 1 });
    expect(disk()).toEqual(inOrder(0));
  });

  it('24: goes on when the registry restarts in its middle, and has forgotten it', async () => {
    let restarted = false;
    const made = await scene({
      cut: ({ method, headers }) => {
        if (restarted || method !== 'PUT' || Number(headers['content-length']) < 10_000) return undefined;
        restarted = true;
        void made.registry.down();
        made.registry.uploads.clear();
        return 1000;
      },
      client: {
        sleep: async () => {
          await made.registry.up().catch(() => {});
        },
      },
    });
    await made.push();
    expect(restarted).toBe(true);
    expect(made.pushed()?.length).toBe(made.layer.size);
    expect(made.registry.uploads.size).toBe(0);
    // What was forgotten is uploaded anew, once.
    expect(
      made.registry.seen.filter(({ method, body }) => method === 'PUT' && body.length === made.layer.size),
    ).toHaveLength(1);
    expect(made.disk()).toEqual(inOrder(0));
  });
});

describe('a registry', () => {
  const fixture = (name: string) =>
    readFileSync(fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url)), 'utf8');
  const tls = { key: fixture('key.pem'), cert: fixture('cert.pem') };

  const contextWith = (options: Parameters<typeof registryClient>[0] = {}) => {
    const client = registryClient(options);
    return testContext({ registry: async () => client });
  };

  it('22: whose name is not known is said to be that', async () => {
    // Names of more than 63 letters are refused before anybody is asked.
    const reference = parseReference(`${'x'.repeat(64)}.invalid/me/app:1`);
    const context = await contextWith();
    await expect(openFromRegistry(reference, context)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: expect.stringContaining('no such host'),
    });
    expect(onDisk(context.store.root)).toEqual(inOrder(0));
  });

  it('22: whose certificate is not trusted is said to have one', async () => {
    const server = await httpServer(() => ({ body: '{}' }), { tls });
    const context = await contextWith();
    await expect(openFromRegistry(parseReference(`${server.host}/me/app:1`), context)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_TLS',
      exitCode: 4,
    });
    expect(server.seen).toEqual([]);
    expect(onDisk(context.store.root)).toEqual(inOrder(0));
  });

  it('22: that is asked in plain HTTP and wants HTTPS is asked in HTTPS', async () => {
    const server = await httpServer(() => fault(404, 'MANIFEST_UNKNOWN'), { tls });
    const context = await contextWith({ insecure: [server.host] });
    await expect(openFromRegistry(parseReference(`${server.host}/me/app:1`), context)).rejects.toMatchObject({
      code: 'OCISLIM_MANIFEST_UNKNOWN',
    });
    expect(server.lines()).toEqual(['GET /v2/', 'GET /v2/me/app/manifests/1']);
    expect(onDisk(context.store.root)).toEqual(inOrder(0));
  });

  it.each([
    ['slow', { body: '{"token":"t"}', cutAfter: 2, stalls: true }, 'OCISLIM_REGISTRY_UNREACHABLE'],
    ['broken', { status: 500 }, 'OCISLIM_REGISTRY_FAILED'],
    ['no JSON', { body: '<html>' }, 'OCISLIM_REGISTRY_FAILED'],
    ['without a token', { body: '{}' }, 'OCISLIM_REGISTRY_FAILED'],
    ['oversized', { body: `{"token":"${'t'.repeat(300_000)}"}` }, 'OCISLIM_REGISTRY_FAILED'],
    ['endless', { body: Buffer.alloc(50_000_000, 't') }, 'OCISLIM_REGISTRY_FAILED'],
  ])('23: whose token server is %s is said to be that', async (what, answer, code) => {
    const servers: TokenServer[] = [];
    const made = await scene({
      auth: { kind: 'token', ...user, tokenScript: () => answer, onStart: (server) => servers.push(server) },
      client: what === 'slow' ? { timeouts: { silence: 100 } } : {},
    });
    await expect(made.pull()).rejects.toMatchObject({
      code,
      exitCode: 4,
      message: expect.stringContaining(servers[0]?.host ?? '?'),
    });
    expect(servers[0]?.seen.length).toBeLessThanOrEqual(6);
    expect(made.disk()).toEqual(inOrder(0));
  });
});
