import { describe, expect, it } from 'vitest';
import { parsePlatform } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import { createIndex } from '../../src/pack/create-index.ts';
import { inspect } from '../../src/pack/inspect.ts';
import { listImages, removeNames, tag } from '../../src/pack/local.ts';
import { copy, pull } from '../../src/pack/move.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';

const CONTENT = 'x'.repeat(5000);

async function withImages(): Promise<Context> {
  const context = await testContext();
  const [amd64, arm64] = [
    await imageOf({ platform: AMD64, layers: [[file('f', CONTENT)]] }),
    await imageOf({ platform: ARM64 }),
  ];
  await keepInStore(amd64, ['docker.io/me/one:1', 'docker.io/me/one:2'], context);
  await keepInStore(indexOf([amd64, arm64], { annotations: {} }), ['ghcr.io/me/both:1'], context);
  return context;
}

const digestAt = async (place: string, context: Context) =>
  (await openSource(parseLocation(place), context)).artifact.descriptor.digest;

describe('listImages', () => {
  it('lists what the store has names for, with the sizes that docker shows and a pull moves', async () => {
    const context = await withImages();
    const rows = await listImages(undefined, context);
    expect(rows.map(({ name }) => name)).toEqual(['me/one:1', 'me/one:2', 'ghcr.io/me/both:1']);
    const [first] = rows;
    expect(first).toMatchObject({
      repository: 'me/one',
      tag: '1',
      size: CONTENT.length,
      platforms: ['linux/amd64'],
    });
    const image = await imageOf({ platform: AMD64, layers: [[file('f', CONTENT)]] });
    expect(first?.imageId).toBe(image.manifest.config.digest);
    expect(first?.transferSize).toBe(image.manifest.config.size + (image.manifest.layers[0]?.size ?? 0));
    expect(rows[2]?.platforms).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('filters by repository and by name', async () => {
    const context = await withImages();
    expect((await listImages('me/one', context)).length).toBe(2);
    expect((await listImages('me/one:2', context)).map(({ name }) => name)).toEqual(['me/one:2']);
    expect(await listImages('other', context)).toEqual([]);
  });
});

describe('tag and rmi', () => {
  it('gives and takes names, and nothing else', async () => {
    const context = await withImages();
    const digest = await digestAt('store:me/one:1', context);
    expect(await tag('me/one:1', 'me/three', context)).toMatchObject({ name: 'me/three:latest', digest });
    expect(await removeNames(['me/one:1', 'me/one:2'], context)).toEqual(['me/one:1', 'me/one:2']);
    expect(await digestAt('store:me/three', context)).toBe(digest);
    await expect(digestAt('store:me/one:1', context)).rejects.toMatchObject({ code: 'OCISLIM_NOT_FOUND' });
  });

  it('takes no name away when one of them is not there', async () => {
    const context = await withImages();
    await expect(removeNames(['me/one:1', 'me/nope'], context)).rejects.toThrow(
      'me/nope: the store has no image of that name',
    );
    expect(await digestAt('store:me/one:1', context)).toBeDefined();
  });
});

describe('inspect', () => {
  it('shows platforms, and layers with both sizes', async () => {
    const context = await withImages();
    const { inspection } = await inspect('ghcr.io/me/both:1', undefined, context);
    expect(inspection.platforms.map((image) => image.platform)).toEqual(['linux/amd64', 'linux/arm64']);
    const [layer] = inspection.platforms[0]?.layers ?? [];
    expect(layer).toMatchObject({ unpackedSize: CONTENT.length, origin: 'unknown', createdBy: 'test' });
    expect(layer?.size).toBeLessThan(CONTENT.length);
    const one = await inspect('ghcr.io/me/both:1', 'linux/arm64', context);
    expect(one.inspection.platforms.map((image) => image.platform)).toEqual(['linux/arm64']);
  });
});

describe('copy and pull', () => {
  it('copies an index whole, or the platform that is asked for', async () => {
    const context = await withImages();
    const whole = await copy('store:ghcr.io/me/both:1', 'oci:all', {}, context);
    expect(await digestAt('oci:all', context)).toBe(whole.digest);
    const one = await copy('oci:all', 'oci-archive:one.tar', { platform: 'linux/arm64' }, context);
    expect(one.digest).toBe((await imageOf({ platform: ARM64 })).descriptor.digest);
    expect(one.name).toBe('ghcr.io/me/both:1');
  });

  it('brings an image back into another store under its own name', async () => {
    const context = await withImages();
    await copy('store:ghcr.io/me/both:1', 'oci:all', {}, context);
    const other = { ...(await testContext()), cwd: context.cwd };
    const pulled = await pull('oci:all', { allPlatforms: true }, other);
    expect(await digestAt('store:ghcr.io/me/both:1', other)).toBe(pulled.digest);
    await pull('oci:all', { platform: 'linux/arm64' }, other);
    expect((await listImages(undefined, other))[0]?.platforms).toEqual(['linux/arm64']);
  });
});

describe('createIndex', () => {
  it('joins images of several places, those of an index singly', async () => {
    const context = await withImages();
    const s390x = await imageOf({ platform: parsePlatform('linux/s390x') });
    await keepInStore(s390x, ['docker.io/me/s390x:1'], context);
    const request = {
      names: ['me/all:1'],
      sources: ['ghcr.io/me/both:1', 'me/s390x:1'],
      annotations: { a: 'b' },
      push: false,
      outputs: ['oci:joined'],
    };
    const created = await createIndex(request, context);
    const { artifact } = await openSource(parseLocation('oci:joined'), context);
    expect(artifact.descriptor.digest).toBe(created.digest);
    expect(artifact).toMatchObject({ kind: 'index', index: { annotations: { a: 'b' } } });
    const { inspection } = await inspect('me/all:1', undefined, context);
    expect(inspection.platforms.map((image) => image.platform)).toEqual([
      'linux/amd64',
      'linux/arm64',
      'linux/s390x',
    ]);
  });

  it('refuses two images for one platform', async () => {
    const context = await withImages();
    const request = {
      names: ['x'],
      sources: ['ghcr.io/me/both:1', 'me/one:1'],
      annotations: {},
      push: false,
      outputs: [],
    };
    await expect(createIndex(request, context)).rejects.toThrow('two images are for linux/amd64');
  });
});
