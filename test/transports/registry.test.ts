import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MediaType, type Platform } from '#oci-spec-types';
import { parseRegistriesConf } from '../../src/config/registries-conf.ts';
import { indexOf } from '../../src/image/index-of.ts';
import type { Artifact, Layer } from '../../src/image/model.ts';
import { imageFor } from '../../src/image/select.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import { inspect } from '../../src/pack/inspect.ts';
import { pack } from '../../src/pack/pack.ts';
import { parseReference } from '../../src/registry/reference.ts';
import type { RegistryOptions } from '../../src/registry/registry.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { checkPush } from '../../src/transports/registry.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';

async function withRegistry(
  options: Partial<RegistryOptions> = {},
): Promise<{ registry: FakeRegistry; context: Context }> {
  const registry = await fakeRegistry();
  const client = registryClient(options);
  return { registry, context: await testContext({ registry: async () => client }) };
}

async function push(artifact: Artifact, names: readonly string[], context: Context): Promise<void> {
  const references = names.map((name) => parseReference(name));
  await writeOutput(parseLocation(names[0] ?? ''), { artifact, references, created: 0 }, context);
}

const platforms: readonly Platform[] = [AMD64, ARM64];
const both = async () =>
  indexOf(await Promise.all(platforms.map((platform) => imageOf({ platform }))), { annotations: {} });

describe('docker://', () => {
  it('means one image throughout a run, though its tag moves meanwhile', async () => {
    let moved = false;
    const registry: FakeRegistry = await fakeRegistry({
      script: ({ path }) => {
        if (moved || !path.endsWith('/manifests/1')) return undefined;
        moved = true;
        const [first, second] = ['base:1', 'base:2'].map((name) => registry.manifests.get(name));
        if (first === undefined || second === undefined) throw new Error('no base');
        registry.manifests.set('base:1', second);
        return { body: first.raw, headers: { 'content-type': first.mediaType } };
      },
    });
    const client = registryClient();
    const context = await testContext({ registry: async () => client });
    const bases = [
      await both(),
      indexOf([await imageOf({ layers: [[file('other', 'x')]] })], { annotations: {} }),
    ];
    await push(bases[0] as Artifact, [`${registry.host}/base:3`], context);
    await push(bases[1] as Artifact, [`${registry.host}/base:2`], context);
    const first = registry.manifests.get('base:3');
    if (first === undefined) throw new Error('not pushed');
    registry.manifests.set('base:1', first);
    for (const name of ['hello', 'hello-arm64'])
      copyFileSync(join(root, 'testdata', name), join(context.cwd, name === 'hello' ? 'hello-amd64' : name));
    const result = await pack(requestFor('./hello-{arch}', { base: `${registry.host}/base:1` }), context);
    expect(moved).toBe(true);
    expect(result.base.digest).toBe(bases[0]?.descriptor.digest);
    expect(result.platforms.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('gives back what was pushed, under every tag', async () => {
    const { registry, context } = await withRegistry();
    const index = await both();
    await push(index, [`${registry.host}/me/app:1`, `${registry.host}/me/app:latest`], context);
    for (const name of ['me/app:1', 'me/app:latest', `me/app@${index.descriptor.digest}`]) {
      const { artifact } = await openSource(parseLocation(`${registry.host}/${name}`), context);
      expect(artifact.descriptor.digest).toBe(index.descriptor.digest);
      expect(await validateArtifact(artifact)).toEqual([]);
    }
  });

  it('writes documents after what they name, and tags last', async () => {
    const { registry, context } = await withRegistry();
    const index = await both();
    await push(index, [`${registry.host}/me/app:1`], context);
    const puts = registry.seen.filter(({ method }) => method === 'PUT').map(({ path }) => path);
    const manifests = puts
      .filter((path) => path.includes('/manifests/'))
      .map((path) => path.split('/').at(-1));
    expect(manifests).toEqual([...index.index.manifests.map(({ digest }) => digest), '1']);
    const lastBlob = puts.findLastIndex((path) => path.includes('/blobs/uploads/'));
    expect(lastBlob).toBeLessThan(puts.findIndex((path) => path.includes('/manifests/')));
  });

  it('asks once for the manifest and once for the tag where the registry has both', async () => {
    const { registry, context } = await withRegistry();
    const image = await imageOf();
    const name = `${registry.host}/me/app:1`;
    await push(image, [name], context);
    const before = registry.seen.length;
    await push(image, [name], context);
    expect(registry.lines().slice(before)).toEqual([
      `HEAD /v2/me/app/manifests/${image.descriptor.digest}`,
      'HEAD /v2/me/app/manifests/1',
    ]);
  });

  it('moves a tag that names something else', async () => {
    const { registry, context } = await withRegistry();
    const [one, two] = [await imageOf(), await both()];
    const name = `${registry.host}/me/app`;
    await push(one, [`${name}:1`], context);
    await push(two, [`${name}:1`], context);
    await push(one, [`${name}:1`], context);
    expect(registry.manifests.get('me/app:1')?.raw).toEqual(Buffer.from(one.raw));
  });

  it('uploads in what was begun to find out whether it may', async () => {
    const { registry, context } = await withRegistry();
    const image = await imageOf();
    const reference = parseReference(`${registry.host}/me/app:1`);
    await checkPush([reference], context);
    await push(image, [`${registry.host}/me/app:1`], context);
    const posts = registry.lines().filter((line) => line.startsWith('POST'));
    expect(posts).toHaveLength(image.manifest.layers.length + 1);
    expect(registry.uploads.size).toBe(0);
  });

  it('sends no blob where the registry has the manifest', async () => {
    const { registry, context } = await withRegistry();
    const image = await imageOf();
    await push(image, [`${registry.host}/me/app:1`], context);
    const before = registry.seen.length;
    await push(image, [`${registry.host}/me/app:2`], context);
    const paths = registry.seen.slice(before).map(({ path }) => path);
    expect(paths.filter((path) => path.includes('/blobs/'))).toEqual([]);
    expect(registry.manifests.has('me/app:2')).toBe(true);
  });

  it('does not push layers that may not be distributed', async () => {
    const { registry, context } = await withRegistry();
    const image = await imageOf();
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    const foreign = {
      ...layer,
      descriptor: { ...layer.descriptor, mediaType: MediaType.LayerNondistributableGzip },
    };
    await push({ ...image, layers: [foreign] }, [`${registry.host}/me/app:1`], context);
    expect(registry.blobs.has(`me/app@${layer.descriptor.digest}`)).toBe(false);
    expect(registry.blobs.size).toBe(1);
  });

  it('resolves aliases of short names, but not names that say their registry', async () => {
    const registry = await fakeRegistry();
    const config = parseRegistriesConf(`[aliases]\n"tool" = "${registry.host}/team/tool"`, 'registries.conf');
    const client = registryClient({ config });
    const context = await testContext({ registry: async () => client });
    await push(await imageOf(), [`${registry.host}/team/tool:2`], context);
    const { reference } = await openSource(parseLocation('tool:2'), context);
    expect(reference).toBe(`${registry.host}/team/tool:2`);
    await expect(openSource(parseLocation(`${registry.host}/tool:2`), context)).rejects.toMatchObject({
      code: 'OCISLIM_MANIFEST_UNKNOWN',
    });
  });

  it('asks for nothing, and sends nothing, when offline', async () => {
    const { registry, context } = await withRegistry();
    const name = `${registry.host}/me/base:1`;
    await push(await both(), [name], context);
    const request = requestFor(join(root, 'testdata/hello'), {
      base: name,
      compression: { kind: 'none' },
      tags: ['app:1'],
      outputs: ['oci:a'],
    });
    const online = await pack(request, context);
    const before = registry.seen.length;
    const offline = { ...context, offline: true };
    expect((await pack({ ...request, outputs: ['oci:b'] }, offline)).digest).toBe(online.digest);
    await expect(
      pack({ ...request, push: true, tags: [`${registry.host}/x`] }, offline),
    ).rejects.toMatchObject({ code: 'OCISLIM_USAGE' });
    await expect(openSource(parseLocation(`${registry.host}/me/other`), offline)).rejects.toThrow(
      'was never pulled to this store',
    );
    expect(registry.seen.length).toBe(before);
  });

  it('is inspected without fetching a layer', async () => {
    const { registry, context } = await withRegistry();
    const name = `${registry.host}/me/app:1`;
    const index = await both();
    await push(index, [name], context);
    const { inspection } = await inspect(name, undefined, context);
    const layers = inspection.platforms.flatMap((image) => image.layers);
    expect(layers.map((layer) => layer.unpackedSize)).toEqual([undefined, undefined]);
    const fetched = registry.lines().filter((line) => line.startsWith('GET'));
    for (const layer of layers) expect(fetched.join()).not.toContain(layer.digest);
    const image = await imageFor(index, AMD64);
    await context.store.ensure(image.layers[0] as Layer);
    const again = await inspect(name, 'linux/amd64', context);
    expect(again.inspection.platforms[0]?.layers[0]?.unpackedSize).toBe('for amd64'.length);
  });

  it('records the base by its full name and the digest of its image', async () => {
    const { registry, context } = await withRegistry();
    const index = await both();
    await push(index, [`${registry.host}/me/base:1`], context);
    await pack(
      requestFor(join(root, 'testdata/hello'), {
        base: `${registry.host}/me/base:1`,
        compression: { kind: 'none' },
        tags: ['app:1'],
      }),
      context,
    );
    const { artifact } = await openSource(parseLocation('store:app:1'), context);
    const base = await imageFor(index, AMD64);
    expect(artifact.kind === 'image' && artifact.manifest.annotations).toEqual({
      'org.opencontainers.image.base.name': `${registry.host}/me/base:1`,
      'org.opencontainers.image.base.digest': base.descriptor.digest,
    });
  });
});
