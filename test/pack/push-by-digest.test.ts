import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createIndex } from '../../src/pack/create-index.ts';
import { pack } from '../../src/pack/pack.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';

async function setup() {
  const registry = await fakeRegistry();
  const context = await testContext({ registry: async () => registryClient() });
  for (const name of ['hello', 'hello-arm64'])
    copyFileSync(join(root, 'testdata', name), join(context.cwd, name));
  return { registry, context, app: `${registry.host}/me/app` };
}

const manifestsPut = (registry: FakeRegistry) =>
  registry.lines().filter((line) => line.startsWith('PUT') && line.includes('/manifests/'));

describe('a push by digest', () => {
  it('gives the registry no tag, whatever tags the image has in the store', async () => {
    const { registry, context, app } = await setup();
    const tags = [`${app}:1`, `${app}:2`];
    const result = await pack(requestFor('./hello', { tags, push: 'by-digest' }), context);
    expect(manifestsPut(registry)).toEqual([`PUT /v2/me/app/manifests/${result.digest}`]);
    expect(result).toMatchObject({
      names: [app],
      outputs: [{ type: 'registry', dest: `${app}@${result.digest}` }],
    });
  });

  it('is what an index is joined from', async () => {
    const { registry, context, app } = await setup();
    const digests: string[] = [];
    for (const path of ['./hello', './hello-arm64'])
      digests.push((await pack(requestFor(path, { tags: [app], push: 'by-digest' }), context)).digest);
    const sources = digests.map((digest) => `${app}@${digest}`);
    const request = { names: [`${app}:1`], sources, annotations: {}, push: true, outputs: [] };
    const uploads = () => registry.lines().filter((line) => line.includes('/blobs/uploads/')).length;
    const before = uploads();
    // A job of its own, with a store of its own.
    await createIndex(request, await testContext({ registry: context.registry }));
    expect(manifestsPut(registry).at(-1)).toBe('PUT /v2/me/app/manifests/1');
    expect([before > 0, uploads()]).toEqual([true, before]);
  });

  it('needs a name, as any push does', async () => {
    const { context } = await setup();
    await expect(pack(requestFor('./hello', { push: 'by-digest' }), context)).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
    });
  });
});
