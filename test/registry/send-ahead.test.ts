import { describe, expect, test } from 'vitest';
import { MediaType, sha256 } from '#oci-spec-types';
import { memoryBlob } from '../../src/image/blob.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { type FakeOptions, type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import type { Script } from '../support/http-server.ts';
import { registryClient } from '../support/registry-client.ts';

const CONTENT = Buffer.from('content of a layer');
const DIGEST = sha256(CONTENT);
const BLOB = memoryBlob(CONTENT, MediaType.LayerGzip);

async function setup(options: FakeOptions = {}) {
  const server = await fakeRegistry(options);
  const target = await registryClient().target(parseReference(`${server.host}/me/app:1`));
  return { server, target };
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield CONTENT.subarray(0, 7);
  yield CONTENT.subarray(7);
}

const refusesEmptyPut: Script = ({ method, body }) =>
  method === 'PUT' && body.length === 0 ? { status: 500 } : undefined;

const methods = (server: FakeRegistry) =>
  server
    .lines()
    .filter((line) => line !== 'GET /v2/')
    .map((line) => line.split(' ')[0]);

describe('a blob that is sent while it is made', () => {
  test('is there when it is pushed, which asks for nothing', async () => {
    const { server, target } = await setup();
    await target.checkPush();
    target.sendAhead(pieces())(DIGEST);
    expect(await target.pushBlob(BLOB)).toBe('pushed');
    expect(methods(server)).toEqual(['POST', 'PATCH', 'PUT']);
    expect(server.seen.find(({ method }) => method === 'PATCH')?.headers['content-length']).toBeUndefined();
    expect(server.blobs.get(`me/app@${DIGEST}`)).toEqual(CONTENT);
  });

  test('is of no use to another blob', async () => {
    const { server, target } = await setup();
    const other = memoryBlob(Buffer.from('another'), MediaType.LayerGzip);
    target.sendAhead(pieces())(DIGEST);
    await target.pushBlob(other);
    await target.pushBlob(BLOB);
    expect(server.blobs.size).toBe(2);
  });

  test.each([
    ['whose bytes the registry refuses', { quirks: { patchStatus: 416 } }],
    ['whose registry breaks down', { quirks: { patchStatus: 500 } }],
    ['whose end the registry refuses', { script: refusesEmptyPut }],
  ] satisfies readonly (readonly [string, FakeOptions])[])('%s is pushed as any', async (_, options) => {
    const { server, target } = await setup(options);
    target.sendAhead(pieces())(DIGEST);
    expect(await target.pushBlob(BLOB)).toBe('pushed');
    expect(methods(server).slice(-3)).toEqual(['HEAD', 'POST', 'PUT']);
    expect(server.blobs.get(`me/app@${DIGEST}`)).toEqual(CONTENT);
    expect(server.uploads.size).toBe(0);
  });

  test('whose making fails is given up', async () => {
    const { server, target } = await setup();
    target.sendAhead(
      (async function* () {
        yield CONTENT.subarray(0, 7);
        throw new Error('disk full');
      })(),
    );
    await expect.poll(() => methods(server).sort()).toEqual(['DELETE', 'PATCH', 'POST']);
    expect(server.blobs.size).toBe(0);
  });
});
