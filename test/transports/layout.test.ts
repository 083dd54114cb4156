import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestHex } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import type { Artifact } from '../../src/image/model.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import { parseReference } from '../../src/registry/reference.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';

function write(place: string, artifact: Artifact, names: readonly string[], context: Context) {
  const references = names.map((name) => parseReference(name));
  return writeOutput(parseLocation(place, { as: 'output' }), { artifact, references, created: 0 }, context);
}
const open = (place: string, context: Context) => openSource(parseLocation(place), context);

describe.each(['oci:out', 'oci-archive:out.tar'])('%s', (place) => {
  it('gives back what was written', async () => {
    const context = await testContext();
    const index = indexOf(
      [await imageOf({ platform: AMD64 }), await imageOf({ platform: ARM64, compression: 'zstd' })],
      {
        annotations: {},
      },
    );
    for (const artifact of [await imageOf(), index]) {
      await write(place, artifact, ['me/app:1'], context);
      const { artifact: back, reference } = await open(`${place}:1`, context);
      expect(reference).toBe('docker.io/me/app:1');
      expect(back.descriptor.digest).toBe(artifact.descriptor.digest);
      expect(await validateArtifact(back)).toEqual([]);
    }
  });

  it('finds an image by tag, name and digest, and lists names for any other', async () => {
    const context = await testContext();
    const image = await imageOf();
    await write(place, image, ['me/app:1', 'ghcr.io/me/app:two'], context);
    for (const name of [
      '1',
      'two',
      'me/app:1',
      'docker.io/me/app:1',
      'ghcr.io/me/app:two',
      image.descriptor.digest,
    ])
      expect((await open(`${place}:${name}`, context)).artifact.descriptor.digest).toBe(
        image.descriptor.digest,
      );
    await expect(open(`${place}:3`, context)).rejects.toMatchObject({
      code: 'OCISLIM_NOT_FOUND',
      hint: 'it has me/app:1, ghcr.io/me/app:two',
    });
  });
});

describe('oci:', () => {
  it('keeps the other images of a layout, and moves a name that is used again', async () => {
    const context = await testContext();
    const [one, two, three] = await Promise.all(
      ['1', '2', '3'].map((content) => imageOf({ layers: [[file('f', content)]] })),
    );
    if (!one || !two || !three) throw new Error('no images');
    await write('oci:out', one, ['app:1'], context);
    await write('oci:out', two, ['app:2'], context);
    await write('oci:out', three, ['app:1'], context);
    const digestOf = async (name: string) =>
      (await open(`oci:out:${name}`, context)).artifact.descriptor.digest;
    expect(await digestOf('app:1')).toBe(three.descriptor.digest);
    expect(await digestOf('app:2')).toBe(two.descriptor.digest);
    await expect(open('oci:out', context)).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      hint: 'it has app:2, app:1',
    });
  });

  it('keeps what others wrote into index.json', async () => {
    const context = await testContext();
    await write('oci:out', await imageOf(), ['app:1'], context);
    const path = join(context.cwd, 'out/index.json');
    const index = JSON.parse(readFileSync(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...index, annotations: { mine: 'yes' } }));
    await write('oci:out', await imageOf({ config: { user: 'x' } }), ['app:2'], context);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ annotations: { mine: 'yes' } });
  });

  it('calls an image what the place says', async () => {
    const context = await testContext();
    await write('oci:out:v1', await imageOf(), ['me/app:latest'], context);
    const [manifest] = JSON.parse(readFileSync(join(context.cwd, 'out/index.json'), 'utf8')).manifests;
    expect(manifest.annotations).toEqual({
      'io.containerd.image.name': 'docker.io/me/app:v1',
      'org.opencontainers.image.ref.name': 'v1',
    });
  });

  it('links blobs of the store instead of copying them', async () => {
    const context = await testContext();
    const image = await imageOf();
    await keepInStore(image, ['docker.io/library/app:1'], context);
    const { artifact } = await openSource(parseLocation('store:app:1'), context);
    await write('oci:out', artifact, ['app:1'], context);
    const path = join('blobs/sha256', digestHex(image.manifest.layers[0]?.digest ?? image.descriptor.digest));
    const [kept, linked] = [join(context.store.root, path), join(context.cwd, 'out', path)].map((at) =>
      statSync(at),
    );
    // A reflink has an inode of its own, but then both have one link.
    expect(linked?.ino === kept?.ino || linked?.nlink === 1).toBe(true);
    expect(linked?.mode).toBe(kept?.mode);
  });

  it.each([
    [
      'a folder with other things in it',
      (path: string) => {
        mkdirSync(path);
        writeFileSync(join(path, 'notes.txt'), 'mine');
      },
    ],
    ['a file', (path: string) => writeFileSync(path, 'mine')],
  ])('leaves %s alone', async (_, make) => {
    const context = await testContext();
    const path = join(context.cwd, 'out');
    make(path);
    await expect(write('oci:out', await imageOf(), [], context)).rejects.toMatchObject({
      code: 'OCISLIM_OUTPUT_INVALID',
    });
    expect(readdirSync(context.cwd)).toEqual(['out']);
    expect(existsSync(join(path, 'blobs'))).toBe(false);
  });

  it('takes an empty folder', async () => {
    const context = await testContext();
    mkdirSync(join(context.cwd, 'out'));
    await write('oci:out', await imageOf(), [], context);
    expect((await open('oci:out', context)).artifact.kind).toBe('image');
  });

  it('leaves nothing behind when writing fails half-way', async () => {
    const context = await testContext();
    const image = await imageOf();
    const [layer] = image.layers;
    const broken = {
      ...image,
      layers: layer ? [{ ...layer, open: () => Promise.reject(new Error('gone')) }] : [],
    };
    await expect(write('oci:out', broken, [], context)).rejects.toThrow('gone');
    expect(readdirSync(context.cwd)).toEqual([]);
  });

  it('finds a flipped bit when it reads', async () => {
    const context = await testContext();
    const image = await imageOf();
    await write('oci:out', image, [], context);
    const digest = image.manifest.layers[0]?.digest ?? image.descriptor.digest;
    const path = join(context.cwd, 'out/blobs/sha256', digestHex(digest));
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    await chmod(path, 0o644);
    await writeFile(path, bytes);
    const { artifact } = await open('oci:out', context);
    expect((await validateArtifact(artifact)).join()).toMatch(/digest/);
  });

  it.each([
    ['no such folder', () => {}],
    ['no OCI layout', (path: string) => mkdirSync(path)],
    [
      'a layout of version "2.0.0"',
      (path: string) => {
        mkdirSync(path);
        writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
      },
    ],
  ])('says %s', async (message, make) => {
    const context = await testContext();
    make(join(context.cwd, 'out'));
    await expect(open('oci:out', context)).rejects.toThrow(message);
  });
});
