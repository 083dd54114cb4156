import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestHex, MediaType, sha256 } from '#oci-spec-types';
import { referrerOf } from '../../src/image/referrer.ts';
import { attachReferrer, findReferrers } from '../../src/pack/attach.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { testContext } from '../support/context.ts';
import { type FakeOptions, fakeRegistry, putImage } from '../support/fake-registry.ts';
import { imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';

const TYPE = 'application/spdx+json';
const payload = Buffer.from('{"spdxVersion":"SPDX-2.3"}');

async function inRegistry(options: FakeOptions = {}) {
  const registry = await fakeRegistry(options);
  const { digest } = putImage(registry, 'me/app', '1');
  const subject = { mediaType: MediaType.Manifest, digest, size: 1 };
  const client = registryClient();
  const context = await testContext({ registry: async () => client });
  return { registry, context, subject, target: parseLocation(`${registry.host}/me/app:1`) };
}

async function inLayout() {
  const context = await testContext();
  const image = await imageOf();
  const target = parseLocation('oci:out');
  await writeOutput(target, { artifact: image, references: [], created: 0 }, context);
  return { context, image, subject: image.descriptor, target };
}

describe('a manifest about an image', () => {
  it('is what the specification shows', () => {
    const subject = {
      mediaType: MediaType.Manifest,
      digest: sha256('image'),
      size: 5,
      platform: { os: 'linux', architecture: 'amd64' },
    };
    const { raw } = referrerOf({ subject, artifactType: TYPE, payload, annotations: { a: 'b' } });
    expect(JSON.parse(Buffer.from(raw).toString())).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: TYPE,
      config: {
        mediaType: 'application/vnd.oci.empty.v1+json',
        // image-spec manifest.md § Guidance for an Empty Descriptor
        digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
        size: 2,
      },
      layers: [{ mediaType: TYPE, digest: sha256(payload), size: payload.length }],
      subject: { mediaType: MediaType.Manifest, digest: sha256('image'), size: 5 },
      annotations: { a: 'b' },
    });
  });
});

describe('attaching a document', () => {
  it.each([
    ['the API', {}],
    ['the fallback tag', { quirks: { noReferrers: true } }],
  ])('to an image of a registry, it is found by %s', async (_, options) => {
    const { registry, context, subject, target } = await inRegistry(options);
    const made = await attachReferrer(context, target, { subject, artifactType: TYPE, payload });
    await attachReferrer(context, target, { subject, artifactType: 'text/plain', payload });
    const [found, ...others] = await findReferrers(context, target, subject.digest, TYPE);
    expect(others).toEqual([]);
    expect(found?.descriptor.digest).toBe(made.digest);
    expect(found?.manifest.layers[0]?.digest).toBe(sha256(payload));
    expect(await findReferrers(context, target, subject.digest)).toHaveLength(2);
    // No tag of the image moves, and none is made but the fallback's.
    const tags = [...registry.manifests.keys()].filter(
      (key) => !key.includes('@') && !key.includes('sha256'),
    );
    expect(tags).toEqual(['me/app:1']);
  });

  it('lists a manifest that an earlier run had pushed and not listed', async () => {
    const { registry, context, subject, target } = await inRegistry({ quirks: { noReferrers: true } });
    await attachReferrer(context, target, { subject, artifactType: TYPE, payload });
    registry.manifests.delete(`me/app:${subject.digest.replace(':', '-')}`);
    expect(await findReferrers(context, target, subject.digest)).toEqual([]);
    await attachReferrer(context, target, { subject, artifactType: TYPE, payload });
    expect(await findReferrers(context, target, subject.digest, TYPE)).toHaveLength(1);
  });

  it('to an image of a layout, it is in index.json once, and the image is still found without a name', async () => {
    const { context, image, subject, target } = await inLayout();
    const parts = { subject, artifactType: TYPE, payload };
    const made = await attachReferrer(context, target, parts);
    await attachReferrer(context, target, parts);
    const index = JSON.parse(readFileSync(join(context.cwd, 'out/index.json'), 'utf8'));
    expect(index.manifests).toMatchObject([
      { digest: image.descriptor.digest },
      { mediaType: MediaType.Manifest, digest: made.digest, size: made.size, artifactType: TYPE },
    ]);
    expect(index.manifests).toHaveLength(2);
    expect(readFileSync(join(context.cwd, 'out/blobs/sha256', digestHex(sha256(payload))))).toEqual(payload);
    const { artifact } = await openSource(target, context);
    expect(artifact.descriptor.digest).toBe(image.descriptor.digest);
    expect(await findReferrers(context, target, subject.digest, TYPE)).toHaveLength(1);
    expect(await findReferrers(context, target, subject.digest, 'text/plain')).toEqual([]);
    expect(await findReferrers(context, target, sha256('another'))).toEqual([]);
  });

  it('says where it cannot', async () => {
    const { context, subject } = await inLayout();
    const parts = { subject, artifactType: TYPE, payload };
    await expect(attachReferrer(context, parseLocation('oci-archive:a.tar'), parts)).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      message: 'oci-archive: has no place for documents about its images',
    });
  });
});
