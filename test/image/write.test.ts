import { describe, expect, it } from 'vitest';
import { indexOf } from '../../src/image/index-of.ts';
import type { Blob, OpenOptions } from '../../src/image/model.ts';
import { writeArtifact } from '../../src/image/write.ts';
import { file } from '../support/entries.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';

describe('writeArtifact', () => {
  it('writes each blob once, then manifests, then the index', async () => {
    const shared = [file('shared', 'same in both')];
    const images = [
      await imageOf({ platform: AMD64, layers: [shared, [file('a', 'a')]] }),
      await imageOf({ platform: ARM64, layers: [shared, [file('b', 'b')]] }),
    ];
    const index = indexOf(images, { annotations: {} });
    const steps: string[] = [];
    await writeArtifact(index, {
      blob: async (blob) => void steps.push(`blob ${blob.descriptor.digest}`),
      manifest: async ({ kind, descriptor }) => void steps.push(`${kind} ${descriptor.digest}`),
    });
    const blobs = steps.filter((step) => step.startsWith('blob'));
    expect(new Set(blobs).size).toBe(blobs.length);
    expect(blobs.length).toBe(5);
    expect(steps.slice(5)).toEqual([
      ...images.map(({ descriptor }) => `image ${descriptor.digest}`),
      `index ${index.descriptor.digest}`,
    ]);
  });

  it('ends what is under way before it tells of a failure', async () => {
    const image = await imageOf({ layers: [[file('a', 'a')], [file('b', 'b')]] });
    const failure = new Error('no space');
    const events: string[] = [];
    let began = 0;
    let bothBegan = () => {};
    const othersBegan = new Promise<void>((resolve) => {
      bothBegan = resolve;
    });
    const blob = async ({ descriptor }: Blob, { signal }: OpenOptions) => {
      if (descriptor.digest === image.layers[0]?.descriptor.digest) {
        await othersBegan;
        throw failure;
      }
      if (++began === 2) bothBegan();
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => setImmediate(resolve)));
      events.push('ended');
    };
    await expect(writeArtifact(image, { blob, manifest: async () => {} })).rejects.toBe(failure);
    // The configuration and the other layer.
    expect(events).toEqual(['ended', 'ended']);
  });

  it('writes no manifest when a blob fails', async () => {
    const manifests: string[] = [];
    const failure = new Error('no space');
    const write = writeArtifact(await imageOf(), {
      blob: () => Promise.reject(failure),
      manifest: async ({ descriptor }) => void manifests.push(descriptor.digest),
    });
    await expect(write).rejects.toBe(failure);
    expect(manifests).toEqual([]);
  });
});
