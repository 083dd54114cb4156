import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Annotation, type Digest, sha256 } from '#oci-spec-types';
import { formatLock, type Lock, readLock, writeLock } from '../../src/config/lock-file.ts';
import { imagesNamedIn, parseProjectConfig } from '../../src/config/project.ts';
import { parseRegistriesConf } from '../../src/config/registries-conf.ts';
import { indexOf } from '../../src/image/index-of.ts';
import type { Artifact, Image } from '../../src/image/model.ts';
import { checkPacked } from '../../src/pack/check.ts';
import { openFileSource } from '../../src/pack/file-source.ts';
import { type LockRequest, lock } from '../../src/pack/lock.ts';
import { pack } from '../../src/pack/pack.ts';
import { parseReference } from '../../src/registry/reference.ts';
import type { RegistryOptions } from '../../src/registry/registry.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { openPinned } from '../../src/transports/pinned.ts';
import { pushToRegistry } from '../../src/transports/registry.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';
import { tempDir } from '../support/temp.ts';

/** A registry whose `base:1` moves from an old image to a new one, and a folder with programs. */
async function movingBase(client: Partial<RegistryOptions> = {}) {
  const registry: FakeRegistry = await fakeRegistry();
  const opened = registryClient(client);
  const context = await testContext({ registry: async () => opened });
  for (const name of ['hello', 'hello-arm64'])
    copyFileSync(join(root, 'testdata', name), join(context.cwd, name.replace(/^hello$/, 'hello-amd64')));
  const base = `${registry.host}/base:1`;
  const put = async (artifact: Artifact) => pushToRegistry(artifact, [parseReference(base)], context);
  const [old, fresh] = [await bothPlatforms('old'), await bothPlatforms('new')];
  await put(old);
  return { registry, context, base, old, fresh, move: () => put(fresh) };
}

async function bothPlatforms(text: string): Promise<Artifact> {
  const images: Image[] = [];
  for (const platform of [AMD64, ARM64])
    images.push(await imageOf({ platform, layers: [[file('etc/base', text)]] }));
  return indexOf(images, { annotations: {} });
}

const pinned = (context: Context, digests: Lock, isStrict = false): Context => ({
  ...context,
  pinned: { digests, isStrict },
});

const wanted = (folder: string, more: Partial<LockRequest> = {}): LockRequest => ({
  file: join(folder, 'ocislim.lock'),
  references: [],
  used: [],
  update: false,
  ...more,
});

describe('pack with a lock', () => {
  it('uses what is pinned for every platform, though the tag has moved, and records the name as before', async () => {
    const { context, base, old, fresh, move } = await movingBase();
    const [locked] = await lock(wanted(context.cwd, { references: [base] }), context);
    expect(locked).toEqual({ name: base, digest: old.descriptor.digest, status: 'pinned' });
    await move();
    const request = requestFor('./hello-{arch}', { base });
    const moved = await pack(request, context);
    expect(moved.base).toEqual({ name: base, digest: fresh.descriptor.digest });

    const held = pinned(context, await readLock(join(context.cwd, 'ocislim.lock')));
    const result = await pack(request, held);
    expect(result.base).toEqual({ name: base, digest: old.descriptor.digest });
    expect(result.platforms.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
    const { artifact } = await openSource(parseLocation(`store:${result.name}`), context);
    if (artifact.kind !== 'index' || old.kind !== 'index') throw new Error('no index');
    expect(artifact.index.annotations).toEqual({
      [Annotation.BaseName]: base,
      [Annotation.BaseDigest]: old.descriptor.digest,
    });
    for (const [at, member] of artifact.index.manifests.entries()) {
      expect(await artifact.member(member)).toMatchObject({
        manifest: {
          annotations: {
            [Annotation.BaseName]: base,
            [Annotation.BaseDigest]: old.index.manifests[at]?.digest,
          },
        },
      });
    }
  });

  it('makes the same image as with the name and the digest, but for what it says of its base', async () => {
    const { context, base, old, move } = await movingBase();
    await move();
    const { digest } = old.descriptor;
    const held = pinned(context, new Map([[base, digest]]), true);
    const byLock = await pack(requestFor('./hello-amd64', { base }), held);
    const byDigest = await pack(requestFor('./hello-amd64', { base: `${base}@${digest}` }), held);
    expect(byLock.platforms[0]?.layers).toEqual(byDigest.platforms[0]?.layers);
    expect(byLock.base.digest).toBe(byDigest.base.digest);
  });

  it('says how to go on where the registry has dropped what is pinned', async () => {
    const { context, base } = await movingBase();
    const held = pinned(context, new Map([[base, sha256('dropped')]]));
    await expect(pack(requestFor('./hello-amd64', { base }), held)).rejects.toMatchObject({
      code: 'OCISLIM_MANIFEST_UNKNOWN',
      hint: `ocislim.lock pins ${base} to it; ocislim lock --update ${base} pins what that is now`,
    });
  });

  it('leaves other names as they are', async () => {
    const { context, base, old } = await movingBase();
    const held = pinned(context, new Map([['docker.io/library/alpine:3.20', sha256('other')]]));
    expect((await pack(requestFor('./hello-amd64', { base }), held)).base.digest).toBe(old.descriptor.digest);
  });

  it('takes a pinned toolchain or source of libraries from its registry, whatever the store calls so', async () => {
    const { context, base, old, move } = await movingBase();
    await move();
    await keepInStore(await bothPlatforms('of the store'), [base], context);
    const held = pinned(context, new Map([[base, old.descriptor.digest]]), true);
    const { artifact, reference } = await openPinned(base, { default: 'any' }, held);
    expect(artifact.descriptor.digest).toBe(old.descriptor.digest);
    expect(reference).toBe(base);
    const files = await openFileSource(base, AMD64, held);
    expect((await files.view.lookup('etc/base'))?.size).toBe('old'.length);
    expect((await openPinned(`store:${base}`, { default: 'any' }, held)).artifact.descriptor.digest).not.toBe(
      old.descriptor.digest,
    );
  });

  it('offline reads what is pinned from the store, by whatever name it came there', async () => {
    const { context, base, old, move } = await movingBase();
    const online = await pack(requestFor('./hello-{arch}', { base }), context);
    await move();
    await openSource(parseLocation(base), context);
    const offline = { ...pinned(context, new Map([[base, old.descriptor.digest]]), true), offline: true };
    const again = await pack(requestFor('./hello-{arch}', { base }), offline);
    expect(again.digest).toBe(online.digest);
    const gone = pinned(offline, new Map([[base, sha256('never there')]]));
    await expect(pack(requestFor('./hello-amd64', { base }), gone)).rejects.toMatchObject({
      code: 'OCISLIM_NOT_FOUND',
      hint: 'run once without --offline',
    });
  });

  it('pins what a short name of registries.conf stands for', async () => {
    const registry = await fakeRegistry();
    const config = parseRegistriesConf(`[aliases]\nbase = "${registry.host}/me/base"\n`, 'registries.conf');
    const client = registryClient({ config });
    const context = await testContext({ registry: async () => client });
    const name = `${registry.host}/me/base:1`;
    const image = await imageOf();
    await pushToRegistry(image, [parseReference(name)], context);
    const locked = await lock(wanted(context.cwd, { references: ['base:1'] }), context);
    expect(locked.map((each) => each.name)).toEqual([name]);
    const held = pinned(context, new Map([[name, image.descriptor.digest]]), true);
    expect((await openPinned('base:1', {}, held)).reference).toBe(name);
  });
});

describe('--locked', () => {
  const strict = (digests: readonly (readonly [string, Digest])[] = []) => ({
    pinned: { digests: new Map(digests), isStrict: true },
  });
  const client = registryClient;

  it.each([
    ['a base', { base: 'alpine:3.20' }, 'base alpine:3.20: ', 'docker.io/library/alpine:3.20'],
    [
      'a source of libraries',
      { libsFrom: 'debian', withLibs: true },
      '--libs-from debian: ',
      'docker.io/library/debian:latest',
    ],
  ])('refuses %s that is not pinned before anything is asked or compiled', async (_, more, prefix, name) => {
    const opened = client();
    const context = await testContext({ registry: async () => opened, ...strict() });
    const refused = {
      code: 'OCISLIM_LOCK_MISSING',
      exitCode: 2,
      message: `${prefix}${name} is not pinned in ocislim.lock`,
      hint: expect.stringContaining('ocislim lock '),
    };
    await expect(pack(requestFor('./not-there', more), context)).rejects.toMatchObject(refused);
    await expect(checkPacked(requestFor('./not-there', more), context)).rejects.toMatchObject(refused);
  });

  it('refuses a toolchain that is not pinned', async () => {
    const opened = client();
    const context = await testContext({ registry: async () => opened, ...strict() });
    writeFileSync(join(context.cwd, 'go.mod'), 'module example.com/hello\n\ngo 1.22\n');
    writeFileSync(join(context.cwd, 'main.go'), 'package main\n\nfunc main() {}\n');
    const { compile } = requestFor('.');
    const request = requestFor('.', { compile: { ...compile, toolchain: 'golang:1.22' } });
    await expect(pack(request, context)).rejects.toMatchObject({
      code: 'OCISLIM_LOCK_MISSING',
      message: 'toolchain golang:1.22: docker.io/library/golang:1.22 is not pinned in ocislim.lock',
      hint: 'pin it with ocislim lock golang:1.22, or name its digest',
    });
  });

  it('takes what is pinned, digests, and images that are not of a registry', async () => {
    const { context, base, old } = await movingBase();
    const held = { ...context, ...strict([[base, old.descriptor.digest]]) };
    const name = base.slice(0, -':1'.length);
    await keepInStore(old, ['docker.io/library/kept:latest'], context);
    for (const each of [base, `${name}@${old.descriptor.digest}`, 'store:kept', 'scratch', 'static'])
      expect((await pack(requestFor('./hello-amd64', { base: each }), held)).digest).toMatch(/^sha256:/);
  });
});

describe('ocislim lock', () => {
  const used = (text: string) => imagesNamedIn(parseProjectConfig(text, '/p/ocislim.toml', ''));

  it('knows what the settings of all targets name', () => {
    const text =
      'base = "alpine"\ntoolchain = "auto"\n[targets.a]\nbase = "static"\ntoolchain = "golang:1.22"\n[targets.b]\nlibs-from = "debian"\nbase = "oci:base"\n';
    expect(used(text)).toEqual(['alpine', 'golang:1.22', 'oci:base', 'debian']);
    expect(used('base = "scratch"\ntoolchain = "host"\nlibs-from = "host"\n')).toEqual([]);
  });

  it('pins what is named and not pinned yet, and leaves the rest as it was', async () => {
    const { context, registry, base, old, fresh, move } = await movingBase();
    await pushToRegistry(fresh, [parseReference(`${registry.host}/tools:1`)], context);
    const names = used(
      `base = "${base}"\n[targets.a]\ntoolchain = "${registry.host}/tools:1"\nlibs-from = "oci:x"\n[targets.b]\nbase = "${base}@${sha256('x')}"\n`,
    );
    const request = wanted(context.cwd, { used: names });
    await writeLock(request.file, new Map([[base, old.descriptor.digest]]));
    await move();
    const before = registry.seen.length;
    expect(await lock(request, context)).toEqual([
      { name: base, digest: old.descriptor.digest, status: 'kept' },
      { name: `${registry.host}/tools:1`, digest: fresh.descriptor.digest, status: 'pinned' },
    ]);
    expect(registry.seen.slice(before).filter(({ path }) => path.includes('/base/'))).toEqual([]);
    expect(await readLock(request.file)).toEqual(
      new Map([
        [base, old.descriptor.digest],
        [`${registry.host}/tools:1`, fresh.descriptor.digest],
      ]),
    );
  });

  it('--update asks anew for all that is pinned, or for what is named', async () => {
    const { context, base, old, fresh, move } = await movingBase();
    const request = wanted(context.cwd, { update: true });
    const other = base.replace('base:1', 'gone:1');
    await writeLock(request.file, new Map([[base, old.descriptor.digest]]));
    await move();
    expect(await lock(request, context)).toEqual([
      { name: base, digest: fresh.descriptor.digest, status: 'updated', previous: old.descriptor.digest },
    ]);
    expect((await lock(request, context)).map(({ status }) => status)).toEqual(['kept']);

    const pins = new Map([
      [base, old.descriptor.digest],
      [other, sha256('gone')],
    ]);
    await writeLock(request.file, pins);
    await lock({ ...request, references: [base] }, context);
    expect(await readLock(request.file)).toEqual(new Map([...pins, [base, fresh.descriptor.digest]]));
  });

  it('writes nothing where a registry does not answer, or nothing has changed', async () => {
    const { context, base, old } = await movingBase();
    const request = wanted(context.cwd, { references: [base, base.replace('base:1', 'gone:1')] });
    await expect(lock(request, context)).rejects.toMatchObject({ code: 'OCISLIM_MANIFEST_UNKNOWN' });
    expect(existsSync(request.file)).toBe(false);
    expect(await lock(wanted(context.cwd), context)).toEqual([]);
    expect(existsSync(request.file)).toBe(false);

    const byHand = formatLock(new Map([[base, old.descriptor.digest]])).replace('\n\n', '\n# mine\n');
    writeFileSync(request.file, byHand);
    const { ino } = statSync(request.file);
    await lock({ ...request, references: [base], update: true }, context);
    expect(readFileSync(request.file, 'utf8')).toBe(byHand);
    expect(statSync(request.file).ino).toBe(ino);
  });

  it('refuses what no lock could pin', async () => {
    const { context, base } = await movingBase();
    for (const name of ['oci:base', `${base}@${sha256('x')}`, 'store:kept'])
      await expect(lock(wanted(tempDir(), { references: [name] }), context)).rejects.toMatchObject({
        code: 'OCISLIM_USAGE',
        message: `lock ${name}: means one image already`,
      });
    await expect(
      lock(wanted(tempDir(), { references: [base] }), { ...context, offline: true }),
    ).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      message: expect.stringContaining('not with --offline'),
    });
  });

  it('leaves a damaged lock alone', async () => {
    const { context, base } = await movingBase();
    const request = wanted(context.cwd, { references: [base], update: true });
    writeFileSync(request.file, 'version = 1\n<<<<<<< HEAD\n');
    await expect(lock(request, context)).rejects.toMatchObject({ code: 'OCISLIM_CONFIG_INVALID' });
    expect(readFileSync(request.file, 'utf8')).toContain('<<<<<<<');
  });
});
