import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Annotation } from '#oci-spec-types';
import { indexOf } from '../../src/image/index-of.ts';
import type { Artifact } from '../../src/image/model.ts';
import type { Progress } from '../../src/lib/progress.ts';
import { silent } from '../../src/lib/progress.ts';
import { pack } from '../../src/pack/pack.ts';
import { type RebaseRequest, rebase } from '../../src/pack/rebase.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { pushToRegistry } from '../../src/transports/registry.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { file, folder, symlink } from '../support/entries.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';

const LAYERS = [folder('usr'), folder('usr/local'), folder('usr/local/bin'), folder('etc')];

/** A registry with a base for two platforms, a program, and what `ocislim rebase` does with it. */
async function scene() {
  const registry = await fakeRegistry();
  const client = registryClient();
  const warnings: string[] = [];
  const progress: Progress = { ...silent, warn: (message) => void warnings.push(message) };
  const context = await testContext({ registry: async () => client, progress });
  for (const name of ['hello', 'hello-arm64'])
    copyFileSync(join(root, 'testdata', name), join(context.cwd, name));
  const base = `${registry.host}/base:1`;
  const push = (name: string, artifact: Artifact) =>
    pushToRegistry(artifact, [parseReference(name)], context);
  const baseOf = async (text: string) => {
    const images = [];
    for (const platform of [AMD64, ARM64])
      images.push(
        await imageOf({
          platform,
          layers: [[...LAYERS, file('etc/base', text)]],
          config: { env: { V: text } },
        }),
      );
    return indexOf(images, { annotations: {} });
  };
  await push(base, await baseOf('old'));
  const request = (more: Partial<RebaseRequest> = {}): RebaseRequest => ({
    image: 'app:1',
    tags: ['app:2'],
    outputs: [],
    push: false,
    load: false,
    check: 'error',
    ignore: [],
    ...more,
  });
  return {
    registry,
    context,
    warnings,
    base,
    push,
    baseOf,
    pack: (path: string, more: object) => pack(requestFor(path, { tags: ['app:1'], ...more }), context),
    rebase: (more?: Partial<RebaseRequest>) => rebase(request(more), context),
  };
}

describe('rebase', () => {
  it('makes what packing anew on the new base would make, and looks whether it starts', async () => {
    const { base, push, baseOf, pack, rebase } = await scene();
    const options = {
      base,
      config: { env: { APP: '1' }, user: '1000' },
      annotations: { a: 'b' },
      outputs: ['oci:x'],
    };
    await pack('./hello', options);
    await push(base, await baseOf('new'));
    const made = await rebase();
    const anew = await pack('./hello', { ...options, tags: ['anew:1'], outputs: ['oci:y'] });
    expect(made).toEqual({ ...anew, name: 'app:2', names: ['app:2'], outputs: [] });
    expect(made.platforms[0]?.layers.map(({ origin }) => origin)).toEqual(['base', 'app']);
  });

  it('does so for every platform', async () => {
    const { base, push, baseOf, pack, rebase, context } = await scene();
    copyFileSync(join(context.cwd, 'hello'), join(context.cwd, 'p-amd64'));
    copyFileSync(join(context.cwd, 'hello-arm64'), join(context.cwd, 'p-arm64'));
    await pack('./p-{arch}', { base, outputs: ['oci:x'] });
    const fresh = await baseOf('new');
    await push(base, fresh);
    const made = await rebase();
    const anew = await pack('./p-{arch}', { base, tags: ['anew:1'], outputs: ['oci:y'] });
    expect(made.digest).toBe(anew.digest);
    const { artifact } = await openSource(parseLocation('store:app:2'), context);
    expect(artifact.kind === 'index' && artifact.index.annotations).toEqual({
      [Annotation.BaseName]: base,
      [Annotation.BaseDigest]: fresh.descriptor.digest,
    });
  });

  it('changes nothing where the base has not moved', async () => {
    const { base, pack, rebase } = await scene();
    const { digest } = await pack('./hello', { base, outputs: ['oci:x'] });
    expect((await rebase()).digest).toBe(digest);
  });

  it('goes from the base of ocislim itself, which is in no registry, to another', async () => {
    const { base, pack, rebase } = await scene();
    const { digest } = await pack('./hello', { base: 'static', outputs: ['oci:x'] });
    expect((await rebase()).digest).toBe(digest);
    const made = await rebase({ base });
    expect(made.base.name).toBe(base);
    expect(made.platforms[0]?.layers).toHaveLength(2);
  });

  it('ends where the program will not start on the new base, before anything is written', async () => {
    const { base, push, pack, rebase, context } = await scene();
    const passwd = file('etc/passwd', 'app:x:1:1::/:/bin/sh\n');
    await push(base, indexOf([await imageOf({ layers: [[...LAYERS, passwd]] })], { annotations: {} }));
    await pack('./hello', { base, config: { user: 'app' }, outputs: ['oci:x'] });
    await push(base, indexOf([await imageOf({ layers: [LAYERS] })], { annotations: {} }));
    await expect(rebase()).rejects.toMatchObject({ code: 'OCISLIM_CHECK_FAILED' });
    expect(await context.store.names.get('docker.io/library/app:2')).toBeUndefined();
    await expect(rebase({ check: 'off' })).resolves.toMatchObject({ name: 'app:2' });
  });

  it('refuses a new base with a link where the layers have files in a folder of the old one', async () => {
    const { base, push, pack, rebase } = await scene();
    await pack('./hello', { base, outputs: ['oci:x'] });
    const linked = [folder('usr'), symlink('usr/local', '/opt'), folder('opt'), folder('opt/bin')];
    await push(base, indexOf([await imageOf({ layers: [linked] })], { annotations: {} }));
    await expect(rebase()).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      message: expect.stringContaining('files in /usr/local, which is a symlink in the new base'),
    });
  });

  it('asks for what an image does not record', async () => {
    const { context, push, registry, base, rebase } = await scene();
    const old = await imageOf({ layers: [LAYERS] });
    const name = `${registry.host}/plain:1`;
    await push(
      name,
      await imageOf({ base: old, layers: [[file('app', 'x')]], config: { entrypoint: ['/app'] } }),
    );
    await expect(rebase({ image: name })).rejects.toMatchObject({
      message: expect.stringContaining('does not record what it was made on'),
      hint: 'say it with --base and --old-base',
    });
    await push(`${registry.host}/old:1`, old);
    const made = await rebase({ image: name, base, oldBase: `${registry.host}/old:1`, check: 'off' });
    expect(made.platforms[0]?.layers).toHaveLength(2);
    expect(context.offline).toBe(false);
  });

  it('asks where to', async () => {
    const { rebase } = await scene();
    await expect(rebase({ tags: [] })).rejects.toMatchObject({ code: 'OCISLIM_USAGE' });
    await expect(rebase({ tags: [], push: true })).rejects.toMatchObject({ code: 'OCISLIM_USAGE' });
  });
});
