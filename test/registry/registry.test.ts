import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type Descriptor, MediaType, sha256 } from '#oci-spec-types';
import { parseRegistriesConf } from '../../src/config/registries-conf.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { fakeRegistry, fault, putImage } from '../support/fake-registry.ts';
import { deadHost, httpServer } from '../support/http-server.ts';
import { registryClient } from '../support/registry-client.ts';

async function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const layerOf = (descriptor: Descriptor | undefined): Descriptor => {
  if (descriptor === undefined) throw new Error('no layer');
  return descriptor;
};

describe('resolve', () => {
  test('gives the descriptor of a tag, and a source that does not fetch its manifest again', async () => {
    const server = await fakeRegistry();
    const { digest, document } = putImage(server, 'me/app', '1');
    const { descriptor, source } = await registryClient().resolve(parseReference(`${server.host}/me/app:1`));
    expect(descriptor).toEqual({
      mediaType: MediaType.Manifest,
      digest,
      size: Buffer.byteLength(JSON.stringify(document)),
    });
    expect(await text(await source.open(descriptor))).toBe(JSON.stringify(document));
    expect(server.lines()).toEqual(['GET /v2/', 'GET /v2/me/app/manifests/1']);
  });

  test('accepts the four types of manifests in one header', async () => {
    const server = await fakeRegistry();
    putImage(server, 'me/app', '1');
    await registryClient().resolve(parseReference(`${server.host}/me/app:1`));
    expect(server.seen.at(-1)?.headers.accept?.split(', ')).toHaveLength(4);
    expect(server.seen.at(-1)?.headers['user-agent']).toBe('ocislim/test');
  });

  test('takes the digest where a name has a tag, too', async () => {
    const server = await fakeRegistry();
    const { digest } = putImage(server, 'me/app', '1');
    const { descriptor } = await registryClient().resolve(
      parseReference(`${server.host}/me/app:other@${digest}`),
    );
    expect(descriptor.digest).toBe(digest);
    expect(server.lines().at(-1)).toBe(`GET /v2/me/app/manifests/${digest}`);
  });

  test('opens a layer, and says where it can be mounted from', async () => {
    const server = await fakeRegistry();
    const { layer } = putImage(server, 'me/app', '1');
    const { source } = await registryClient().resolve(parseReference(`${server.host}/me/app:1`));
    expect(source.origins?.(layerOf(layer).digest)).toEqual([{ origin: server.url, repository: 'me/app' }]);
    expect(await text(await source.open(layerOf(layer)))).toBe('layer');
  });

  test('does not pass off content of another digest or size', async () => {
    const server = await fakeRegistry(({ path }) =>
      path.includes('/blobs/') ? { body: 'evil!' } : undefined,
    );
    const { layer } = putImage(server, 'me/app', '1');
    const { source } = await registryClient().resolve(parseReference(`${server.host}/me/app:1`));
    const right = layerOf(layer);
    await expect(source.open(right).then(text)).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_MISMATCH' });
    await expect(source.open({ ...right, size: 4 }).then(text)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_MISMATCH',
    });
  });

  test('names a blob that is not there', async () => {
    const server = await fakeRegistry();
    putImage(server, 'me/app', '1');
    const { source } = await registryClient().resolve(parseReference(`${server.host}/me/app:1`));
    const missing = { mediaType: MediaType.Layer, digest: sha256('missing'), size: 7 };
    await expect(source.open(missing)).rejects.toMatchObject({
      code: 'OCISLIM_BLOB_UNKNOWN',
      message: `${server.host}/me/app: has no blob ${missing.digest}`,
    });
  });

  test('follows a redirect to storage, without credentials', async () => {
    const storage = await httpServer(() => ({ body: 'layer' }));
    const server = await fakeRegistry(({ path, headers }) => {
      if (headers.authorization === undefined)
        return { status: 401, headers: { 'www-authenticate': 'Basic' } };
      return path.includes('/blobs/')
        ? { status: 307, headers: { location: `${storage.url}/signed?x=1` } }
        : undefined;
    });
    const { layer } = putImage(server, 'me/app', '1');
    const auth = Buffer.from('me:pw').toString('base64');
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [server.host]: { auth } } }) };
    const { source } = await registryClient({ env }).resolve(parseReference(`${server.host}/me/app:1`));
    expect(await text(await source.open(layerOf(layer)))).toBe('layer');
    expect(storage.lines()).toEqual(['GET /signed?x=1']);
    expect(storage.seen[0]?.headers.authorization).toBeUndefined();
  });

  test('looks where a foreign layer says, without credentials and never inward', async () => {
    const server = await fakeRegistry();
    putImage(server, 'me/app', '1');
    const { source } = await registryClient().resolve(parseReference(`${server.host}/me/app:1`));
    const foreign = {
      mediaType: MediaType.DockerForeignLayerGzip,
      digest: sha256('foreign'),
      size: 7,
      urls: ['http://169.254.169.254/x', 'file:///etc/passwd'],
    };
    await expect(source.open(foreign)).rejects.toMatchObject({ code: 'OCISLIM_BLOB_UNKNOWN' });
  });
});

describe('a manifest', () => {
  const manifest = { schemaVersion: 2, config: {}, layers: [] };
  const serve = async (body: string, headers: Record<string, string>, name = 'app:1') => {
    const server = await fakeRegistry(({ path }) =>
      path.includes('/manifests/') ? { body, headers } : undefined,
    );
    return registryClient().resolve(parseReference(`${server.host}/${name}`));
  };

  test('has its type from the header, without parameters', async () => {
    const type = `${MediaType.DockerManifest}; charset=utf-8`;
    const { descriptor } = await serve(JSON.stringify(manifest), { 'content-type': type });
    expect(descriptor.mediaType).toBe(MediaType.DockerManifest);
  });

  test('has its type from itself where the header says nothing', async () => {
    const own = { ...manifest, mediaType: MediaType.Manifest };
    const { descriptor } = await serve(JSON.stringify(own), { 'content-type': 'application/json' });
    expect(descriptor.mediaType).toBe(MediaType.Manifest);
  });

  test('that says it is something else than the header is refused', async () => {
    const own = { ...manifest, mediaType: MediaType.Manifest };
    await expect(serve(JSON.stringify(own), { 'content-type': MediaType.Index })).rejects.toMatchObject({
      code: 'OCISLIM_DOCUMENT_INVALID',
    });
  });

  test('of schema 1 is refused by name', async () => {
    const type = MediaType.DockerManifestSchema1Signed;
    await expect(serve('{"schemaVersion":1}', { 'content-type': type })).rejects.toThrow(/schema 1/);
  });

  test('whose digest is not the one the registry claims is refused', async () => {
    const headers = { 'content-type': MediaType.Manifest, 'docker-content-digest': sha256('other') };
    await expect(serve(JSON.stringify(manifest), headers)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_MISMATCH',
    });
  });

  test('whose digest is not the one asked for is refused', async () => {
    const asked = sha256('other');
    const headers = { 'content-type': MediaType.Manifest, 'docker-content-digest': asked };
    await expect(serve(JSON.stringify(manifest), headers, `app@${asked}`)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_MISMATCH',
    });
  });

  test('that is the one asked for is taken whatever digest the registry claims', async () => {
    const body = JSON.stringify(manifest);
    const headers = { 'content-type': MediaType.Manifest, 'docker-content-digest': sha256('other') };
    expect((await serve(body, headers, `app@${sha256(body)}`)).descriptor.digest).toBe(sha256(body));
  });

  test('larger than 4 MiB is not read', async () => {
    await expect(serve(' '.repeat(4 * 1024 * 1024 + 1), {})).rejects.toThrow(/larger than 4194304 bytes/);
  });
});

describe('what goes wrong is named', () => {
  test('an unknown tag', async () => {
    const server = await fakeRegistry();
    putImage(server, 'me/app', '1');
    await expect(registryClient().resolve(parseReference(`${server.host}/me/app`))).rejects.toMatchObject({
      code: 'OCISLIM_MANIFEST_UNKNOWN',
      message: `${server.host}/me/app:latest: no such tag`,
      hint: expect.stringContaining('name another'),
    });
  });

  test('a registry where nothing listens', async () => {
    const host = await deadHost();
    await expect(registryClient().resolve(parseReference(`${host}/app`))).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: `${host}: connection refused`,
    });
  });

  test('plain HTTP where HTTPS was expected', async () => {
    const server = await fakeRegistry();
    const mirrors = { 'docker.io': [`https://${server.host}`] };
    const config = parseRegistriesConf(
      `[[registry]]\nprefix="docker.io"\nlocation="${await deadHost()}"`,
      'f',
    );
    const client = registryClient({ mirrors, config });
    await expect(client.resolve(parseReference('alpine'))).rejects.toThrow();
    expect(client.warnings).toEqual([
      `mirror passed over: ${server.host}: speaks plain HTTP where HTTPS was expected`,
    ]);
  });

  test('no permission, with the credentials and the scope', async () => {
    const server = await fakeRegistry(({ path }) =>
      path === '/v2/' ? undefined : { ...fault(403, 'DENIED', 'not\nyours'), headers: {} },
    );
    const reference = parseReference(`${server.host}/me/app:1`);
    await expect(registryClient().resolve(reference)).rejects.toMatchObject({
      code: 'OCISLIM_UNAUTHORIZED',
      message:
        `${server.host}/me/app: not authorised to pull: the registry refuses without asking for credentials; ` +
        'asked for scope repository:me/app:pull; DENIED not yours',
    });
  });

  test('a password that the registry does not take', async () => {
    const server = await fakeRegistry(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="x"' },
    }));
    const auth = Buffer.from('me:hunter2').toString('base64');
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [server.host]: { auth } } }) };
    const target = await registryClient({ env }).target(parseReference(`${server.host}/me/app:1`));
    await expect(target.hasManifest(sha256('x'))).rejects.toMatchObject({
      code: 'OCISLIM_UNAUTHORIZED',
      message: `${server.host}/me/app: not authorised to push: refused for user "me" of $DOCKER_AUTH_CONFIG; asked for scope repository:me/app:pull,push`,
      hint: expect.stringContaining(`ocislim login ${server.host}`),
    });
  });

  test('a used-up limit, at once', async () => {
    const server = await fakeRegistry(({ path }) =>
      path === '/v2/' ? undefined : { status: 429, headers: { 'ratelimit-remaining': '0;w=21600' } },
    );
    await expect(registryClient().resolve(parseReference(`${server.host}/app:1`))).rejects.toMatchObject({
      code: 'OCISLIM_RATE_LIMITED',
    });
    expect(server.lines()).toHaveLength(2);
  });

  test('a registry that is blocked', async () => {
    const config = parseRegistriesConf('[[registry]]\nprefix = "bad.example"\nblocked = true', '/etc/r.conf');
    const client = registryClient({ config });
    const expected = { code: 'OCISLIM_REGISTRY_BLOCKED', message: 'bad.example/x: blocked by /etc/r.conf' };
    await expect(client.resolve(parseReference('bad.example/x'))).rejects.toMatchObject(expected);
    await expect(client.target(parseReference('bad.example/x'))).rejects.toMatchObject(expected);
  });

  test.each(['ftp://x', 'http://', 'http://u:p@h', 'http://h?x', 'a b'])(
    'a mirror that is none: %s',
    (mirror) => {
      expect(() => registryClient({ mirrors: { 'docker.io': [mirror] } })).toThrow(
        expect.objectContaining({ code: 'OCISLIM_USAGE' }),
      );
    },
  );
});

describe('a mirror', () => {
  test('is read instead of the registry it mirrors, and is where blobs can be mounted from', async () => {
    const mirror = await fakeRegistry();
    const { layer } = putImage(mirror, 'library/alpine', 'latest');
    const client = registryClient({ mirrors: { 'docker.io': [mirror.url] } });
    const { source } = await client.resolve(parseReference('alpine'));
    const origins = [
      { origin: mirror.url, repository: 'library/alpine' },
      { origin: 'https://registry-1.docker.io', repository: 'library/alpine' },
    ];
    expect(source.name).toBe('docker.io/library/alpine');
    expect(source.origins?.(layerOf(layer).digest)).toEqual(origins);
    expect(await text(await source.open(layerOf(layer)))).toBe('layer');
    expect(client.warnings).toEqual([]);
  });

  test('may have a prefix', async () => {
    const mirror = await fakeRegistry();
    putImage(mirror, 'cache/hub/library/alpine', 'latest');
    const client = registryClient({ mirrors: { 'docker.io': [`${mirror.host}/cache/hub/`] } });
    await client.resolve(parseReference('alpine'));
    expect(mirror.lines().at(-1)).toBe('GET /v2/cache/hub/library/alpine/manifests/latest');
  });

  test('that lacks the image is passed over silently', async () => {
    const [mirror, origin] = [await fakeRegistry(), await fakeRegistry()];
    const { digest } = putImage(origin, 'app', '1');
    const client = registryClient({ mirrors: { [origin.host]: [mirror.url] } });
    expect((await client.resolve(parseReference(`${origin.host}/app:1`))).descriptor.digest).toBe(digest);
    expect(client.warnings).toEqual([]);
  });

  test('that fails is passed over with one warning', async () => {
    const dead = await deadHost();
    const origin = await fakeRegistry();
    putImage(origin, 'app', '1');
    const client = registryClient({ mirrors: { [origin.host]: [`http://${dead}`] } });
    await client.resolve(parseReference(`${origin.host}/app:1`));
    await client.resolve(parseReference(`${origin.host}/app:1`));
    expect(client.warnings).toEqual([`mirror passed over: ${dead}: connection refused`]);
  });

  test('that gives another image for a digest is passed over with a warning', async () => {
    const origin = await fakeRegistry();
    const { digest } = putImage(origin, 'app', '1');
    const mirror = await fakeRegistry(() => ({
      body: '{}',
      headers: { 'content-type': MediaType.Manifest },
    }));
    const client = registryClient({ mirrors: { [origin.host]: [mirror.url] } });
    const { descriptor } = await client.resolve(parseReference(`${origin.host}/app@${digest}`));
    expect(descriptor.digest).toBe(digest);
    expect(client.warnings.join()).toContain('the registry sent content with digest');
  });

  test('that has the manifest but not the blob leaves the blob to the origin', async () => {
    const [mirror, origin] = [await fakeRegistry(), await fakeRegistry()];
    const { layer } = putImage(origin, 'app', '1');
    putImage(mirror, 'app', '1');
    mirror.blobs.clear();
    const client = registryClient({ mirrors: { [origin.host]: [mirror.url] } });
    const { source } = await client.resolve(parseReference(`${origin.host}/app:1`));
    expect(await text(await source.open(layerOf(layer)))).toBe('layer');
    expect(source.origins?.(layerOf(layer).digest)[0]).toEqual({ origin: origin.url, repository: 'app' });
  });

  test('tells what was wrong with it where the origin fails, too', async () => {
    const mirror = await fakeRegistry();
    const dead = await deadHost();
    const client = registryClient({ mirrors: { [dead]: [mirror.url] } });
    await expect(client.resolve(parseReference(`${dead}/app:1`))).rejects.toMatchObject({
      message: `${dead}: connection refused`,
      hint: expect.stringContaining(`the mirror was of no use: ${mirror.host}/app:1: no such tag`),
    });
  });

  test('is never shown the credentials of the registry it mirrors', async () => {
    const mirror = await fakeRegistry(() => ({ status: 401, headers: { 'www-authenticate': 'Basic' } }));
    const origin = await fakeRegistry();
    putImage(origin, 'app', '1');
    const auth = Buffer.from('me:pw').toString('base64');
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [origin.host]: { auth } } }) };
    const client = registryClient({ env, mirrors: { [origin.host]: [mirror.url] } });
    await client.resolve(parseReference(`${origin.host}/app:1`));
    expect(mirror.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });

  test('is never pushed to', async () => {
    const [mirror, origin] = [await fakeRegistry(), await fakeRegistry()];
    const client = registryClient({ mirrors: { [origin.host]: [mirror.url] } });
    const target = await client.target(parseReference(`${origin.host}/app:1`));
    const raw = Buffer.from('{}');
    await target.pushTag(raw, { mediaType: MediaType.Manifest, digest: sha256(raw), size: 2 }, '1');
    expect(mirror.seen).toEqual([]);
    expect(origin.manifests.get('app:1')?.raw.toString()).toBe('{}');
  });

  test('from registries.conf is read after those of the command line', async () => {
    const [first, second] = [await fakeRegistry(), await fakeRegistry()];
    putImage(second, 'library/alpine', '3');
    const conf = `[[registry]]\nprefix = "docker.io"\n[[registry.mirror]]\nlocation = "${second.host}"`;
    const config = parseRegistriesConf(conf, 'f');
    const client = registryClient({ config, mirrors: { 'docker.io': [first.url] } });
    await client.resolve(parseReference('alpine:3'));
    expect(first.lines()).toEqual(['GET /v2/library/alpine/manifests/3']);
    expect(second.lines()).toEqual(['GET /v2/', 'GET /v2/library/alpine/manifests/3']);
  });
});

describe('HTTPS', () => {
  const tls = {
    key: readFileSync(new URL('../support/tls/key.pem', import.meta.url), 'utf8'),
    cert: readFileSync(new URL('../support/tls/cert.pem', import.meta.url), 'utf8'),
  };
  const body = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.Manifest, config: {}, layers: [] });
  const secure = () => httpServer(() => ({ body, headers: { 'content-type': MediaType.Manifest } }), { tls });

  test('is found on loopback where plain HTTP is not spoken, and its certificate is checked', async () => {
    const server = await secure();
    await expect(registryClient().resolve(parseReference(`${server.host}/app:1`))).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_TLS',
      hint: expect.stringContaining('--ca-file'),
    });
    expect(server.seen).toEqual([]);
  });

  test('is trusted by a file of authorities', async () => {
    const server = await secure();
    const caFile = new URL('../support/tls/cert.pem', import.meta.url).pathname;
    const client = registryClient({ caFile, mirrors: { 'docker.io': [server.url] } });
    expect((await client.resolve(parseReference('alpine'))).descriptor.digest).toBe(sha256(body));
  });

  test('with any certificate will do where the user says so, and plain HTTP too', async () => {
    const [server, plain] = [await secure(), await fakeRegistry()];
    putImage(plain, 'app', '1');
    const client = registryClient({ insecure: [server.host, plain.host] });
    expect((await client.resolve(parseReference(`${server.host}/app:1`))).descriptor.digest).toBe(
      sha256(body),
    );
    await client.resolve(parseReference(`${plain.host}/app:1`));
  });
});

describe('parse', () => {
  test('knows the short names of registries.conf', () => {
    const config = parseRegistriesConf('[aliases]\nfedora = "registry.fedoraproject.org/fedora"', 'f');
    expect(registryClient({ config }).parse('fedora:40')).toEqual({
      registry: 'registry.fedoraproject.org',
      repository: 'fedora',
      tag: '40',
    });
  });
});
