import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { digestHex, encodeManifest, MediaType, sha256 } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import type { Artifact } from '../../src/image/model.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { type Served, serve } from '../../src/serve/serve.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { writeLayout } from '../../src/transports/oci-layout.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { ARM64, imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';
import { bytesOf, streamOf } from '../support/streams.ts';

async function started(context: Context, sources: readonly string[] = []): Promise<Served> {
  const served = await serve({ sources, address: '127.0.0.1', port: 0, isOpen: false }, context);
  onTestFinished(() => served.close());
  return served;
}

/** A store with the images under their names, served. */
async function servedStore(
  images: Readonly<Record<string, Artifact>>,
): Promise<Served & { context: Context }> {
  const context = await testContext();
  for (const [name, image] of Object.entries(images)) await keepInStore(image, [name], context);
  return { ...(await started(context)), context };
}

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a path as it is written, which `fetch` would tidy up. */
function get(
  host: string,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Got> {
  const [hostname, port] = host.split(':');
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ hostname, port, path, method, headers, agent: false }, (response) => {
      bytesOf(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

const errorOf = ({ body }: Got) => JSON.parse(body.toString()).errors[0].code;
const jsonOf = ({ body }: Got) => JSON.parse(body.toString());

describe('serve', () => {
  it('gives our own client every byte of an image for two platforms', async () => {
    const index = indexOf([await imageOf(), await imageOf({ platform: ARM64 })], { annotations: {} });
    const { host } = await servedStore({ 'docker.io/me/app:1': index });
    const client = registryClient();
    const context = await testContext({ registry: async () => client });
    const { artifact } = await openSource(parseLocation(`docker://${host}/me/app:1`), context);
    expect(artifact.descriptor.digest).toBe(index.descriptor.digest);
    expect(await validateArtifact(artifact)).toEqual([]);
  });

  it('says what a manifest is, by tag and by digest, to GET and to HEAD', async () => {
    const image = await imageOf();
    const { host } = await servedStore({ 'docker.io/library/hello:1': image });
    const { digest, size } = image.descriptor;
    for (const reference of ['1', digest]) {
      const path = `/v2/hello/manifests/${reference}`;
      const whole = await get(host, path);
      expect(whole.status).toBe(200);
      expect(whole.body).toEqual(Buffer.from(image.raw));
      const head = await get(host, path, { method: 'HEAD' });
      expect(head.body).toHaveLength(0);
      for (const { headers } of [whole, head])
        expect(headers).toMatchObject({
          'content-type': MediaType.Manifest,
          'docker-content-digest': digest,
          'content-length': String(size),
          'docker-distribution-api-version': 'registry/2.0',
        });
    }
  });

  it('has a name of Docker Hub in each form, of another registry with and without it, and by `ns`', async () => {
    const [hub, other] = [await imageOf(), await imageOf({ layers: [[file('b', 'b')]] })];
    const { host, images } = await servedStore({
      'docker.io/library/app:1': hub,
      'ghcr.io/library/app:1': other,
      'ghcr.io:443/me/tool:2': other,
    });
    const digestAt = async (path: string) => (await get(host, path)).headers['docker-content-digest'];
    for (const path of ['app', 'library/app', 'docker.io/library/app'])
      expect(await digestAt(`/v2/${path}/manifests/1`)).toBe(hub.descriptor.digest);
    expect(await digestAt('/v2/ghcr.io/library/app/manifests/1')).toBe(other.descriptor.digest);
    expect(await digestAt('/v2/library/app/manifests/1?ns=ghcr.io')).toBe(other.descriptor.digest);
    expect(await digestAt('/v2/library/app/manifests/1?ns=docker.io')).toBe(hub.descriptor.digest);
    expect((await get(host, '/v2/library/app/manifests/1?ns=quay.io')).status).toBe(404);
    expect(await digestAt('/v2/me/tool/manifests/2')).toBe(other.descriptor.digest);
    expect(images).toEqual([`${host}/app:1`, `${host}/ghcr.io/library/app:1`, `${host}/me/tool:2`]);
    const { repositories } = jsonOf(await get(host, '/v2/_catalog'));
    expect(repositories).toEqual(['app', 'ghcr.io/library/app', 'me/tool']);
  });

  it('gives parts of a blob, and says where there is none', async () => {
    const image = await imageOf();
    const { host } = await servedStore({ 'docker.io/me/app:1': image });
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    const { digest, size } = layer.descriptor;
    const bytes = await bytesOf(await layer.open());
    const path = `/v2/me/app/blobs/${digest}`;
    const part = (range: string, more = {}) => get(host, path, { headers: { range, ...more } });
    const whole = await get(host, path);
    expect(whole.body).toEqual(bytes);
    expect(whole.headers).toMatchObject({ 'accept-ranges': 'bytes', 'content-length': String(size) });
    expect((await get(host, path, { method: 'HEAD' })).headers['content-length']).toBe(String(size));
    const middle = await part('bytes=5-9');
    expect(middle.status).toBe(206);
    expect(middle.body).toEqual(bytes.subarray(5, 10));
    expect(middle.headers['content-range']).toBe(`bytes 5-9/${size}`);
    expect((await part('bytes=-4')).body).toEqual(bytes.subarray(-4));
    expect((await part('bytes=5-', { 'if-range': '"x"' })).status).toBe(200);
    const beyond = await part(`bytes=${size}-`);
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${size}`]);
  });

  it('lists tags by pages, in the order of their bytes', async () => {
    const image = await imageOf();
    const names = ['b', 'a', 'C', 'd'].map((tag) => [`docker.io/me/app:${tag}`, image]);
    const { host } = await servedStore(Object.fromEntries(names));
    const first = await get(host, '/v2/me/app/tags/list?n=2');
    expect(jsonOf(first)).toEqual({ name: 'me/app', tags: ['C', 'a'] });
    expect(first.headers['link']).toBe('</v2/me/app/tags/list?n=2&last=a>; rel="next"');
    const second = await get(host, '/v2/me/app/tags/list?n=2&last=a');
    expect(jsonOf(second).tags).toEqual(['b', 'd']);
    expect(second.headers['link']).toBeUndefined();
    expect(jsonOf(await get(host, '/v2/me/app/tags/list?n=0')).tags).toEqual([]);
    expect(errorOf(await get(host, '/v2/me/app/tags/list?n=-1'))).toBe('PAGINATION_NUMBER_INVALID');
  });

  it('lists what refers to an image, also through our client, and filters it', async () => {
    const image = await imageOf();
    const { host, context } = await servedStore({ 'docker.io/me/app:1': image });
    const empty = Buffer.from('{}');
    const config = { mediaType: MediaType.Empty, digest: sha256(empty), size: 2 };
    const { mediaType, digest, size } = image.descriptor;
    const raw = encodeManifest({
      schemaVersion: 2,
      mediaType: MediaType.Manifest,
      artifactType: 'application/x-sbom',
      config,
      layers: [config],
      subject: { mediaType, digest, size },
      annotations: { note: 'x' },
    });
    await context.store.putBytes(empty, config.digest);
    await context.store.putBytes(raw, sha256(raw));
    const descriptor = { mediaType: MediaType.Manifest, digest: sha256(raw), size: raw.length };
    // Another repository's name is enough to bring it here.
    await context.store.names.set('docker.io/me/attached:1', descriptor);
    const listed = { ...descriptor, artifactType: 'application/x-sbom', annotations: { note: 'x' } };

    const registry = registryClient();
    const reference = parseReference(`${host}/me/app:1`);
    expect(await registry.referrers(reference, digest)).toEqual([listed]);
    const filtered = await get(host, `/v2/me/app/referrers/${digest}?artifactType=other`);
    expect(filtered.headers['oci-filters-applied']).toBe('artifactType');
    expect(jsonOf(filtered).manifests).toEqual([]);
    expect((await get(host, `/v2/me/app/manifests/${sha256(raw)}`)).body).toEqual(Buffer.from(raw));
  });

  it('gives away what belongs to the repository alone', async () => {
    const [mine, other] = [await imageOf(), await imageOf({ layers: [[file('secret', 'x')]] })];
    const { host, context } = await servedStore({
      'docker.io/me/app:1': mine,
      'docker.io/me/other:1': other,
    });
    const [layer] = other.layers;
    const digest = mine.layers[0]?.descriptor.digest;
    // In the store, but of no image.
    const { digest: stray } = await context.store.put(streamOf(Buffer.from('stray')));
    expect(errorOf(await get(host, `/v2/me/app/blobs/${stray}`))).toBe('BLOB_UNKNOWN');
    expect((await get(host, `/v2/me/app/blobs/${digest}`)).status).toBe(200);
    expect(errorOf(await get(host, `/v2/me/app/blobs/${layer?.descriptor.digest}`))).toBe('BLOB_UNKNOWN');
    expect(errorOf(await get(host, `/v2/me/app/manifests/${other.descriptor.digest}`))).toBe(
      'MANIFEST_UNKNOWN',
    );
    expect((await get(host, `/v2/me/other/blobs/${layer?.descriptor.digest}`)).status).toBe(200);
  });

  it('sees what is named while it runs', async () => {
    const { host, context } = await servedStore({});
    expect(errorOf(await get(host, '/v2/me/app/manifests/1'))).toBe('NAME_UNKNOWN');
    await keepInStore(await imageOf(), ['docker.io/me/app:1'], context);
    expect((await get(host, '/v2/me/app/manifests/1')).status).toBe(200);
  });
});

describe('a layout that is served', () => {
  async function layout(names: readonly { short?: string; full: string }[], folder = 'My App.oci') {
    const context = await testContext();
    const image = await imageOf();
    const root = join(context.cwd, folder);
    await writeLayout(root, { artifact: image, names }, folder, {});
    return { context, image, root };
  }

  it.each([
    ['its full name', [{ short: '1', full: 'docker.io/me/app:1' }], 'me/app', '1'],
    ['the folder, where it has none', [], 'my-app', 'latest'],
  ])('goes by %s', async (_, names, repository, tag) => {
    const { context, image } = await layout(names);
    for (const source of ['oci:My App.oci', 'My App.oci']) {
      const { host, images } = await started(context, [source]);
      expect(images).toEqual([`${host}/${repository}:${tag}`]);
      const { headers } = await get(host, `/v2/${repository}/manifests/${tag}`);
      expect(headers['docker-content-digest']).toBe(image.descriptor.digest);
    }
  });

  it('does not give away files that its links lead to', async () => {
    const { context, image, root } = await layout([]);
    const { host } = await started(context, ['My App.oci']);
    const digest = image.layers[0]?.descriptor.digest ?? sha256('');
    const path = join(root, 'blobs/sha256', digestHex(digest));
    expect((await get(host, `/v2/my-app/blobs/${digest}`)).status).toBe(200);
    rmSync(path);
    writeFileSync(join(context.cwd, 'private'), 'private');
    symlinkSync(join(context.cwd, 'private'), path);
    expect(errorOf(await get(host, `/v2/my-app/blobs/${digest}`))).toBe('BLOB_UNKNOWN');
    rmSync(path);
    mkdirSync(path);
    expect(errorOf(await get(host, `/v2/my-app/blobs/${digest}`))).toBe('BLOB_UNKNOWN');
  });

  it('does not give a manifest that is damaged', async () => {
    const { context, image, root } = await layout([]);
    const { host } = await started(context, ['My App.oci']);
    const path = join(root, 'blobs/sha256', digestHex(image.descriptor.digest));
    rmSync(path);
    writeFileSync(path, Buffer.from(image.raw).toString().replace('"schemaVersion":2', '"schemaVersion": 2'));
    expect(errorOf(await get(host, '/v2/my-app/manifests/latest'))).toBe('MANIFEST_UNKNOWN');
  });

  it('must be one', async () => {
    const context = await testContext();
    const request = { address: '127.0.0.1', port: 0, isOpen: false } as const;
    await expect(serve({ ...request, sources: ['missing'] }, context)).rejects.toMatchObject({
      code: 'OCISLIM_NOT_FOUND',
    });
    await expect(serve({ ...request, sources: ['docker-archive:x.tar'] }, context)).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
    });
  });
});

describe('a hostile client', () => {
  const image = imageOf();

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('cannot %s', async (method) => {
    const { host } = await servedStore({ 'docker.io/me/app:1': await image });
    for (const path of ['/v2/me/app/blobs/uploads/', '/v2/me/app/manifests/1', '/']) {
      const got = await get(host, path, { method });
      expect([got.status, got.headers.allow, errorOf(got)]).toEqual([405, 'GET, HEAD', 'UNSUPPORTED']);
    }
  });

  it.each([
    '/v2/../../../../etc/passwd',
    '/v2/me/app/../../names/x',
    '/v2/me%2Fapp/manifests/%2e%2e%2f1',
    '/v2/me/app/blobs/sha256:../../../../etc/passwd',
    `/v2/me/app/blobs/sha256:${'A'.repeat(64)}`,
    `/v2/me/app/blobs/sha256:${'a'.repeat(63)}`,
    `/v2/me/app/blobs/md5:${'a'.repeat(32)}`,
    `/v2/me/app/blobs/sha256:${'a'.repeat(64)}`,
    `/v2/me/app/blobs/sha512:${'a'.repeat(128)}`,
    '/v2/me/app/blobs/',
    '/v2/me/app/manifests/__proto__',
    '/v2/__proto__/tags/list',
    '/v2/me/app/referrers/1',
    '/v2/me/app/manifests/%00',
    '/v2/me/app/manifests/%ff',
    '/v2/me/app/manifests/%',
    '/v2/me\\app/manifests/1',
    '//v2/me/app/manifests/1',
    '/v2//manifests/1',
    '/v2/me/app/config/1',
    '/index.json',
    '/',
  ])('gets nothing for %s', async (path) => {
    const { host } = await servedStore({ 'docker.io/me/app:1': await image });
    const got = await get(host, path);
    expect([400, 404]).toContain(got.status);
    expect(errorOf(got)).toMatch(/^[A-Z_]+$/);
    expect(got.headers['content-type']).toBe('application/json');
  });

  it('gets nothing for an address of a megabyte', async () => {
    const { host } = await servedStore({ 'docker.io/me/app:1': await image });
    expect((await get(host, `/v2/${'a'.repeat(3000)}`)).status).toBe(414);
    const answer = (address: string) =>
      new Promise<string>((resolve, reject) => {
        const [, port = ''] = host.split(':');
        const socket = connect(Number(port), '127.0.0.1', () =>
          socket.write(`GET /v2/${address} HTTP/1.1\r\n`),
        );
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk.toString();
        });
        // A server that closes before it has read everything resets the connection, and the answer may be lost with it.
        socket.on('error', (error: NodeJS.ErrnoException) =>
          error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error),
        );
        socket.on('close', () => resolve(text));
      });
    expect(await answer('a/'.repeat(10_000))).toMatch(/^HTTP\/1\.1 431 /);
    expect(await answer('a/'.repeat(500_000))).toMatch(/^(HTTP\/1\.1 431 |$)/);
    expect((await get(host, '/v2/')).status).toBe(200);
  });

  it('that says another host, as a rebound web page does, gets nothing', async () => {
    const { host } = await servedStore({ 'docker.io/me/app:1': await image });
    const asked = (name: string) => get(host, '/v2/', { headers: { host: name } });
    for (const name of ['evil.example', 'evil.example:5000', '127.0.0.1.evil.example', '10.0.0.1'])
      expect((await asked(name)).status).toBe(421);
    for (const name of ['localhost:5000', '127.0.0.1', '127.0.0.2:80', '[::1]:5000', 'LOCALHOST'])
      expect((await asked(name)).status).toBe(200);
  });
});

describe('the address', () => {
  const request = { sources: [], port: 0, isOpen: false } as const;

  it.each(['0.0.0.0', '::', '192.0.2.1', '::ffff:127.0.0.1'])('%s is not taken unasked', async (address) => {
    await expect(serve({ ...request, address }, await testContext())).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      hint: expect.stringContaining('--listen-anywhere'),
    });
  });

  it('must be one', async () => {
    await expect(serve({ ...request, address: 'example.com' }, await testContext())).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
    });
  });

  it('that is taken is told', async () => {
    const context = await testContext();
    const { host } = await started(context);
    const port = Number(host.split(':')[1]);
    const again = serve({ ...request, address: '127.0.0.1', port }, context);
    await expect(again).rejects.toMatchObject({
      message: `port ${port} of 127.0.0.1 is taken`,
      hint: expect.stringContaining('--port 0'),
    });
  });
});
