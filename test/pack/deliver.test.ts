import { randomBytes } from 'node:crypto';
import { appendFileSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { pack } from '../../src/pack/pack.ts';
import type { PackRequest } from '../../src/pack/request.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { findInStore } from '../../src/transports/store.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { type FakeRegistry, fakeRegistry, fault } from '../support/fake-registry.ts';
import type { Script } from '../support/http-server.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';

async function setup(script: Script) {
  const registry = await fakeRegistry(script);
  const client = registryClient();
  const context = await testContext({ registry: async () => client });
  copyFileSync(join(root, 'testdata/hello'), join(context.cwd, 'hello'));
  return { registry, context };
}

const DENIED = { code: 'OCISLIM_UNAUTHORIZED' };
const blobsSent = (registry: FakeRegistry) => registry.lines().filter((line) => line.startsWith('PUT'));

describe('a push that fails', () => {
  it('at its end leaves the image in the store, under its name', async () => {
    const { registry, context } = await setup(({ method, path }) =>
      method === 'PUT' && path.includes('/manifests/') ? fault(403, 'DENIED') : undefined,
    );
    const name = `${registry.host}/me/app:1`;
    await expect(pack(requestFor('./hello', { tags: [name], push: true }), context)).rejects.toMatchObject(
      DENIED,
    );
    const kept = await findInStore(parseReference(name), context);
    expect(kept?.kind).toBe('image');
    expect(registry.manifests.size).toBe(0);
  });

  it('before it began sends nothing, and makes no image', async () => {
    const { registry, context } = await setup(({ method }) =>
      method === 'POST' ? fault(403, 'DENIED') : undefined,
    );
    const name = `${registry.host}/me/app:1`;
    await expect(pack(requestFor('./hello', { tags: [name], push: true }), context)).rejects.toMatchObject(
      DENIED,
    );
    expect(blobsSent(registry)).toEqual([]);
    expect(await context.store.names.list()).toEqual([]);
  });
});

describe('a layer', () => {
  /** Packs and pushes a program with so much more behind it, and tells what was asked of the registry for that. */
  async function pushes(script: Script = () => undefined) {
    const { registry, context } = await setup(script);
    const program = join(context.cwd, 'hello');
    const name = `${registry.host}/me/app:1`;
    return async (more: Buffer, request: Partial<PackRequest> = {}) => {
      copyFileSync(join(root, 'testdata/hello'), program);
      appendFileSync(program, more);
      const before = registry.seen.length;
      const result = await pack(requestFor('./hello', { tags: [name], push: true, ...request }), context);
      const layer = result.platforms[0]?.layers.at(-1)?.digest ?? '';
      expect(sha256(registry.blobs.get(`me/app@${layer}`) ?? Buffer.alloc(0))).toBe(layer);
      expect(registry.manifests.get('me/app:1')?.raw).toEqual(
        registry.manifests.get(`me/app@${result.digest}`)?.raw,
      );
      return registry
        .lines()
        .slice(before)
        .map((line) => line.replace(/[?].*/, '').replace(layer, 'LAYER'));
    };
  }
  const patches = (lines: readonly string[]) => lines.filter((line) => line.startsWith('PATCH')).length;
  const withoutDigest = (line: string) => line.replace(/sha256:.*/, 'DIGEST');
  const asksForLayer = (lines: readonly string[]) => lines.includes('HEAD /v2/me/app/blobs/LAYER');

  it('that is small, and its image, are not asked for where another was pushed from here before', async () => {
    const push = await pushes();
    const more = randomBytes(1000);
    const asked = (lines: readonly string[]) => lines.filter((line) => line.startsWith('HEAD'));
    expect(asked(await push(randomBytes(1000))).map(withoutDigest)).toEqual([
      'HEAD /v2/me/app/manifests/DIGEST',
      'HEAD /v2/me/app/blobs/LAYER',
      'HEAD /v2/me/app/blobs/DIGEST',
      'HEAD /v2/me/app/manifests/1',
    ]);
    expect(asked(await push(more))).toEqual(['HEAD /v2/me/app/manifests/1']);
    // What is not new is asked for: the same image, and the same layer in another.
    expect(asked(await push(more)).map(withoutDigest)).toEqual([
      'HEAD /v2/me/app/manifests/DIGEST',
      'HEAD /v2/me/app/manifests/1',
    ]);
    expect(asksForLayer(await push(more, { annotations: { of: 'another' } }))).toBe(true);
  });

  it('that is large is sent while it is made where another was pushed from here before', async () => {
    const push = await pushes();
    const [first, second] = [await push(randomBytes(5e6)), await push(randomBytes(5e6))];
    expect([patches(first), asksForLayer(first)]).toEqual([0, true]);
    expect([patches(second), asksForLayer(second)]).toEqual([1, false]);
  });

  it('that is large is not sent when it was packed before', async () => {
    const push = await pushes();
    const content = randomBytes(5e6);
    await push(content);
    expect(patches(await push(content))).toBe(0);
  });

  it('that is large is pushed once it is made where the registry takes nothing before', async () => {
    const push = await pushes(({ method }) => (method === 'PATCH' ? { status: 405 } : undefined));
    await push(randomBytes(5e6));
    expect(asksForLayer(await push(randomBytes(5e6)))).toBe(true);
  });
});
