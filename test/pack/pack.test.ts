import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Compression, layerMediaType } from '#oci-spec-types';
import type { Image } from '../../src/image/model.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import type { Toc } from '../../src/layer/toc.ts';
import { silent } from '../../src/lib/progress.ts';
import { pack } from '../../src/pack/pack.ts';
import type { PackRequest, PackResult } from '../../src/pack/request.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { elfProgram } from '../support/elf.ts';
import { file, folder, symlink } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';
import { requestFor } from '../support/request.ts';

/** A context whose folder has the two programs of testdata. */
async function withPrograms(more: Partial<Context> = {}): Promise<Context> {
  const context = await testContext(more);
  for (const name of ['hello', 'hello-arm64'])
    copyFileSync(join(root, 'testdata', name), join(context.cwd, name));
  return context;
}

async function imageAt(place: string, context: Context): Promise<Image> {
  const { artifact } = await openSource(parseLocation(place), context);
  if (artifact.kind !== 'image') throw new Error(`${place} is no image`);
  expect(await validateArtifact(artifact)).toEqual([]);
  return artifact;
}

async function packed(
  more: Partial<PackRequest>,
  context: Context,
): Promise<{ result: PackResult; image: Image }> {
  const result = await pack(requestFor('./hello', more), context);
  return { result, image: await imageAt(`store:${result.name}`, context) };
}

async function filesOf(image: Image, context: Context): Promise<Toc['members']> {
  const top = image.layers.at(-1);
  return top === undefined ? [] : (await context.store.tocs.get(top)).members;
}

async function baseAt(path: string, image: Image, context: Context): Promise<void> {
  await writeOutput(parseLocation(`oci:${path}`), { artifact: image, references: [], created: 0 }, context);
}

describe('pack of a program', () => {
  it('writes ./NAME.oci when nothing says where, and keeps the image under its name', async () => {
    const context = await withPrograms();
    const { result, image } = await packed({}, context);
    expect(result).toMatchObject({ name: 'hello:latest', outputs: [{ type: 'oci', dest: 'hello.oci' }] });
    expect((await imageAt('oci:hello.oci', context)).descriptor.digest).toBe(result.digest);
    expect(image.config).toMatchObject({
      architecture: 'amd64',
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: { Entrypoint: ['/usr/local/bin/hello'] },
    });
    expect(await filesOf(image, context)).toMatchObject([
      { path: 'usr', type: 'directory', mode: 0o755 },
      { path: 'usr/local', type: 'directory' },
      { path: 'usr/local/bin', type: 'directory' },
      { path: 'usr/local/bin/hello', type: 'file', mode: 0o755, uid: 0, gid: 0, mtime: 0 },
    ]);
  });

  it('takes the platform of the program', async () => {
    const context = await withPrograms();
    const result = await pack(requestFor('./hello-arm64'), context);
    expect(result.platforms.map((each) => each.platform)).toEqual(['linux/arm64']);
  });

  it.each(['gzip', 'zstd', 'none'] as const)(
    'leaves a base layer in %s as it is',
    async (kind: Compression) => {
      const context = await withPrograms();
      const base = await imageOf({ layers: [[file('etc/base', 'b')]], compression: kind });
      await baseAt('base', base, context);
      const { image, result } = await packed({ base: 'oci:base' }, context);
      expect(image.manifest.layers[0]).toEqual(base.manifest.layers[0]);
      expect(image.manifest.layers.map((layer) => layer.mediaType)).toEqual([
        layerMediaType(kind),
        layerMediaType('gzip'),
      ]);
      expect(result.platforms[0]?.layers.map((layer) => layer.origin)).toEqual(['base', 'app']);
    },
  );

  it('adds files, follows the links of the base and leaves its folders alone', async () => {
    const context = await withPrograms();
    const base = await imageOf({
      layers: [[folder('usr'), folder('usr/bin'), symlink('bin', 'usr/bin'), folder('etc')]],
    });
    await baseAt('base', base, context);
    mkdirSync(join(context.cwd, 'conf/sub'), { recursive: true });
    writeFileSync(join(context.cwd, 'conf/sub/a'), 'a', { mode: 0o600 });
    const add = ['conf:/etc/conf', 'conf/sub/a:/etc/secret:0400'];
    const { image } = await packed({ base: 'oci:base', dest: '/bin/app', add }, context);
    const files = await filesOf(image, context);
    expect(files.map(({ path, mode }) => `${path} ${mode.toString(8)}`)).toEqual([
      'etc/conf 755',
      'etc/conf/sub 755',
      'etc/conf/sub/a 644',
      'etc/secret 400',
      'usr/bin/app 755',
    ]);
    expect(image.config.config?.Entrypoint).toEqual(['/bin/app']);
  });

  it('writes the compression that is asked for', async () => {
    const context = await withPrograms();
    for (const kind of ['gzip', 'zstd', 'none'] as const) {
      const { image } = await packed({ compression: { kind }, tags: [`${kind}:1`] }, context);
      expect(image.manifest.layers.at(-1)?.mediaType).toBe(layerMediaType(kind));
    }
  });

  it('writes every output, and each has the same image', async () => {
    const context = await withPrograms();
    const outputs = ['oci:a.oci', 'oci-archive:b.tar', 'docker-archive:c.tar', 'd.tar'];
    const { result } = await packed({ outputs, tags: ['me/hello:1', 'me/hello:latest'] }, context);
    for (const place of [
      'oci:a.oci:1',
      'oci-archive:b.tar:latest',
      'docker-archive:c.tar',
      'docker-archive:d.tar:me/hello:1',
    ])
      expect((await imageAt(place, context)).descriptor.digest).toBe(result.digest);
    expect(result.names).toEqual(['me/hello:1', 'me/hello:latest']);
  });

  it('follows the time it is given', async () => {
    const context = await withPrograms();
    const { image } = await packed({ created: 1_700_000_000 }, context);
    expect(image.config.created).toBe('2023-11-14T22:13:20Z');
    expect(image.config.history?.at(-1)?.created).toBe('2023-11-14T22:13:20Z');
    for (const member of await filesOf(image, context)) expect(member.mtime).toBe(1_700_000_000);
  });

  describe('of a program whose loader the base lacks', () => {
    const withLoader = Buffer.concat([elfProgram({ interpreter: '/lib/ld-musl-x86_64.so.1\0' })]);

    it('is an error before anything is written', async () => {
      const context = await withPrograms();
      writeFileSync(join(context.cwd, 'dynamic'), withLoader);
      await expect(pack(requestFor('./dynamic'), context)).rejects.toMatchObject({
        code: 'OCISLIM_CHECK_FAILED',
        exitCode: 6,
        message: expect.stringContaining('needs the loader /lib/ld-musl-x86_64.so.1 (it was built for musl)'),
        hint: expect.stringContaining('alpine'),
        check: [expect.objectContaining({ rule: 'interpreter-missing', level: 'error' })],
      });
      expect(existsSync(join(context.cwd, 'dynamic.oci'))).toBe(false);
      expect(await context.store.names.list()).toEqual([]);
    });

    it('is a warning where that is enough, and in the result', async () => {
      const warnings: string[] = [];
      const progress = { ...silent, warn: (message: string) => void warnings.push(message) };
      const context = await withPrograms({ progress });
      writeFileSync(join(context.cwd, 'dynamic'), withLoader);
      const { check } = await pack(requestFor('./dynamic', { check: 'warn' }), context);
      expect(check.map(({ rule }) => rule)).toEqual(['interpreter-missing']);
      expect(warnings).toEqual([
        expect.stringContaining(
          '(link it statically, bring its libraries along with --with-libs, or choose a base with musl: alpine)',
        ),
      ]);
    });

    it('is nothing where nobody wants to know, or the loader is added', async () => {
      const context = await withPrograms();
      writeFileSync(join(context.cwd, 'dynamic'), withLoader);
      writeFileSync(join(context.cwd, 'loader'), 'loader');
      expect((await pack(requestFor('./dynamic', { check: 'off' }), context)).check).toEqual([]);
      const added = requestFor('./dynamic', { add: ['loader:/lib/ld-musl-x86_64.so.1'] });
      expect((await pack(added, context)).check).toEqual([]);
    });
  });

  it('makes a legal name of whatever the program is called', async () => {
    const context = await withPrograms();
    copyFileSync(join(context.cwd, 'hello'), join(context.cwd, '__My App--v1.EXE'));
    const { name } = await pack(requestFor('./__My App--v1.EXE'), context);
    expect(name).toBe('my-app-v1:latest');
  });
});

describe('pack for several platforms', () => {
  it('joins what a pattern finds', async () => {
    const context = await withPrograms();
    copyFileSync(join(context.cwd, 'hello'), join(context.cwd, 'app-linux-amd64'));
    copyFileSync(join(context.cwd, 'hello-arm64'), join(context.cwd, 'app-linux-arm64'));
    const result = await pack(requestFor('./app-{os}-{arch}', { base: 'static' }), context);
    expect(result).toMatchObject({
      name: 'app:latest',
      mediaType: 'application/vnd.oci.image.index.v1+json',
    });
    expect(result.platforms.map((each) => each.platform)).toEqual(['linux/amd64', 'linux/arm64']);
    const { artifact } = await openSource(parseLocation('oci:app.oci'), context);
    expect(await validateArtifact(artifact)).toEqual([]);
    // The base is the same bytes for both, so they share its layer.
    const [one, two] = result.platforms.map((each) => each.layers[0]?.digest);
    expect(one).toBe(two);
  });

  it('gives docker load the image for this machine', async () => {
    const context = await withPrograms();
    copyFileSync(join(context.cwd, 'hello'), join(context.cwd, 'app-amd64'));
    copyFileSync(join(context.cwd, 'hello-arm64'), join(context.cwd, 'app-arm64'));
    await pack(requestFor('./app-{arch}', { outputs: ['app.tar'] }), context);
    const own = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];
    expect((await imageAt('docker-archive:app.tar', context)).config.architecture).toBe(own);
  });
});

describe('pack, when it is asked for what cannot be', () => {
  it('writes nothing in a dry run', async () => {
    const context = await withPrograms();
    const before = readdirSync(context.cwd);
    const result = await pack(requestFor('./hello', { dryRun: true, outputs: ['oci:x', 'y.tar'] }), context);
    expect(result.outputs.map((output) => output.dest)).toEqual(['oci:x', 'y.tar']);
    expect(readdirSync(context.cwd)).toEqual(before);
    expect(await context.store.names.list()).toEqual([]);
  });

  it('finds a wrong port or volume before it writes anything', async () => {
    const context = await withPrograms();
    for (const config of [{ expose: ['80,443'] }, { volumes: ['data'] }])
      await expect(pack(requestFor('./hello', { config }), context)).rejects.toMatchObject({
        code: 'OCISLIM_USAGE',
      });
    expect(readdirSync(context.store.root)).toEqual(['version']);
  });

  it('refuses two files for one path', async () => {
    const context = await withPrograms();
    const twice = requestFor('./hello', { dest: '/app', add: ['hello-arm64:/app'] });
    await expect(pack(twice, context)).rejects.toMatchObject({ code: 'OCISLIM_INPUT_INVALID' });
  });

  it('refuses a file that would be a whiteout', async () => {
    const context = await withPrograms();
    writeFileSync(join(context.cwd, '.wh.passwd'), '');
    const hides = requestFor('./hello', { add: ['.wh.passwd:/etc/'] });
    await expect(pack(hides, context)).rejects.toThrow('/etc/.wh.passwd would take a file away');
  });

  it('notices a program that changes while it is packed', async () => {
    const context = await withPrograms();
    await baseAt('base', await imageOf(), context);
    // The note comes after the program was looked at and before it is read.
    const progress = {
      ...silent,
      note: () => writeFileSync(join(context.cwd, 'hello'), readFileSync(process.execPath)),
    };
    await expect(
      pack(requestFor('./hello', { base: 'oci:base' }), { ...context, progress }),
    ).rejects.toMatchObject({
      code: 'OCISLIM_INPUT_CHANGED',
    });
    expect(await context.store.names.list()).toEqual([]);
  });

  it('prefixes what is wrong with a base with its name', async () => {
    const context = await withPrograms();
    await expect(pack(requestFor('./hello', { base: 'oci:none' }), context)).rejects.toThrow(
      'base oci:none: oci:none: no such folder',
    );
  });
});
