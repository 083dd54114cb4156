import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Image } from '../../src/image/model.ts';
import type { Entry } from '../../src/layer/entry.ts';
import { inventoryOfImage, sbomOf } from '../../src/pack/sbom.ts';
import type { Context } from '../../src/transports/context.ts';
import { testContext } from '../support/context.ts';
import { cyclonedxErrors } from '../support/cyclonedx.ts';
import { elfProgram } from '../support/elf.ts';
import { goBuildInfo, withSections } from '../support/elf-sections.ts';
import { file, folder, symlink } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';
import { zipOf } from '../support/zip.ts';

const apk = (...names: readonly string[]) =>
  names.map((name) => `P:${name}\nV:1-r0\nA:x86_64\nL:MIT\n`).join('\n');
const osRelease = (id: string, version: string) =>
  file('etc/os-release', `ID=${id}\nVERSION_ID=${version}\n`);
const goProgram = withSections(elfProgram(), [
  {
    name: '.go.buildinfo',
    content: goBuildInfo('go1.22.3', 'mod\texample.com/me\tv1.0.0\ndep\tgolang.org/x/net\tv0.20.0\n'),
  },
]);
const program = (path: string) => file(path, goProgram, { mode: 0o755 });
const whiteout = (path: string) => file(path, '');

async function inventory(layers: readonly (readonly Entry[])[], context?: Context) {
  return inventoryOfImage(await imageOf({ layers }), context ?? (await testContext()));
}
const purls = ({ components }: Awaited<ReturnType<typeof inventory>>) => components.map(({ purl }) => purl);

/** One layer of everything that is known. */
const everything = [
  osRelease('debian', '12'),
  file(
    'var/lib/dpkg/status',
    'Package: libc6\nStatus: install ok installed\nVersion: 2.36\nArchitecture: amd64\n',
  ),
  file(
    'usr/share/doc/libc6/copyright',
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: LGPL-2.1+\n',
  ),
  program('usr/bin/app'),
  file(
    'app/lib.jar',
    zipOf([{ name: 'META-INF/maven/g/a/pom.properties', content: 'groupId=g\nartifactId=a\nversion=1\n' }]),
  ),
  file('srv/package.json', '{"name":"srv","version":"1.0.0","license":"UNLICENSED"}'),
  file('srv/node_modules/@me/lib/package.json', '{"name":"@me/lib","version":"2.0.0","license":"MIT"}'),
  file('srv/node_modules/@me/lib/dist/package.json', '{"name":"inner","version":"9.9.9"}'),
];

describe('what is in an image', () => {
  it('is what its files tell of, with the files and their layer', async () => {
    const found = await inventory([[osRelease('alpine', '3.20.3')], everything]);
    expect(found.os).toEqual({ id: 'debian', version: '12', name: undefined });
    expect(purls(found)).toEqual([
      'pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12',
      'pkg:golang/example.com/me@v1.0.0',
      'pkg:golang/golang.org/x/net@v0.20.0',
      'pkg:golang/stdlib@1.22.3',
      'pkg:maven/g/a@1',
      'pkg:npm/%40me/lib@2.0.0',
      'pkg:npm/srv@1.0.0',
    ]);
    const [libc, , net] = found.components;
    expect(libc?.licence?.expression).toBe('LGPL-2.1-or-later');
    expect(net?.layers).toEqual([1]);
    expect(net?.files.map(({ file, evidence }) => [found.files[file]?.path, evidence])).toEqual([
      ['usr/bin/app', 'contains'],
    ]);
    expect(found.files.find(({ path }) => path === 'usr/bin/app')).toEqual({
      path: 'usr/bin/app',
      layer: 1,
      sha1: createHash('sha1').update(goProgram).digest('hex'),
      sha256: createHash('sha256').update(goProgram).digest('hex'),
    });
  });

  it('of a package database is what the uppermost says, each package with the layer that brought it', async () => {
    const db = (text: string) => file('lib/apk/db/installed', text);
    const found = await inventory([
      [db(apk('musl', 'zlib', 'gone'))],
      [db(apk('musl', 'curl'))],
      [db(apk('musl', 'curl', 'zlib'))],
    ]);
    expect(found.components.map(({ package: { name }, layers }) => [name, layers])).toEqual([
      ['curl', [1]],
      ['musl', [0]],
      // Taken away, and installed again.
      ['zlib', [2]],
    ]);
  });

  it('is not what an upper layer hides or replaces', async () => {
    const found = await inventory([
      [program('usr/bin/app'), program('opt/app')],
      [whiteout('usr/bin/.wh.app'), file('opt/app', 'text', { mode: 0o755 })],
    ]);
    expect(found.components).toEqual([]);
    expect(found.files).toEqual([]);
  });

  it('of one program at two places is told once', async () => {
    const hard: Entry = { ...folder('bin/twin'), type: 'hardlink', mode: 0o755, linkname: 'bin/app' };
    const found = await inventory([
      [program('bin/app'), hard, symlink('bin/link', 'app')],
      [program('opt/app')],
    ]);
    expect(found.files.map(({ path, layer }) => [path, layer])).toEqual([
      ['bin/app', 0],
      ['opt/app', 1],
    ]);
    const net = found.components.find(({ package: { name } }) => name === 'golang.org/x/net');
    expect(net?.files.map(({ file }) => file)).toEqual([0, 1]);
    expect(net?.layers).toEqual([0, 1]);
  });

  it('says what could not be read', async () => {
    const found = await inventory([
      [
        file('var/lib/rpm/Packages', 'x'),
        file('usr/lib/sysimage/rpm/rpmdb.sqlite', `SQLite format 3\0${'\0'.repeat(200)}`),
        file('app/broken.jar', 'no zip'),
      ],
    ]);
    expect(found.unread.map(({ path }) => path)).toEqual(['app/broken.jar', 'var/lib/rpm/Packages']);
    expect(found.components).toEqual([]);
  });

  it('is found in a program too large for memory, whose tables are at its end', async () => {
    const tall = withSections(Buffer.concat([elfProgram(), Buffer.alloc(9 * 1024 * 1024)]), [
      { name: '.go.buildinfo', content: goBuildInfo('go1.22.3', 'mod\texample.com/tall\tv1.0.0\n') },
    ]);
    const found = await inventory([[file('bin/tall', tall, { mode: 0o755 })]]);
    expect(purls(found)).toContain('pkg:golang/example.com/tall@v1.0.0');
  });

  it('is read from each layer once, and remembered', async () => {
    const context = await testContext();
    const image = await imageOf({ layers: [everything] });
    let opened = 0;
    const counting: Image = {
      ...image,
      layers: image.layers.map((layer) => ({
        ...layer,
        open: (...args) => {
          opened++;
          return layer.open(...args);
        },
      })),
    };
    const first = await inventoryOfImage(counting, context);
    const note = await context.store.findings.get(image.layers[0]?.diffId ?? 'sha256:');
    expect(note).toBeDefined();
    await context.store.findings.set(
      image.layers[0]?.diffId ?? 'sha256:',
      Buffer.from('{"form":1,"findings":[]}'),
    );
    // What is remembered is what counts.
    expect((await inventoryOfImage(counting, context)).components).toEqual([]);
    expect(first.components).not.toEqual([]);
    expect(opened).toBe(1);
  });

  it('is not taken from a layer that is not what its image says', async () => {
    const context = await testContext();
    const image = await imageOf({ layers: [everything] });
    const other = await imageOf({ layers: [[program('x')]] });
    const layers = image.layers.map((layer) => ({
      ...layer,
      diffId: other.layers[0]?.diffId ?? layer.diffId,
    }));
    await expect(inventoryOfImage({ ...image, layers }, context)).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
  });
});

describe.each(['spdx', 'cyclonedx'] as const)('a document in %s', (format) => {
  const document = async (layers: readonly (readonly Entry[])[], more: Partial<Context> = {}) =>
    Buffer.from(
      await sbomOf(await imageOf({ layers }), { name: 'me/app:1', format }, await testContext(more)),
    ).toString();

  it('is the same wherever and whenever it is made', async () => {
    const one = await document([everything]);
    expect(await document([everything])).toBe(one);
    expect(await document([[...everything, program('usr/bin/more')]])).not.toBe(one);
  });

  it('has the time of SOURCE_DATE_EPOCH, else of the image', async () => {
    expect(await document([everything])).toContain('"1970-01-01T00:00:00Z"');
    expect(await document([everything], { env: { SOURCE_DATE_EPOCH: '86400' } })).toContain(
      '"1970-01-02T00:00:00Z"',
    );
  });

  it('names every component with its URL', async () => {
    const text = await document([everything]);
    for (const purl of purls(await inventory([everything]))) expect(text).toContain(`"${purl}"`);
  });
});

describe('a CycloneDX document', () => {
  it("validates against CycloneDX's schema", async () => {
    const image = await imageOf({
      layers: [everything],
      annotations: {
        'org.opencontainers.image.base.name': 'docker.io/library/debian:12',
        'org.opencontainers.image.base.digest': `sha256:${'ab'.repeat(32)}`,
      },
    });
    const bytes = await sbomOf(image, { name: 'app', format: 'cyclonedx' }, await testContext());
    const document = JSON.parse(Buffer.from(bytes).toString());
    expect(cyclonedxErrors(document)).toEqual([]);
    expect(cyclonedxErrors({ ...document, serialNumber: 'wrong' })).not.toEqual([]);
    expect(document.metadata.component.pedigree.ancestors).toMatchObject([
      { name: 'docker.io/library/debian:12' },
    ]);
  });
});

describe('an SPDX document', () => {
  it('relates the image to its layers, files and packages, and names nothing that is not in it', async () => {
    const bytes = await sbomOf(
      await imageOf({ layers: [everything] }),
      { name: 'app', format: 'spdx' },
      await testContext(),
    );
    const { packages, files, relationships } = JSON.parse(Buffer.from(bytes).toString());
    const ids = new Set(['SPDXRef-DOCUMENT', ...[...packages, ...files].map(({ SPDXID }) => SPDXID)]);
    expect(ids.size).toBe(1 + packages.length + files.length);
    for (const { spdxElementId, relatedSpdxElement } of relationships) {
      expect(ids).toContain(spdxElementId);
      expect(ids).toContain(relatedSpdxElement);
    }
    const idOf = (name: string) => packages.find((each: { name: string }) => each.name === name).SPDXID;
    const app = files.find(({ fileName }: { fileName: string }) => fileName === './usr/bin/app').SPDXID;
    expect(relationships).toContainEqual({
      spdxElementId: app,
      relationshipType: 'CONTAINS',
      relatedSpdxElement: idOf('golang.org/x/net'),
    });
    expect(relationships).toContainEqual({
      spdxElementId: 'SPDXRef-Layer-1',
      relationshipType: 'CONTAINS',
      relatedSpdxElement: idOf('libc6'),
    });
  });
});
