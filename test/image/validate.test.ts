import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { encodeConfig, sha256 } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';

const problems = async (image: Parameters<typeof validateArtifact>[0]) =>
  (await validateArtifact(image)).join('\n');

describe('validateArtifact', () => {
  it('finds nothing wrong with right images', async () => {
    const images = [
      await imageOf({ platform: AMD64 }),
      await imageOf({ platform: ARM64, compression: 'zstd' }),
    ];
    expect(await problems(indexOf(images, { annotations: {} }))).toBe('');
  });

  it('finds documents and blobs that are not what their descriptors say', async () => {
    const image = await imageOf();
    expect(await problems({ ...image, raw: Buffer.concat([image.raw, Buffer.from(' ')]) })).toMatch(
      /manifest: has digest/,
    );
    expect(await problems({ ...image, rawConfig: Buffer.from(`${Buffer.from(image.rawConfig)} `) })).toMatch(
      /config: has digest/,
    );
    const [layer] = image.layers;
    const swapped = {
      ...layer,
      open: async () => Readable.from([Buffer.from('junk')]),
    } as (typeof image.layers)[0];
    expect(await problems({ ...image, layers: [swapped] })).toMatch(/4 bytes, descriptor says/);
  });

  it('finds a wrong diffID', async () => {
    const image = await imageOf();
    const rawConfig = encodeConfig({
      ...image.config,
      rootfs: { type: 'layers', diff_ids: [sha256('other')] },
    });
    expect(await problems({ ...image, rawConfig })).toMatch(/config says sha256:/);
  });

  it('finds members of an index that are for another platform', async () => {
    const index = indexOf([await imageOf({ platform: AMD64 })], { annotations: {} });
    const raw = Buffer.from(Buffer.from(index.raw).toString().replace('amd64', 'arm64'));
    expect(await problems({ ...index, raw })).toMatch(/is linux\/amd64, listed as linux\/arm64/);
  });
});
