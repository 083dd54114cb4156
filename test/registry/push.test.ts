import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { MediaType, sha256 } from '#oci-spec-types';
import { memoryBlob } from '../../src/image/blob.ts';
import type { Blob } from '../../src/image/model.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { type FakeRegistry, fakeRegistry, fault, putImage } from '../support/fake-registry.ts';
import { httpServer, type Script } from '../support/http-server.ts';
import { registryClient } from '../support/registry-client.ts';

const CONTENT = Buffer.from('content of a layer');
const DIGEST = sha256(CONTENT);
const BLOB = memoryBlob(CONTENT, MediaType.LayerGzip);

async function setup(script?: Script) {
  const server = await fakeRegistry(script);
  const target = await registryClient().target(parseReference(`${server.host}/me/app:1`));
  return { server, target };
}

/** What was asked of the registry after it was found. */
function lines(server: FakeRegistry): string[] {
  return server.lines().filter((line) => line !== 'GET /v2/');
}

function from(origin: string, repository = 'base'): Blob {
  return { ...BLOB, origins: [{ origin, repository }] };
}

describe('a blob', () => {
  test('that the repository has is not sent', async () => {
    const { server, target } = await setup();
    server.putBlob('me/app', CONTENT);
    expect(await target.pushBlob(BLOB)).toBe('exists');
    expect(lines(server)).toEqual([`HEAD /v2/me/app/blobs/${DIGEST}`]);
  });

  test('is uploaded in one piece to the relative place the registry names, whose query stays as it is', async () => {
    const { server, target } = await setup();
    let sent = 0;
    const onBytes = (count: number) => {
      sent += count;
    };
    expect(await target.pushBlob(BLOB, { onBytes })).toBe('pushed');
    expect(lines(server)).toEqual([
      `HEAD /v2/me/app/blobs/${DIGEST}`,
      'POST /v2/me/app/blobs/uploads/',
      `PUT /v2/me/app/blobs/uploads/1?_state=a%2Bb%3D0&digest=${encodeURIComponent(DIGEST)}`,
    ]);
    expect(server.seen.at(-1)?.headers).toMatchObject({
      'content-length': String(CONTENT.length),
      'content-type': 'application/octet-stream',
    });
    expect(server.blobs.get(`me/app@${DIGEST}`)).toEqual(CONTENT);
    expect(sent).toBe(CONTENT.length);
  });

  test('is uploaded to a place without a query', async () => {
    const { server, target } = await setup(({ method, path }) => {
      if (method === 'POST') return { status: 202, headers: { location: `${path}7` } };
      return method === 'PUT' ? { status: 201 } : undefined;
    });
    await target.pushBlob(BLOB);
    expect(lines(server).at(-1)).toBe(`PUT /v2/me/app/blobs/uploads/7?digest=${encodeURIComponent(DIGEST)}`);
  });

  test('that is empty is uploaded, too', async () => {
    const { server, target } = await setup();
    const empty = memoryBlob(Buffer.alloc(0), MediaType.Layer);
    await target.pushBlob(empty);
    expect(server.blobs.get(`me/app@${empty.descriptor.digest}`)).toEqual(Buffer.alloc(0));
  });

  test('is mounted where another repository of the registry has it', async () => {
    const { server, target } = await setup();
    server.putBlob('base', CONTENT);
    expect(await target.pushBlob(from(server.url))).toBe('mounted');
    expect(lines(server).at(-1)).toBe(
      `POST /v2/me/app/blobs/uploads/?mount=${encodeURIComponent(DIGEST)}&from=base`,
    );
  });

  test('read through a mirror is mounted when it is pushed to that mirror', async () => {
    const { server } = await setup();
    const { layer } = putImage(server, 'library/alpine', 'latest');
    const client = registryClient({ mirrors: { 'docker.io': [server.url] } });
    const { source } = await client.resolve(parseReference('alpine'));
    if (layer === undefined) throw new Error('no layer');
    const blob: Blob = {
      descriptor: layer,
      open: () => source.open(layer),
      origins: source.origins?.(layer.digest),
    };
    const target = await client.target(parseReference(`${server.host}/me/hello:1`));
    expect(await target.pushBlob(blob)).toBe('mounted');
    expect(server.lines().filter((line) => line.startsWith('PUT'))).toEqual([]);
  });

  test('is not asked to be mounted from another registry, or from where it goes', async () => {
    const { server, target } = await setup();
    expect(await target.pushBlob(from('https://registry-1.docker.io'))).toBe('pushed');
    server.blobs.clear();
    expect(await target.pushBlob(from(server.url, 'me/app'))).toBe('pushed');
    expect(server.lines().filter((line) => line.includes('mount='))).toEqual([]);
  });

  test('that cannot be mounted is uploaded to where the answer says', async () => {
    const { server, target } = await setup();
    expect(await target.pushBlob(from(server.url))).toBe('pushed');
    expect(lines(server).map((line) => line.split(' ')[0])).toEqual(['HEAD', 'POST', 'PUT']);
  });

  test.each([400, 401, 403, 404, 405, 500])('is uploaded when a mount is answered %i', async (status) => {
    const { server, target } = await setup(({ path }) => (path.includes('mount=') ? { status } : undefined));
    expect(await target.pushBlob(from(server.url))).toBe('pushed');
    expect(server.blobs.has(`me/app@${DIGEST}`)).toBe(true);
  });

  test('is uploaded again from its beginning when the connection breaks off', async () => {
    let broken = 0;
    const { server, target } = await setup(({ method }) =>
      method === 'PUT' && broken++ === 0 ? { status: 0 } : undefined,
    );
    let sent = 0;
    await target.pushBlob(BLOB, {
      onBytes: (count) => {
        sent += count;
      },
    });
    expect(server.blobs.get(`me/app@${DIGEST}`)).toEqual(CONTENT);
    expect(sent).toBe(CONTENT.length);
  });

  test('goes to another host without credentials', async () => {
    const storage = await httpServer(() => ({ status: 201 }));
    const auth = Buffer.from('me:pw').toString('base64');
    const server = await fakeRegistry(({ method, path, headers }) => {
      if (headers.authorization === undefined)
        return { status: 401, headers: { 'www-authenticate': 'Basic' } };
      return method === 'POST' ? { status: 202, headers: { location: `${storage.url}${path}x` } } : undefined;
    });
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [server.host]: { auth } } }) };
    const target = await registryClient({ env }).target(parseReference(`${server.host}/me/app:1`));
    await target.pushBlob(BLOB);
    expect(storage.seen[0]?.body).toEqual(CONTENT);
    expect(storage.seen[0]?.headers.authorization).toBeUndefined();
  });

  test('whose own reading fails says so, and is not sent again', async () => {
    const { server, target } = await setup();
    const failure = new OcislimError('OCISLIM_DIGEST_MISMATCH', 'bad content');
    const broken: Blob = {
      ...BLOB,
      bytes: undefined,
      open: async () =>
        Readable.from(
          (async function* () {
            yield CONTENT.subarray(0, 4);
            throw failure;
          })(),
          { objectMode: false },
        ),
    };
    await expect(target.pushBlob(broken)).rejects.toBe(failure);
    expect(server.blobs.size).toBe(0);
    expect(lines(server).filter((line) => line.startsWith('POST'))).toHaveLength(1);
  });

  test.each([
    ['', /no URL to upload to/],
    ['http://169.254.169.254/', /private network/],
    ['ftp://127.0.0.1/', /not HTTPS/],
  ])('is not sent to %j', async (location, why) => {
    const { target } = await setup(({ method }) =>
      method === 'POST' ? { status: 202, headers: location === '' ? {} : { location } } : undefined,
    );
    await expect(target.pushBlob(BLOB)).rejects.toThrow(why);
  });

  test('that the registry does not take is an error in its words', async () => {
    const { server, target } = await setup(({ method }) =>
      method === 'PUT' ? fault(413, 'SIZE_INVALID', 'quota\u001b[31m used up') : undefined,
    );
    await expect(target.pushBlob(BLOB)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_FAILED',
      message: `${server.host}/me/app: could not upload blob ${DIGEST}: ${server.host} answered 413: SIZE_INVALID quota [31m used up`,
    });
  });

  test('refused for want of rights names credentials and scope', async () => {
    const { server, target } = await setup(({ method }) =>
      method === 'POST' ? { status: 401, headers: { 'www-authenticate': 'Basic' } } : undefined,
    );
    await expect(target.pushBlob(BLOB)).rejects.toMatchObject({
      code: 'OCISLIM_UNAUTHORIZED',
      message: expect.stringMatching(
        /\/me\/app: not authorised to push: no credentials found in .*config\.json.*; asked for scope repository:me\/app:pull,push$/,
      ),
      hint: `ocislim login ${server.host}`,
    });
  });

  test('asks for the right to read what it is mounted from', async () => {
    const asked: string[][] = [];
    const server: FakeRegistry = await fakeRegistry(({ path, headers }) => {
      if (path.startsWith('/token')) {
        asked.push(new URL(path, 'http://x').searchParams.getAll('scope'));
        return { body: '{"token":"t"}' };
      }
      if (headers.authorization === 'Bearer t') return undefined;
      return { status: 401, headers: { 'www-authenticate': `Bearer realm="${server.url}/token"` } };
    });
    server.putBlob('base', CONTENT);
    const target = await registryClient().target(parseReference(`${server.host}/me/app:1`));
    expect(await target.pushBlob(from(server.url))).toBe('mounted');
    expect(asked).toEqual([
      ['repository:me/app:pull,push'],
      ['repository:me/app:pull,push', 'repository:base:pull'],
    ]);
  });
});

describe('a manifest', () => {
  const raw = Buffer.from('{"schemaVersion":2}');
  const MANIFEST = { mediaType: MediaType.Manifest, digest: sha256(raw), size: raw.length };

  test('is pushed byte by byte, with its type', async () => {
    const { server, target } = await setup();
    await target.pushTag(raw, { ...MANIFEST, mediaType: MediaType.Index }, '1.0');
    expect(lines(server)).toEqual(['PUT /v2/me/app/manifests/1.0', 'HEAD /v2/me/app/manifests/1.0']);
    expect(server.manifests.get('me/app:1.0')).toEqual({ raw, mediaType: MediaType.Index });
  });

  test('that the registry made something else of is an error', async () => {
    const headers = { 'docker-content-digest': sha256('else') };
    const { target } = await setup(({ method }) => (method === 'PUT' ? { status: 201, headers } : undefined));
    await expect(target.pushManifest(raw, MANIFEST)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_MISMATCH',
    });
  });

  test('is known to be there, or not; forbidden to ask is not', async () => {
    const { server, target } = await setup();
    const { digest } = putImage(server, 'me/app', '1');
    expect(await target.hasManifest(digest)).toBe(true);
    expect(await target.hasManifest(sha256('no'))).toBe(false);
    const forbidden = await setup(({ method }) => (method === 'HEAD' ? { status: 403 } : undefined));
    expect(await forbidden.target.hasManifest(digest)).toBe(false);
  });
});
