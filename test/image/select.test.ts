import { describe, expect, it } from 'vitest';
import { MediaType, type Platform, parsePlatform, sha256 } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import { imageFor, selectPlatform } from '../../src/image/select.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';

const member = (platform: Platform | undefined, id: string) => ({ platform, id });
const at = (text: string) => parsePlatform(text);

describe('selectPlatform', () => {
  const members = [
    member(at('linux/amd64'), 'amd64'),
    member(at('linux/arm/v6'), 'v6'),
    member(at('linux/arm/v7'), 'v7'),
    member({ os: 'linux', architecture: 'arm64', variant: 'v8' }, 'arm64'),
    member({ os: 'unknown', architecture: 'unknown' }, 'attestation'),
    member(at('linux/amd64'), 'second amd64'),
    member(undefined, 'none'),
  ];

  it.each([
    ['linux/amd64', 'amd64'],
    ['linux/arm64', 'arm64'],
    ['linux/arm/v7', 'v7'],
    ['linux/arm/v6', 'v6'],
    ['linux/arm/v8', 'v7'],
    ['linux/amd64/v3', 'amd64'],
    ['linux/arm/v5', undefined],
    ['linux/s390x', undefined],
    ['windows/amd64', undefined],
  ])('chooses for %s', (wanted, id) => {
    expect(selectPlatform(members, at(wanted))?.id).toBe(id);
  });
});

describe('imageFor', () => {
  it('takes the member for the platform', async () => {
    const [amd64, arm64] = [await imageOf({ platform: AMD64 }), await imageOf({ platform: ARM64 })];
    const index = indexOf([amd64, arm64], { annotations: {} });
    expect(await imageFor(index, ARM64)).toBe(arm64);
  });

  it('looks into members that do not say their platform', async () => {
    const arm64 = await imageOf({ platform: ARM64 });
    const index = indexOf([arm64], { annotations: {} });
    const silent = index.index.manifests.map((member) => ({ ...member, platform: undefined }));
    const bare = { ...index, index: { ...index.index, manifests: silent } };
    expect(await imageFor(bare, ARM64)).toBe(arm64);
  });

  it('lists what there is when the platform is missing', async () => {
    const index = indexOf([await imageOf({ platform: AMD64 }), await imageOf({ platform: ARM64 })], {
      annotations: {},
    });
    await expect(imageFor(index, at('linux/s390x'))).rejects.toMatchObject({
      code: 'OCISLIM_PLATFORM_UNAVAILABLE',
      message: 'no image for linux/s390x; it has linux/amd64, linux/arm64',
    });
    await expect(imageFor(await imageOf({ platform: AMD64 }), ARM64)).rejects.toMatchObject({
      message: 'no image for linux/arm64; it has linux/amd64',
    });
  });

  it('refuses what is no image', async () => {
    const { manifest } = await imageOf();
    const opaque = {
      kind: 'opaque',
      manifest: { ...manifest, artifactType: 'application/vnd.example' },
      blobs: [],
      raw: Buffer.from('{}'),
      descriptor: { mediaType: MediaType.Manifest, digest: sha256('{}'), size: 2 },
    } as const;
    await expect(imageFor(opaque, AMD64)).rejects.toThrow('application/vnd.example');
  });
});

describe('indexOf', () => {
  it('refuses two images for one platform', async () => {
    const images = [await imageOf(), await imageOf({ config: { user: 'x' } })];
    expect(() => indexOf(images, { annotations: {} })).toThrow('two images are for linux/amd64');
  });
});
