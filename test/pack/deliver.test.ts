import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pack } from '../../src/pack/pack.ts';
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
  const context = await testContext({ registry: async () => registryClient() });
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
