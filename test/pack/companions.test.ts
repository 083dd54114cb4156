import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Descriptor, type Digest, digestHex, MediaType, sha256 } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import type { Artifact, Index, Opaque } from '../../src/image/model.ts';
import { referrerOf } from '../../src/image/referrer.ts';
import { silent } from '../../src/lib/progress.ts';
import { attachAll } from '../../src/pack/attach.ts';
import { companionsOf } from '../../src/pack/companions.ts';
import { removeNames } from '../../src/pack/local.ts';
import { copy, pull, push } from '../../src/pack/move.ts';
import { addToSignatureTag } from '../../src/pack/signature-tag.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { prune } from '../../src/store/usage.ts';
import type { CompanionSource } from '../../src/transports/companions.ts';
import type { Context } from '../../src/transports/context.ts';
import { writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { testContext } from '../support/context.ts';
import { type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';

const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const about = ({ descriptor }: { readonly descriptor: Descriptor }, artifactType: string, text: string) =>
  referrerOf({ subject: descriptor, artifactType, payload: Buffer.from(text) });

interface Scene {
  readonly source: FakeRegistry;
  readonly destination: FakeRegistry;
  readonly context: Context;
  readonly said: string[];
  readonly index: Index;
  readonly referrers: readonly Opaque[];
  /** Copies it with its referrers. */
  copied(destination?: string, options?: object): Promise<unknown>;
}

/** An index for two platforms: signed, an SBOM of each platform, and a signature on one SBOM; and cosign's tag. */
async function scene({ sourceApi = true, destinationApi = true } = {}): Promise<Scene> {
  const source = await fakeRegistry({ quirks: { noReferrers: !sourceApi } });
  const destination = await fakeRegistry({ quirks: { noReferrers: !destinationApi } });
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const client = registryClient();
  const context = await testContext({
    registry: async () => client,
    progress: { ...silent, note: say, warn: say },
  });
  const images = [await imageOf({ platform: AMD64 }), await imageOf({ platform: ARM64 })];
  const index = indexOf(images, { annotations: {} });
  const sboms = images.map((image, at) => about(image, 'application/spdx+json', `sbom ${at}`));
  const referrers = [
    about(index, BUNDLE, 'signature'),
    ...sboms,
    about(sboms[0] as Opaque, BUNDLE, 'signature of the SBOM'),
  ];
  const place = parseLocation(`docker://${source.host}/me/app:1`);
  const reference = parseReference(`${source.host}/me/app:1`);
  await writeOutput(place, { artifact: index, references: [reference], created: 0 }, context);
  await attachAll(context, place, referrers);
  const signature = { payload: Buffer.from('payload'), signature: Buffer.from('signature') };
  await addToSignatureTag(reference, index.descriptor.digest, signature, context);
  const to = (name = `${destination.host}/me/copy:1`, options: object = {}) =>
    copy(`docker://${source.host}/me/app:1`, name, { referrers: true, ...options }, context);
  return { source, destination, context, said, index, referrers, copied: to };
}

const sigTag = ({ descriptor }: Artifact) => `sha256-${digestHex(descriptor.digest)}.sig`;
const writes = (registry: FakeRegistry, from = 0) =>
  registry
    .lines()
    .slice(from)
    .filter((line) => !/^(GET|HEAD) /.test(line));
const bytesOf = (registry: FakeRegistry, digest: Digest, repository = 'me/copy') =>
  registry.manifests.get(`${repository}@${digest}`)?.raw;

describe('copying an image with what is kept beside it', () => {
  it.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])(
    'to another registry keeps every byte (referrers API: there %s, here %s)',
    async (sourceApi, destinationApi) => {
      const { destination, index, referrers, copied, context } = await scene({ sourceApi, destinationApi });
      expect(await copied()).toMatchObject({
        digest: index.descriptor.digest,
        attached: expect.arrayContaining(
          referrers.map(({ descriptor, manifest }) => ({
            artifactType: manifest.artifactType,
            digest: descriptor.digest,
            subject: manifest.subject?.digest,
          })),
        ),
      });
      const registry = await context.registry();
      const place = parseReference(`${destination.host}/me/copy`);
      for (const { descriptor, raw, manifest, blobs } of referrers) {
        expect(bytesOf(destination, descriptor.digest)).toEqual(Buffer.from(raw));
        for (const blob of blobs)
          expect(destination.blobs.has(`me/copy@${blob.descriptor.digest}`)).toBe(true);
        const listed = await registry.referrers(place, manifest.subject?.digest as Digest);
        expect(listed.map(({ digest }) => digest)).toContain(descriptor.digest);
      }
      expect(destination.manifests.has(`me/copy:${sigTag(index)}`)).toBe(true);
    },
  );

  it('a second time sends nothing', async () => {
    for (const destinationApi of [true, false]) {
      const { destination, copied } = await scene({ destinationApi });
      await copied();
      const before = destination.seen.length;
      await copied();
      expect(writes(destination, before)).toEqual([]);
    }
  });

  it('mounts within one registry, and shows the tag last', async () => {
    const { source, copied, index } = await scene();
    const before = source.seen.length;
    await copied(`${source.host}/me/copy:1`);
    const sent = writes(source, before);
    // Configurations of images are at hand, and sent.
    const posts = sent.filter((line) => line.startsWith('POST'));
    expect(posts.filter((line) => !line.includes('mount='))).toHaveLength(2);
    expect(posts.length).toBeGreaterThan(5);
    expect(sent.filter((line) => line.startsWith('PATCH'))).toEqual([]);
    const puts = sent.filter((line) => line.startsWith('PUT'));
    expect(puts.at(-1)).toBe('PUT /v2/me/copy/manifests/1');
    expect(puts).toContain(`PUT /v2/me/copy/manifests/${sigTag(index)}`);
  });

  it('writes the list of a subject once, with all of its referrers and what it had', async () => {
    const { destination, index, copied, context, source } = await scene({ destinationApi: false });
    await attachAll(context, parseLocation(`${source.host}/me/app:1`), [about(index, 'text/plain', 'more')]);
    const theirs = { mediaType: MediaType.Manifest, digest: sha256('theirs'), size: 1 };
    const tag = index.descriptor.digest.replace(':', '-');
    const list = { schemaVersion: 2, mediaType: MediaType.Index, manifests: [theirs] };
    destination.putManifest('me/copy', tag, list, MediaType.Index);
    await copied();
    expect(writes(destination).filter((line) => line.endsWith(`/manifests/${tag}`))).toHaveLength(1);
    const { manifests } = JSON.parse(destination.manifests.get(`me/copy:${tag}`)?.raw.toString() ?? '');
    expect(manifests).toHaveLength(3);
    expect(manifests[0]).toEqual(theirs);
    expect(manifests.map((each: Descriptor) => each.artifactType).sort()).toEqual([
      BUNDLE,
      'text/plain',
      undefined,
    ]);
  });

  it('takes along what is about one platform where only that is copied', async () => {
    const { copied, referrers } = await scene();
    const { attached } = (await copied(undefined, { platform: 'linux/arm64' })) as { attached: unknown[] };
    expect(attached).toEqual([
      {
        artifactType: 'application/spdx+json',
        digest: referrers[2]?.descriptor.digest,
        subject: expect.any(String),
      },
    ]);
  });

  it('leaves everything behind where it is not asked for, at no further request', async () => {
    const { source, destination, copied, referrers } = await scene();
    const before = source.seen.length;
    await copied(undefined, { referrers: false });
    for (const { descriptor } of referrers) expect(bytesOf(destination, descriptor.digest)).toBeUndefined();
    expect(
      source
        .lines()
        .slice(before)
        .filter((line) => /referrers|sha256-/.test(line)),
    ).toEqual([]);
  });

  it('goes by a layout and by an archive to a registry', async () => {
    const { source, destination, context, copied, referrers, index, said } = await scene({
      destinationApi: false,
    });
    await copied('oci:layout');
    const { manifests } = JSON.parse(readFileSync(join(context.cwd, 'layout/index.json'), 'utf8'));
    expect(manifests).toHaveLength(6);
    expect(manifests[0].digest).toBe(index.descriptor.digest);
    expect(manifests.filter((each: Descriptor) => each.artifactType === undefined)).toHaveLength(2);
    await copy('oci:layout', 'oci-archive:a.tar', { referrers: true }, context);
    await copy('oci-archive:a.tar', 'oci:again', { referrers: true }, context);
    await copy('oci:again', `${destination.host}/me/copy:1`, { referrers: true }, context);
    for (const { descriptor, raw } of referrers)
      expect(bytesOf(destination, descriptor.digest)).toEqual(Buffer.from(raw));
    const [there, here] = [
      source.manifests.get(`me/app:${sigTag(index)}`),
      destination.manifests.get(`me/copy:${sigTag(index)}`),
    ];
    expect(here).toEqual(there);
    expect(said).not.toContain('4 documents beside it stay behind: with --referrers they go along');
    await copy('oci:again', 'oci:bare', {}, context);
    expect(said).toContain('3 documents beside it stay behind: with --referrers they go along');
  });

  it('is refused for a place that keeps none, before anything is read', async () => {
    const { source, copied } = await scene();
    const before = source.seen.length;
    await expect(copied('docker-archive:a.tar')).rejects.toMatchObject({ code: 'OCISLIM_USAGE' });
    expect(source.seen.length).toBe(before);
  });
});

describe('the store', () => {
  it('keeps what is beside an image, and sends it on', async () => {
    const { source, destination, context, referrers, index, said } = await scene({ destinationApi: false });
    const name = `${source.host}/me/app:1`;
    expect(await pull(name, { referrers: true, allPlatforms: true }, context)).toMatchObject({
      attached: [{}, {}, {}, {}],
    });
    const to = `${destination.host}/me/copy:1`;
    expect(await push(name, to, context)).not.toHaveProperty('attached');
    expect(said).toContain('3 documents beside it stay behind: with --referrers they go along');
    expect(bytesOf(destination, (referrers[0] as Opaque).descriptor.digest)).toBeUndefined();
    await push(name, to, context, { referrers: true });
    for (const { descriptor, raw } of referrers)
      expect(bytesOf(destination, descriptor.digest)).toEqual(Buffer.from(raw));
    expect(destination.manifests.get(`me/copy:${sigTag(index)}`)).toEqual(
      source.manifests.get(`me/app:${sigTag(index)}`),
    );
    const before = destination.seen.length;
    await push(name, to, context, { referrers: true });
    expect(writes(destination, before)).toEqual([]);
  });

  it('has them as long as it has the image', async () => {
    const { source, context, referrers, index } = await scene();
    const name = `${source.host}/me/app:1`;
    await pull(name, { referrers: true, allPlatforms: true }, context);
    const there = () => referrers.map(({ descriptor }) => context.store.has(descriptor.digest));
    await context.store.close();
    await prune(context.store, { bases: true });
    expect(there()).toEqual([true, true, true, true]);
    await removeNames([name], context);
    await prune(context.store, { bases: true });
    expect(there()).toEqual([false, false, false, false]);
    expect(context.store.has(index.descriptor.digest)).toBe(false);
    expect(readdirSync(join(context.store.root, 'beside'))).toEqual([]);
  });

  it('loses nothing that is put beside a manifest at the same time', async () => {
    const { store } = await testContext();
    const [subject, ...digests] = ['image', 'a', 'b', 'c', 'd'].map(sha256) as [Digest, ...Digest[]];
    const add = (digest: Digest) =>
      store.beside.add(subject, {
        referrers: [{ mediaType: MediaType.Manifest, digest, size: 1 }],
        tagged: [],
      });
    await Promise.all(digests.map(add));
    const { referrers } = await store.beside.get(subject);
    expect(referrers.map(({ digest }) => digest).sort()).toEqual(digests.sort());
  });
});

describe('a layout of regctl', () => {
  it('lists referrers under the tag that registries without the API have', async () => {
    const { copied, context, index, referrers } = await scene();
    await copied('oci:layout');
    const path = join(context.cwd, 'layout/index.json');
    const { manifests, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
    const [signature] = referrers as readonly [Opaque];
    const list = { schemaVersion: 2, mediaType: MediaType.Index, manifests: [signature.descriptor] };
    const raw = Buffer.from(JSON.stringify(list));
    writeFileSync(join(context.cwd, 'layout/blobs/sha256', digestHex(sha256(raw))), raw);
    const tag = index.descriptor.digest.replace(':', '-');
    const annotations = { 'org.opencontainers.image.ref.name': tag };
    const entry = { mediaType: MediaType.Index, digest: sha256(raw), size: raw.length, annotations };
    writeFileSync(path, JSON.stringify({ ...rest, manifests: [manifests[0], entry] }));
    const { attached } = await copy('oci:layout', 'oci:copy', { referrers: true }, context);
    expect(attached?.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
  });
});

describe("cosign's tags", () => {
  const other = { payload: Buffer.from('payload'), signature: Buffer.from('another signature') };

  it('with signatures of their own at the destination are not overwritten', async () => {
    const { destination, copied, context, index, said } = await scene();
    const place = parseReference(`${destination.host}/me/copy`);
    await addToSignatureTag(place, index.descriptor.digest, other, context);
    const before = destination.manifests.get(`me/copy:${sigTag(index)}`);
    await copied();
    expect(destination.manifests.get(`me/copy:${sigTag(index)}`)).toEqual(before);
    expect(said.join()).toContain('holds other signatures than the source');
  });

  it('move where the source has all that the destination has, and more', async () => {
    const { source, destination, copied, context, index } = await scene();
    await copied();
    const place = parseReference(`${source.host}/me/app`);
    await addToSignatureTag(place, index.descriptor.digest, other, context);
    await copied();
    expect(destination.manifests.get(`me/copy:${sigTag(index)}`)).toEqual(
      source.manifests.get(`me/app:${sigTag(index)}`),
    );
  });
});

describe('what is listed beside an image', () => {
  const tampered = async (change: (made: Scene, sbom: Opaque) => void) => {
    const made = await scene();
    change(made, made.referrers[1] as Opaque);
    return made;
  };

  it('is refused where a manifest has not its digest, and nothing is written', async () => {
    const made = await tampered(({ source }, { descriptor, raw }) =>
      source.manifests.set(`me/app@${descriptor.digest}`, {
        mediaType: MediaType.Manifest,
        raw: Buffer.from(Buffer.from(raw).toString().replace('spdx', 'xpds')),
      }),
    );
    // The list says what the manifest was.
    const { descriptor, manifest } = made.referrers[1] as Opaque;
    const registry = await fakeListing(made.source, manifest.subject?.digest as Digest, [descriptor]);
    await expect(
      copy(
        `docker://${registry.host}/me/app:1`,
        `${made.destination.host}/me/copy:1`,
        { referrers: true },
        made.context,
      ),
    ).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_MISMATCH',
      message: expect.stringContaining(descriptor.digest),
    });
    expect(writes(made.destination)).toEqual([]);
  });

  it('is refused where a blob has not its digest: no manifest, no tag, no layout', async () => {
    const made = await tampered(({ source }, { blobs }) =>
      source.blobs.set(`me/app@${blobs[1]?.descriptor.digest}`, Buffer.from('sbom X')),
    );
    await expect(made.copied()).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_MISMATCH' });
    expect([...made.destination.manifests.keys()]).toEqual([]);
    await expect(made.copied('oci:layout')).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_MISMATCH' });
    expect(readdirSync(made.context.cwd)).toEqual([]);
  });

  it('is refused in a layout where a manifest has not its digest', async () => {
    const { copied, context, referrers } = await scene();
    await copied('oci:layout');
    const hex = digestHex((referrers[1] as Opaque).descriptor.digest);
    const path = join(context.cwd, 'layout/blobs/sha256', hex);
    const bytes = readFileSync(path);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    rmSync(path);
    writeFileSync(path, bytes);
    await expect(copy('oci:layout', 'oci:copy', { referrers: true }, context)).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
    expect(existsSync(join(context.cwd, 'copy'))).toBe(false);
  });

  it('and is not there, not about it or no manifest is left out with a warning', async () => {
    const { source, destination, context, said, index, referrers } = await scene();
    const [real] = referrers as readonly [Opaque];
    const gone = { mediaType: MediaType.Manifest, digest: sha256('gone'), size: 4 };
    const text = { mediaType: 'text/plain', digest: sha256('text'), size: 4 };
    const [, foreign] = referrers as readonly [Opaque, Opaque];
    const listed = [gone, text, foreign.descriptor, real.descriptor, real.descriptor];
    const registry = await fakeListing(source, index.descriptor.digest, listed);
    const { attached } = await copy(
      `docker://${registry.host}/me/app:1`,
      `${destination.host}/me/copy:1`,
      { referrers: true },
      context,
    );
    expect(attached?.map(({ digest }) => digest)).toEqual([real.descriptor.digest]);
    const order = (line: string) =>
      ['text/plain', 'not about', 'not there'].findIndex((each) => line.includes(each));
    const warnings = said.filter((line) => line.endsWith('left out')).sort((a, b) => order(a) - order(b));
    expect(warnings).toEqual([
      expect.stringContaining('is text/plain, no manifest'),
      expect.stringContaining('but is not about it'),
      expect.stringContaining('but is not there'),
    ]);
  });
});

it('a wrong list does not hide what another lists rightly', async () => {
  const image = await imageOf();
  const sbom = about(image, 'application/spdx+json', 'sbom');
  const index = indexOf([image], { annotations: {} });
  const source: CompanionSource = {
    name: 'here',
    list: async (digest) => (digest === sbom.descriptor.digest ? [] : [sbom.descriptor]),
    load: async () => sbom,
    tagged: async () => undefined,
  };
  const { referrers } = await companionsOf(index, source, await testContext());
  expect(referrers.map(({ descriptor }) => descriptor.digest)).toEqual([sbom.descriptor.digest]);
});

/** The same registry, but for the list of one subject; all others are empty. */
async function fakeListing(
  real: FakeRegistry,
  subject: Digest,
  manifests: readonly object[],
): Promise<FakeRegistry> {
  const fake = await fakeRegistry(({ path }) => {
    if (!path.includes('/referrers/')) return undefined;
    const own = path.endsWith(subject) ? manifests : [];
    return { body: JSON.stringify({ schemaVersion: 2, mediaType: MediaType.Index, manifests: own }) };
  });
  for (const [key, value] of real.manifests) fake.manifests.set(key, value);
  for (const [key, value] of real.blobs) fake.blobs.set(key, value);
  return fake;
}

describe('more than anybody attaches', () => {
  /** Each document has `width` others about it, down to `depth`. */
  function endless(width: number, depth: number): CompanionSource {
    const made = new Map<string, { readonly depth: number; readonly artifact: Opaque }>();
    return {
      name: 'hostile',
      list: async (digest) => {
        const own = (made.get(digest)?.depth ?? 0) + 1;
        if (own > depth) return [];
        return Array.from({ length: width }, (_, at) => {
          const descriptor = { mediaType: MediaType.Manifest, digest, size: 1 };
          const artifact = about({ descriptor }, 'text/plain', `${own} ${at}`);
          made.set(artifact.descriptor.digest, { depth: own, artifact });
          return artifact.descriptor;
        });
      },
      load: async ({ digest }) => made.get(digest)?.artifact,
      tagged: async () => undefined,
    };
  }
  const limits = { depth: 3, manifests: 20, bytes: 100_000 };

  it.each([
    ['too deep', endless(1, 4), limits, 'go deeper than 3 levels'],
    ['too many', endless(21, 1), limits, 'are more than 20'],
    ['too many in all', endless(4, 3), limits, 'are more than 20'],
    ['too large', endless(10, 1), { ...limits, bytes: 1000 }, 'more than 1000 bytes'],
  ])('is refused: %s', async (_, source, bounds, why) => {
    const context = await testContext();
    await expect(companionsOf(await imageOf(), source, context, bounds)).rejects.toMatchObject({
      code: 'OCISLIM_DOCUMENT_INVALID',
      message: expect.stringContaining(why),
      hint: expect.stringContaining('without --referrers'),
    });
  });

  it("is refused for cosign's tags, too", async () => {
    const context = await testContext();
    const tagged = about(await imageOf(), 'text/plain', 'x'.repeat(100));
    const source: CompanionSource = { ...endless(0, 0), tagged: async () => tagged };
    const bounds = { ...limits, manifests: 2 };
    await expect(companionsOf(await imageOf(), source, context, bounds)).rejects.toMatchObject({
      message: expect.stringContaining('are more than 2'),
    });
    const many = { ...tagged.manifest, layers: Array(501).fill(tagged.manifest.config) };
    const wide: CompanionSource = { ...source, tagged: async () => ({ ...tagged, manifest: many }) };
    await expect(companionsOf(await imageOf(), wide, context)).rejects.toMatchObject({
      message: expect.stringContaining('more than 500 layers'),
    });
  });

  it('is not what is at the limits', async () => {
    const context = await testContext();
    const { referrers } = await companionsOf(await imageOf(), endless(2, 3), context, limits);
    expect(referrers).toHaveLength(2 + 4 + 8);
    expect(new Set(referrers.map(({ descriptor }) => descriptor.digest)).size).toBe(14);
  });

  it('ends where a list names the image itself', async () => {
    const context = await testContext();
    const image = await imageOf();
    const source: CompanionSource = {
      name: 'circle',
      list: async () => [image.descriptor],
      load: async () => image,
      tagged: async () => undefined,
    };
    expect(await companionsOf(image, source, context)).toEqual({ referrers: [], tagged: [] });
  });
});
