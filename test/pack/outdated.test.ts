import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Annotation, MediaType, sha256 } from '#oci-spec-types';
import { type Lock, writeLock } from '../../src/config/lock-file.ts';
import { indexOf } from '../../src/image/index-of.ts';
import type { Artifact, Image } from '../../src/image/model.ts';
import type { Progress } from '../../src/lib/progress.ts';
import { silent } from '../../src/lib/progress.ts';
import { type Freshness, outdated } from '../../src/pack/outdated.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { pushToRegistry } from '../../src/transports/registry.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { type FakeOptions, type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';

/** A registry, and what `ocislim outdated` does in a project that uses it. */
async function withBases(options: FakeOptions = {}) {
  const registry: FakeRegistry = await fakeRegistry(options);
  const client = registryClient();
  const warnings: string[] = [];
  const progress: Progress = { ...silent, warn: (message) => void warnings.push(message) };
  const context = await testContext({ registry: async () => client, progress });
  const lockFile = join(context.cwd, 'ocislim.lock');
  const nameOf = (name: string) => `${registry.host}/${name}`;
  const push = (name: string, artifact: Artifact) =>
    pushToRegistry(artifact, [parseReference(nameOf(name))], context);
  return {
    registry,
    context,
    warnings,
    nameOf,
    push,
    lock: (pins: Lock) => writeLock(lockFile, pins),
    outdated: (more: { readonly used?: readonly string[]; readonly images?: readonly string[] } = {}) =>
      outdated({ lockFile, used: [], images: [], ...more }, context),
  };
}

async function index(text: string): Promise<{ readonly index: Artifact; readonly images: readonly Image[] }> {
  const images: Image[] = [];
  for (const platform of [AMD64, ARM64])
    images.push(await imageOf({ platform, layers: [[file('etc/base', text)]] }));
  return { index: indexOf(images, { annotations: {} }), images };
}

/** An image that says what it was made on. */
function imageOn(name: string, digest?: string): Promise<Image> {
  const recorded = digest === undefined ? {} : { [Annotation.BaseDigest]: digest };
  return imageOf({ annotations: { [Annotation.BaseName]: name, ...recorded } });
}

const statuses = (found: readonly Freshness[]) => found.map(({ name, status }) => `${name} ${status}`);

describe('outdated, of a project', () => {
  it('compares what the lock pins with what its tags mean now, by HEAD alone', async () => {
    const { registry, nameOf, push, lock, outdated } = await withBases();
    const [old, fresh] = [await index('old'), await index('new')];
    await push('moved:1', old.index);
    await push('still:1', old.index);
    const { digest } = old.index.descriptor;
    await lock(new Map(['moved:1', 'still:1'].map((name) => [nameOf(name), digest])));
    expect(statuses(await outdated())).toEqual([
      `${nameOf('moved:1')} up-to-date`,
      `${nameOf('still:1')} up-to-date`,
    ]);
    await push('moved:1', fresh.index);
    const before = registry.seen.length;
    expect(await outdated()).toEqual([
      { name: nameOf('moved:1'), pinned: digest, current: fresh.index.descriptor.digest, status: 'outdated' },
      { name: nameOf('still:1'), pinned: digest, current: digest, status: 'up-to-date' },
    ]);
    expect(
      registry.seen
        .slice(before)
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual(['HEAD /v2/moved/manifests/1', 'HEAD /v2/still/manifests/1']);
  });

  it.each([{ noDigest: true }, { head: 405 }])(
    'asks for the manifest where HEAD does not tell: %j',
    async (quirks) => {
      const { nameOf, push, lock, outdated } = await withBases({ quirks });
      const { images } = await index('base');
      const image = images[0] as Image;
      await push('base:1', image).catch(() => {
        // Where HEAD is refused the push cannot look whether its tag is there; the manifest is.
      });
      await lock(new Map([[nameOf('base:1'), image.descriptor.digest]]));
      expect(statuses(await outdated())).toEqual([`${nameOf('base:1')} up-to-date`]);
    },
  );

  it('looks at what the settings name: by a digest of their own, or as the store saw it last', async () => {
    const { context, nameOf, push, outdated } = await withBases();
    const [old, fresh] = [await index('old'), await index('new')];
    for (const name of ['seen:1', 'own:1', 'never:1']) await push(name, old.index);
    await openSource(parseLocation(nameOf('seen:1')), context);
    const [member] = old.images;
    const used = [
      nameOf('seen:1'),
      nameOf('never:1'),
      `${nameOf('own:1')}@${old.index.descriptor.digest}`,
      `${nameOf('own:1')}@${member?.descriptor.digest}`,
      `${nameOf('own')}@${old.index.descriptor.digest}`,
      'oci:base',
      'store:kept',
    ];
    expect(statuses(await outdated({ used }))).toEqual([
      `${nameOf('never:1')} unknown`,
      `${nameOf('own:1')} up-to-date`,
      `${nameOf('own:1')} up-to-date`,
      `${nameOf('seen:1')} up-to-date`,
    ]);
    for (const name of ['seen:1', 'own:1']) await push(name, fresh.index);
    expect((await outdated({ used })).map(({ status }) => status)).toEqual([
      'unknown',
      'outdated',
      'outdated',
      'outdated',
    ]);
  });

  it('tells of a registry that does not say, beside what others say', async () => {
    const { nameOf, push, lock, outdated } = await withBases();
    const { index: base } = await index('base');
    await push('base:1', base);
    const { digest } = base.descriptor;
    await lock(new Map(['base:1', 'gone:1'].map((name) => [nameOf(name), digest])));
    expect(await outdated()).toEqual([
      { name: nameOf('base:1'), pinned: digest, current: digest, status: 'up-to-date' },
      {
        name: nameOf('gone:1'),
        pinned: digest,
        status: 'unknown',
        error: expect.objectContaining({ code: 'OCISLIM_MANIFEST_UNKNOWN', exitCode: 4 }),
      },
    ]);
  });

  it('needs a network', async () => {
    const { context, nameOf, lock } = await withBases();
    await lock(new Map([[nameOf('base:1'), sha256('base')]]));
    const request = { lockFile: join(context.cwd, 'ocislim.lock'), used: [], images: [] };
    await expect(outdated(request, { ...context, offline: true })).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      message: expect.stringContaining('not with --offline'),
    });
  });
});

describe('outdated, of an image', () => {
  it('compares what it records of its base, in the store, a layout or an archive', async () => {
    const { context, nameOf, push, outdated } = await withBases();
    const [old, fresh] = [await index('old'), await index('new')];
    await push('base:1', old.index);
    const image = await imageOn(nameOf('base:1'), old.images[0]?.descriptor.digest);
    const output = { artifact: image, references: [parseReference('app')], created: 0 };
    for (const place of ['store:app', 'oci:app.oci', 'oci-archive:app.tar'])
      await writeOutput(parseLocation(place), output, context);
    const images = ['app', 'app.oci', 'app.tar', 'oci:app.oci'];
    const found = await outdated({ images });
    expect(found.map((each) => each.image)).toEqual(images);
    expect(new Set(statuses(found))).toEqual(new Set([`${nameOf('base:1')} up-to-date`]));
    await push('base:1', fresh.index);
    expect(await outdated({ images: ['app'] })).toEqual([
      {
        image: 'app',
        name: nameOf('base:1'),
        pinned: old.images[0]?.descriptor.digest,
        current: fresh.index.descriptor.digest,
        status: 'outdated',
      },
    ]);
  });

  it('of a registry reads manifests alone, those of members where an index records nothing', async () => {
    const { registry, nameOf, push, outdated } = await withBases();
    const base = await index('base');
    await push('base:1', base.index);
    const members = await Promise.all(
      base.images.map(async ({ descriptor }, at) =>
        imageOf({
          platform: at === 0 ? AMD64 : ARM64,
          annotations: {
            [Annotation.BaseName]: nameOf('base:1'),
            [Annotation.BaseDigest]: descriptor.digest,
          },
        }),
      ),
    );
    await push('app:plain', indexOf(members, { annotations: {} }));
    const annotations = {
      [Annotation.BaseName]: nameOf('base:1'),
      [Annotation.BaseDigest]: base.index.descriptor.digest,
    };
    await push('app:1', indexOf(members, { annotations }));
    const before = registry.seen.length;
    const plain = await outdated({ images: [nameOf('app:plain')] });
    expect(plain.map(({ status }) => status)).toEqual(['up-to-date', 'up-to-date']);
    const own = await outdated({ images: [`docker://${nameOf('app:1')}`] });
    expect(statuses(own)).toEqual([`${nameOf('base:1')} up-to-date`]);
    expect(registry.seen.slice(before).filter(({ path }) => path.includes('/blobs/'))).toEqual([]);
  });

  it('that records nothing, or nothing that could move, is unknown', async () => {
    const { context, warnings, outdated } = await withBases();
    const digest = sha256('x');
    const images: Record<string, Image> = {
      silent: await imageOf(),
      odd: await imageOn('Not A Name', digest),
      fixed: await imageOn(`example.com/base@${digest}`, digest),
    };
    for (const [name, artifact] of Object.entries(images))
      await writeOutput(
        parseLocation(`store:${name}`),
        { artifact, references: [parseReference(name)], created: 0 },
        context,
      );
    expect(await outdated({ images: Object.keys(images) })).toEqual([
      { image: 'silent', name: '', status: 'unknown' },
      { image: 'odd', name: 'Not A Name', pinned: digest, status: 'unknown' },
      { image: 'fixed', name: `example.com/base@${digest}`, pinned: digest, status: 'unknown' },
    ]);
    expect(warnings).toEqual(['silent does not record its base']);
  });

  it('is unknown where only the name of its base is recorded', async () => {
    const { context, nameOf, push, outdated } = await withBases();
    const base = await index('base');
    await push('base:1', base.index);
    const references = [parseReference('app')];
    const artifact = await imageOn(nameOf('base:1'));
    await writeOutput(parseLocation('store:app'), { artifact, references, created: 0 }, context);
    expect(await outdated({ images: ['app'] })).toMatchObject([
      { current: base.index.descriptor.digest, status: 'unknown' },
    ]);
  });

  it('that is not there is an error with its name', async () => {
    const { nameOf, outdated } = await withBases();
    await expect(outdated({ images: [nameOf('app:1')] })).rejects.toMatchObject({
      code: 'OCISLIM_MANIFEST_UNKNOWN',
      message: expect.stringContaining(nameOf('app')),
    });
  });

  it('passes over what is no image in an index', async () => {
    const { registry, nameOf, outdated } = await withBases();
    const attestation = { mediaType: MediaType.Manifest, digest: sha256('gone'), size: 4 };
    registry.putManifest(
      'app',
      '1',
      {
        schemaVersion: 2,
        mediaType: MediaType.Index,
        manifests: [{ ...attestation, platform: { os: 'unknown', architecture: 'unknown' } }],
      },
      MediaType.Index,
    );
    expect(await outdated({ images: [nameOf('app:1')] })).toMatchObject([{ name: '', status: 'unknown' }]);
  });
});
