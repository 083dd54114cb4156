import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Digest, digestHex, sha256 } from '#oci-spec-types';
import { sign } from '../../src/pack/sign.ts';
import { verify } from '../../src/pack/verify.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { BUNDLE } from '../../src/sign/bundle.ts';
import type { NamedKey } from '../../src/sign/key.ts';
import { SIMPLE_SIGNING } from '../../src/sign/simple-signing.ts';
import { writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { pushToRegistry } from '../../src/transports/registry.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from '../support/context.ts';
import { fakeRegistry, type Quirks } from '../support/fake-registry.ts';
import { imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';

function pair(name: string): { readonly signer: NamedKey; readonly key: NamedKey } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { signer: { name: `${name}.key`, key: privateKey }, key: { name: `${name}.pub`, key: publicKey } };
}

const mine = pair('mine');
const other = pair('other');
const BOTH = { formats: ['bundle', 'tag'] } as const;

/** A registry with an image that nobody has signed. */
async function inRegistry(quirks: Quirks = {}) {
  const registry = await fakeRegistry({ quirks });
  const client = registryClient();
  const context = await testContext({ registry: async () => client });
  const image = await imageOf();
  const name = `${registry.host}/me/app:1`;
  await pushToRegistry(image, [parseReference(name)], context);
  const { digest } = image.descriptor;
  return { registry, context, image, name, digest, tag: `me/app:sha256-${digestHex(digest)}.sig` };
}

/** The same in a layout, with a way to change a byte of a blob there. */
async function inLayout() {
  const context = await testContext();
  const image = await imageOf();
  await writeOutput(parseLocation('oci:out'), { artifact: image, references: [], created: 0 }, context);
  const blobs = join(context.cwd, 'out/blobs/sha256');
  return {
    context,
    image,
    blobs,
    flip: (digest: Digest, at: number) => {
      const path = join(blobs, digestHex(digest));
      const bytes = readFileSync(path);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      chmodSync(path, 0o644);
      writeFileSync(path, bytes);
    },
  };
}

describe('signing an image of a registry', () => {
  it.each([
    ['that lists referrers', {}],
    ['that does not', { noReferrers: true }],
  ])('%s: both kinds of signature are found, and right by that key alone', async (_, quirks) => {
    const { context, name, digest, registry } = await inRegistry(quirks);
    const signed = await sign(name, mine.signer, BOTH, context);
    expect(signed).toEqual({ name, digest, formats: ['bundle', 'tag'] });
    const { signatures } = await verify({ image: name, key: mine.key }, context);
    expect(signatures).toEqual([
      { format: 'bundle', key: 'mine.pub' },
      { format: 'tag', key: 'mine.pub', repository: `${registry.host}/me/app` },
    ]);
    await expect(verify({ image: name, key: other.key }, context)).rejects.toMatchObject({
      code: 'OCISLIM_SIGNATURE_INVALID',
      exitCode: 6,
      message: expect.stringContaining(`no signature of ${digest} is right by other.pub`),
    });
  });

  it('keeps the signatures of others, and adds none of a key that has signed already', async () => {
    const { registry, context, name, tag } = await inRegistry();
    for (const { signer } of [mine, other, mine]) await sign(name, signer, BOTH, context);
    const manifest = JSON.parse(registry.manifests.get(tag)?.raw.toString() ?? '');
    expect(manifest.layers.map(({ mediaType }: { mediaType: string }) => mediaType)).toEqual([
      SIMPLE_SIGNING,
      SIMPLE_SIGNING,
    ]);
    const bundles = [...registry.manifests].filter(
      ([key, { raw }]) => key.includes('@') && JSON.parse(raw.toString()).artifactType === BUNDLE,
    );
    expect(bundles).toHaveLength(2);
    for (const { key } of [mine, other])
      expect((await verify({ image: name, key }, context)).signatures).toHaveLength(2);
  });

  it('signs what the store calls so, where it was pushed to, and asks for a push where it was not', async () => {
    const { context, name, digest, registry } = await inRegistry();
    const [pushed, kept] = [parseReference(name), await imageOf({ annotations: { a: 'b' } })];
    await keepInStore(kept, [`${registry.host}/me/app:1`], context);
    await expect(sign(name, mine.signer, BOTH, context)).rejects.toMatchObject({
      code: 'OCISLIM_MANIFEST_UNKNOWN',
      hint: `push it first: ocislim push ${name}`,
    });
    await pushToRegistry(kept, [pushed], context);
    expect((await sign(name, mine.signer, BOTH, context)).digest).toBe(kept.descriptor.digest);
    expect(kept.descriptor.digest).not.toBe(digest);
  });

  it('finds none where there is none', async () => {
    const { context, name, digest } = await inRegistry();
    await expect(verify({ image: name, key: mine.key }, context)).rejects.toMatchObject({
      code: 'OCISLIM_SIGNATURE_INVALID',
      message: `${name}: ${digest} has no signature`,
    });
  });

  it('takes no signature of another image that was put in its place', async () => {
    const { registry, context, name, tag } = await inRegistry();
    const image = await imageOf({ annotations: { another: 'one' } });
    const another = `${registry.host}/me/app:2`;
    await pushToRegistry(image, [parseReference(another)], context);
    await sign(another, mine.signer, { formats: ['tag'] }, context);
    const theirs = registry.manifests.get(`me/app:sha256-${digestHex(image.descriptor.digest)}.sig`);
    if (theirs !== undefined) registry.manifests.set(tag, theirs);
    await expect(verify({ image: name, key: mine.key }, context)).rejects.toMatchObject({
      code: 'OCISLIM_SIGNATURE_INVALID',
      message: expect.stringContaining(`signs ${image.descriptor.digest}`),
    });
  });

  it('passes over what is no signature under the tag, and refuses one of hostile size', async () => {
    const { registry, context, name, tag } = await inRegistry();
    await sign(name, mine.signer, { formats: ['tag'] }, context);
    const [repository = '', signatureTag = ''] = tag.split(':');
    const document = JSON.parse(registry.manifests.get(tag)?.raw.toString() ?? '');
    const [own] = document.layers;
    const layers = [{ ...own, annotations: {} }, { ...own, mediaType: 'text/plain' }, own];
    registry.putManifest(repository, signatureTag, { ...document, layers });
    expect((await verify({ image: name, key: mine.key }, context)).signatures).toHaveLength(1);
    registry.putManifest(repository, signatureTag, { ...document, layers: [{ ...own, size: 1e9 }] });
    await expect(verify({ image: name, key: mine.key }, context)).rejects.toMatchObject({
      code: 'OCISLIM_DOCUMENT_INVALID',
      message: expect.stringContaining('a payload of 1000000000 bytes'),
    });
    registry.putManifest(repository, signatureTag, { ...document, layers: Array(501).fill(own) });
    await expect(verify({ image: name, key: mine.key }, context)).rejects.toMatchObject({
      message: expect.stringContaining('more than 500 signatures'),
    });
  });
});

describe('signing an image of a layout', () => {
  it('puts a bundle beside it, and says so in index.json', async () => {
    const { context, image } = await inLayout();
    const { digest } = image.descriptor;
    expect(await sign('oci:out', mine.signer, BOTH, context)).toEqual({
      name: 'oci:out',
      digest,
      formats: ['bundle'],
    });
    expect(await verify({ image: 'oci:out', key: mine.key }, context)).toMatchObject({
      digest,
      signatures: [{ format: 'bundle', key: 'mine.pub' }],
    });
  });

  it.each([
    ['the manifest', (image: { descriptor: { digest: Digest } }) => image.descriptor.digest, 20],
    ['the config', (image: { manifest: { config: { digest: Digest } } }) => image.manifest.config.digest, 20],
    [
      'a layer',
      (image: { layers: readonly { descriptor: { digest: Digest } }[] }) =>
        image.layers[0]?.descriptor.digest ?? sha256(''),
      30,
    ],
  ])('one byte of %s changed is refused', async (_, of, at) => {
    const { context, image, flip } = await inLayout();
    await sign('oci:out', mine.signer, BOTH, context);
    flip(of(image), at);
    await expect(verify({ image: 'oci:out', key: mine.key }, context)).rejects.toMatchObject({
      code: 'OCISLIM_VERIFY_FAILED',
      exitCode: 6,
      message: expect.stringContaining(digestHex(of(image))),
    });
  });

  it('any byte of the bundle changed is refused', async () => {
    const { context, image, flip, blobs } = await inLayout();
    const before = new Set(readdirSync(blobs));
    await sign('oci:out', mine.signer, BOTH, context);
    const added = readdirSync(blobs).filter((hex) => !before.has(hex));
    const bundle = added.find((hex) => readFileSync(join(blobs, hex), 'utf8').includes('"dsseEnvelope"'));
    expect(bundle).toBeDefined();
    flip(`sha256:${bundle}`, 300);
    await expect(verify({ image: 'oci:out', key: mine.key }, context)).rejects.toMatchObject({
      code: 'OCISLIM_SIGNATURE_INVALID',
      message: expect.stringContaining(image.descriptor.digest),
    });
  });
});

describe('a signature in a file', () => {
  it('is for an archive, too, which has no place for one', async () => {
    const { context, image } = await inLayout();
    const output = { artifact: image, references: [parseReference('app:1')], created: 0 };
    await writeOutput(parseLocation('docker-archive:app.tar'), output, context);
    const archive = 'docker-archive:app.tar';
    await expect(sign(archive, mine.signer, BOTH, context)).rejects.toMatchObject({ code: 'OCISLIM_USAGE' });
    const bundle = join(context.cwd, 'app.json');
    expect(await sign(archive, mine.signer, { ...BOTH, bundle }, context)).toMatchObject({
      formats: ['file'],
    });
    expect(await verify({ image: archive, key: mine.key, bundle }, context)).toMatchObject({
      signatures: [{ format: 'file', key: 'mine.pub' }],
    });
    await expect(verify({ image: archive, key: other.key, bundle }, context)).rejects.toMatchObject({
      code: 'OCISLIM_SIGNATURE_INVALID',
    });
    await expect(verify({ image: archive, key: mine.key }, context)).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      hint: expect.stringContaining('--bundle FILE'),
    });
  });
});
