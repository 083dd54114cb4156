import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Digest, digestHex } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import type { Image } from '../../src/image/model.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import type { Entry } from '../../src/layer/entry.ts';
import { readTar } from '../../src/layer/tar-reader.ts';
import { tarStream } from '../../src/layer/tar-writer.ts';
import { silent } from '../../src/lib/progress.ts';
import { parseReference } from '../../src/registry/reference.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { testContext } from '../support/context.ts';
import { file, symlink } from '../support/entries.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';
import { bytesOf, streamOf } from '../support/streams.ts';

const open = (place: string, context: Context) => openSource(parseLocation(place), context);

async function tarIn(
  context: Context,
  entries: readonly Entry[],
  pack = (tar: Buffer) => tar,
): Promise<void> {
  writeFileSync(join(context.cwd, 'a.tar'), pack(await bytesOf(tarStream(entries))));
}

/** What `docker save` of Docker 20 writes: uncompressed layers in folders, a repeated one as a link. */
async function savedByDocker(image: Image): Promise<Entry[]> {
  const config = `${digestHex(image.manifest.config.digest)}.json`;
  const layers: Entry[] = [];
  const paths: string[] = [];
  for (const [at, layer] of image.layers.entries()) {
    const path = `layer${at}/layer.tar`;
    const same = image.layers.findIndex((other) => other.diffId === layer.diffId);
    paths.push(path);
    layers.push(
      same < at ? symlink(path, `../layer${same}/layer.tar`) : file(path, await bytesOf(await layer.open())),
    );
  }
  const manifest = [{ Config: config, RepoTags: ['me/app:1'], Layers: paths }];
  return [
    file(config, Buffer.from(image.rawConfig)),
    ...layers,
    file('manifest.json', JSON.stringify(manifest)),
  ];
}

describe('docker-archive:', () => {
  it('writes what docker load of any age takes, and gives back the same image', async () => {
    const context = await testContext();
    const image = await imageOf();
    const references = [parseReference('app:1'), parseReference('ghcr.io/me/app:2')];
    await writeOutput(
      parseLocation('docker-archive:a.tar'),
      { artifact: image, references, created: 5 },
      context,
    );
    const members: string[] = [];
    const contents = new Map<string, string>();
    await readTar(
      streamOf(await bytesOf((await import('node:fs')).createReadStream(join(context.cwd, 'a.tar')))),
      async (member, content) => {
        members.push(`${member.path} ${member.mode.toString(8)} ${member.mtime}`);
        contents.set(member.path, (await bytesOf(content)).toString());
      },
    );
    const blob = (digest: Digest) => `blobs/sha256/${digestHex(digest)}`;
    const { config, layers } = image.manifest;
    const blobs = [image.descriptor.digest, config.digest, ...layers.map((layer) => layer.digest)]
      .map(blob)
      .sort();
    expect(members).toEqual([
      'blobs 755 5',
      'blobs/sha256 755 5',
      ...blobs.map((path) => `${path} 444 5`),
      'index.json 644 5',
      'manifest.json 644 5',
      'oci-layout 644 5',
    ]);
    expect(JSON.parse(contents.get('manifest.json') ?? '')).toEqual([
      {
        Config: blob(config.digest),
        RepoTags: ['app:1', 'ghcr.io/me/app:2'],
        Layers: layers.map((layer) => blob(layer.digest)),
      },
    ]);
    expect(
      JSON.parse(contents.get('index.json') ?? '').manifests.map(
        (each: { annotations: object }) => each.annotations,
      ),
    ).toEqual([
      { 'io.containerd.image.name': 'docker.io/library/app:1', 'org.opencontainers.image.ref.name': '1' },
      { 'io.containerd.image.name': 'ghcr.io/me/app:2', 'org.opencontainers.image.ref.name': '2' },
    ]);
    const { artifact } = await open('docker-archive:a.tar:app:1', context);
    expect(artifact.descriptor.digest).toBe(image.descriptor.digest);
    expect(await validateArtifact(artifact)).toEqual([]);
  });

  it.each([
    ['plain', (tar: Buffer) => tar],
    ['compressed', (tar: Buffer) => gzipSync(tar)],
  ])('reads what Docker 20 saves, %s', async (_, pack) => {
    const context = await testContext();
    const layers = [[file('a', 'a')], [file('b', 'b')], [file('a', 'a')]];
    const image = await imageOf({ layers, compression: 'none' });
    await tarIn(context, await savedByDocker(image), pack);
    const { artifact, reference } = await open('docker-archive:a.tar', context);
    expect(reference).toBe('docker.io/me/app:1');
    expect(artifact.kind === 'image' && Buffer.from(artifact.rawConfig).equals(image.rawConfig)).toBe(true);
    expect(await validateArtifact(artifact)).toEqual([]);
  });

  it('reads layers that are compressed as they are', async () => {
    const context = await testContext();
    const image = await imageOf({ compression: 'gzip' });
    await tarIn(context, await savedByDocker(image));
    const { artifact } = await open('docker-archive:a.tar', context);
    expect(artifact.kind === 'image' && artifact.layers.map((layer) => layer.descriptor)).toEqual(
      image.manifest.layers,
    );
  });

  it('refuses an index, and warns of zstd', async () => {
    const context = await testContext();
    const images = [await imageOf({ platform: AMD64 }), await imageOf({ platform: ARM64 })];
    const output = { references: [], created: 0 };
    const place = parseLocation('docker-archive:a.tar');
    await expect(
      writeOutput(place, { artifact: indexOf(images, { annotations: {} }), ...output }, context),
    ).rejects.toMatchObject({ code: 'OCISLIM_USAGE' });
    const warnings: string[] = [];
    const progress = { ...silent, warn: (message: string) => void warnings.push(message) };
    await writeOutput(
      place,
      { artifact: await imageOf({ compression: 'zstd' }), ...output },
      { ...context, progress },
    );
    expect(warnings.join()).toContain('zstd');
  });

  it.each([
    ['a config outside (CVE-2014-9358)', [{ Config: '../../etc/passwd', Layers: [] }], 'is not in it'],
    ['a config that is not there', [{ Config: 'missing.json', Layers: [] }], 'missing.json is not in it'],
    ['no image', [], 'holds no image'],
    ['a manifest of another shape', { Config: 1 }, 'manifest.json'],
  ])('refuses %s', async (_, manifest, message) => {
    const context = await testContext();
    await tarIn(context, [file('manifest.json', JSON.stringify(manifest))]);
    await expect(open('docker-archive:a.tar', context)).rejects.toThrow(message);
  });

  it('refuses a config whose name is not its digest', async () => {
    const context = await testContext();
    const entries = await savedByDocker(await imageOf({ compression: 'none' }));
    const forged = entries.map((entry) =>
      /^[0-9a-f]{64}\.json$/.test(entry.path)
        ? file(entry.path, '{"os":"linux","architecture":"x","rootfs":{"type":"layers","diff_ids":[]}}')
        : entry,
    );
    await tarIn(context, forged);
    await expect(open('docker-archive:a.tar', context)).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
  });

  it('finds a layer that is not what the config says when it is read', async () => {
    const context = await testContext();
    const image = await imageOf({ compression: 'none' });
    const entries = (await savedByDocker(image)).map((entry) =>
      entry.path === 'layer0/layer.tar' ? file(entry.path, Buffer.alloc(entry.size ?? 0)) : entry,
    );
    await tarIn(context, entries);
    const { artifact } = await open('docker-archive:a.tar', context);
    expect((await validateArtifact(artifact)).join()).toMatch(/digest/);
  });

  it('does not follow links out of the archive, or in a circle', async () => {
    const context = await testContext();
    await tarIn(context, [symlink('manifest.json', '../../../../etc/passwd')]);
    await expect(open('docker-archive:a.tar', context)).rejects.toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
    });
    await tarIn(context, [symlink('manifest.json', 'b'), symlink('b', 'manifest.json')]);
    await expect(open('docker-archive:a.tar', context)).rejects.toMatchObject({
      code: 'OCISLIM_ARCHIVE_INVALID',
    });
  });

  it('refuses two members of one name, and an archive that is cut', async () => {
    const context = await testContext();
    const tar = await bytesOf(tarStream([file('manifest.json', '[]')]));
    writeFileSync(join(context.cwd, 'a.tar'), Buffer.concat([tar.subarray(0, 1024), tar]));
    await expect(open('docker-archive:a.tar', context)).rejects.toThrow('is in it twice');
    writeFileSync(join(context.cwd, 'a.tar'), tar.subarray(0, 1024));
    await expect(open('docker-archive:a.tar', context)).rejects.toThrow('cut short');
  });

  it.each([
    ['missing.tar', 'no such file'],
    ['.', 'a folder, not a file'],
  ])('says what is wrong with %s', async (path, message) => {
    await expect(open(`docker-archive:${path}`, await testContext())).rejects.toThrow(message);
  });
});
