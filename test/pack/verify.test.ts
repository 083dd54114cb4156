import { describe, expect, it } from 'vitest';
import { indexOf } from '../../src/image/index-of.ts';
import type { Image } from '../../src/image/model.ts';
import { verify } from '../../src/pack/verify.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { pushToRegistry } from '../../src/transports/registry.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';

async function scene() {
  const registry = await fakeRegistry();
  const client = registryClient();
  const context = await testContext({ registry: async () => client });
  const base = await imageOf({ layers: [[file('base', 'b')]] });
  const image = await imageOf({ base, layers: [[file('app', 'a')]] });
  const name = `${registry.host}/me/app:1`;
  await pushToRegistry(image, [parseReference(name)], context);
  return { registry, context, image, name, blob: (digest: string) => `me/app@${digest}` };
}

/** Bytes of an image: manifest, config and layers. */
function sizeOf({ raw, rawConfig, layers }: Image): number {
  return layers.reduce((sum, { descriptor }) => sum + descriptor.size, raw.length + rawConfig.length);
}

describe('verify', () => {
  it.each(['store:app:1', 'oci:out', 'oci-archive:out.tar', 'docker-archive:out.tar'])(
    'reads an image to its end in %s, and says what it has',
    async (place) => {
      const { context, image } = await scene();
      const output = { artifact: image, references: [parseReference('app:1')], created: 0 };
      await writeOutput(parseLocation(place, { as: 'destination' }), output, context);
      const { digest, mediaType } = image.descriptor;
      expect(await verify({ image: place }, context)).toEqual({
        name: 'app:1',
        digest,
        mediaType,
        platforms: [{ platform: 'linux/amd64', digest, layers: 2, history: 2 }],
        manifests: 1,
        blobs: 3,
        size: sizeOf(image),
        signatures: [],
      });
    },
  );

  it('reads every layer of a registry once, and nothing from the store', async () => {
    const { context, image, name, registry } = await scene();
    await openSource(parseLocation(name), context);
    await keepInStore(image, ['docker.io/library/other:1'], context);
    const before = registry.seen.length;
    await verify({ image: name }, context);
    const asked = registry.seen.slice(before).filter(({ path }) => path.includes('/blobs/'));
    const digests = [image.manifest.config, ...image.manifest.layers].map(({ digest }) => digest);
    expect(asked.map(({ path }) => path.split('/').at(-1)).sort()).toEqual([...digests].sort());
  });

  it('counts the platforms of an index', async () => {
    const { context } = await scene();
    const images = [await imageOf({ platform: AMD64 }), await imageOf({ platform: ARM64 })];
    await keepInStore(indexOf(images, { annotations: {} }), ['docker.io/library/both:1'], context);
    const verified = await verify({ image: 'both:1' }, context);
    expect(verified.platforms.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
    expect(verified).toMatchObject({ manifests: 3, blobs: 4 });
  });

  it.each(['config', 'layer'] as const)('tells of a %s that a registry has lost', async (what) => {
    const { registry, context, image, name, blob } = await scene();
    const { config, layers } = image.manifest;
    const digest = what === 'config' ? config.digest : layers[1]?.digest;
    registry.blobs.delete(blob(digest ?? ''));
    await expect(verify({ image: name }, context)).rejects.toMatchObject({
      code: 'OCISLIM_VERIFY_FAILED',
      exitCode: 6,
      message: expect.stringContaining(digest ?? ''),
      check: [{ rule: 'claim-wrong', level: 'error' }, ...(what === 'config' ? [] : [{}])],
    });
  });

  it('tells of a member that an index has lost, beside what else is wrong', async () => {
    const { registry, context, image } = await scene();
    const other = await imageOf({ platform: ARM64 });
    const name = `${registry.host}/me/app:2`;
    await pushToRegistry(indexOf([image, other], { annotations: {} }), [parseReference(name)], context);
    registry.manifests.delete(`me/app@${other.descriptor.digest}`);
    await expect(verify({ image: name }, context)).rejects.toMatchObject({
      code: 'OCISLIM_VERIFY_FAILED',
      message: expect.stringContaining(other.descriptor.digest),
    });
  });

  it('has no verdict on an image that is not there', async () => {
    const { registry, context } = await scene();
    await expect(verify({ image: `${registry.host}/me/none:1` }, context)).rejects.toMatchObject({
      code: 'OCISLIM_MANIFEST_UNKNOWN',
      exitCode: 4,
    });
    await expect(verify({ image: 'oci:none' }, context)).rejects.toMatchObject({
      code: 'OCISLIM_NOT_FOUND',
      exitCode: 1,
    });
  });
});
