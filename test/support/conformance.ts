import { expect } from 'vitest';
import { MediaType, sha256 } from '#oci-spec-types';

/**
 * What the distribution spec says of a registry, asked of one at `http://HOST`. The scripted registry has to pass it as
 * Debian's does, so that what is tested against it is no fiction.
 */
export async function expectConformance(host: string): Promise<void> {
  const url = (path: string) => (/^https?:/.test(path) ? path : `http://${host}${path}`);
  const send = async (method: string, path: string, body?: Buffer, headers: Record<string, string> = {}) =>
    fetch(url(path), {
      method,
      redirect: 'manual',
      headers: { ...(body ? { 'content-type': 'application/octet-stream' } : {}), ...headers },
      ...(body ? { body: new Uint8Array(body) } : {}),
    });
  const begin = async (repository: string) => {
    const answer = await send('POST', `/v2/${repository}/blobs/uploads/`);
    expect(answer.status).toBe(202);
    return answer.headers.get('location') ?? '';
  };
  const withDigest = (location: string, digest: string) =>
    `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;

  // § Determining Support
  expect((await send('GET', '/v2/')).status).toBe(200);

  // § Pushing a blob monolithically: POST then PUT
  const blob = Buffer.from('one piece of content');
  const digest = sha256(blob);
  expect((await send('HEAD', `/v2/a/b/blobs/${digest}`)).status).toBe(404);
  expect((await send('PUT', withDigest(await begin('a/b'), digest), blob)).status).toBe(201);

  // § Pulling blobs
  const head = await send('HEAD', `/v2/a/b/blobs/${digest}`);
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(blob.length)]);
  expect(Buffer.from(await (await send('GET', `/v2/a/b/blobs/${digest}`)).arrayBuffer())).toEqual(blob);
  const part = await send('GET', `/v2/a/b/blobs/${digest}`, undefined, { range: 'bytes=4-' });
  expect(part.status).toBe(206);
  expect(part.headers.get('content-range')).toBe(`bytes 4-${blob.length - 1}/${blob.length}`);
  expect(Buffer.from(await part.arrayBuffer())).toEqual(blob.subarray(4));
  const beyond = await send('GET', `/v2/a/b/blobs/${digest}`, undefined, { range: 'bytes=1000-' });
  expect(beyond.status).toBe(416);

  // § Pushing a blob in chunks: PATCH, status, PATCH, PUT
  const [first, second] = [Buffer.from('the first chunk, '), Buffer.from('the second chunk')];
  const range = (start: number, bytes: Buffer) => ({
    'content-range': `${start}-${start + bytes.length - 1}`,
  });
  const patched = await send('PATCH', await begin('a/b'), first, range(0, first));
  expect(patched.status).toBe(202);
  expect(patched.headers.get('range')).toBe(`0-${first.length - 1}`);
  const status = await send('GET', patched.headers.get('location') ?? '');
  expect([status.status, status.headers.get('range')]).toEqual([204, `0-${first.length - 1}`]);
  const next = await send('PATCH', status.headers.get('location') ?? '', second, range(first.length, second));
  expect(next.status).toBe(202);
  const both = Buffer.concat([first, second]);
  const done = await send('PUT', withDigest(next.headers.get('location') ?? '', sha256(both)));
  expect(done.status).toBe(201);
  expect(Buffer.from(await (await send('GET', `/v2/a/b/blobs/${sha256(both)}`)).arrayBuffer())).toEqual(both);

  // A wrong digest is refused, a cancelled upload is gone.
  expect((await send('PUT', withDigest(await begin('a/b'), sha256('other')), blob)).status).toBe(400);
  const cancelled = await begin('a/b');
  expect((await send('DELETE', cancelled)).status).toBe(204);
  expect((await send('GET', cancelled)).status).toBe(404);

  // § Mounting a blob from another repository
  const mounted = await send('POST', `/v2/c/d/blobs/uploads/?mount=${digest}&from=a/b`);
  expect(mounted.status).toBe(201);
  expect((await send('HEAD', `/v2/c/d/blobs/${digest}`)).status).toBe(200);
  expect((await send('POST', `/v2/c/d/blobs/uploads/?mount=${sha256('nothing')}&from=a/b`)).status).toBe(202);

  // § Pushing and pulling manifests
  const config = { mediaType: MediaType.Config, digest, size: blob.length };
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.Manifest, config, layers: [] }),
  );
  const type = { 'content-type': MediaType.Manifest };
  expect((await send('HEAD', '/v2/a/b/manifests/1')).status).toBe(404);
  const put = await send('PUT', '/v2/a/b/manifests/1', manifest, type);
  expect([put.status, put.headers.get('docker-content-digest')]).toEqual([201, sha256(manifest)]);
  for (const name of ['1', sha256(manifest)]) {
    const answer = await send('GET', `/v2/a/b/manifests/${name}`, undefined, { accept: MediaType.Manifest });
    expect(answer.headers.get('content-type')).toBe(MediaType.Manifest);
    expect(answer.headers.get('docker-content-digest')).toBe(sha256(manifest));
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(manifest);
  }
  const missing = await send('GET', '/v2/a/b/manifests/2');
  expect(missing.status).toBe(404);
  expect(await missing.json()).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] });
}
