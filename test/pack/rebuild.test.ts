import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Artifact } from '../../src/image/model.ts';
import { pack } from '../../src/pack/pack.ts';
import { recordedOptions, requireSameAgain } from '../../src/pack/rebuild.ts';
import type { PackRequest } from '../../src/pack/request.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { pushToRegistry } from '../../src/transports/registry.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';
import { tempDir } from '../support/temp.ts';

afterEach(() => vi.unstubAllEnvs());

async function scene() {
  const registry = await fakeRegistry();
  const client = registryClient();
  const context = await testContext({ registry: async () => client });
  copyFileSync(join(root, 'testdata/hello'), join(context.cwd, 'hello'));
  const packed = async (more: Partial<PackRequest>): Promise<Artifact> => {
    await pack(requestFor('./hello', { tags: ['app:1'], outputs: ['oci:out'], ...more }), context);
    return (await openSource(parseLocation('store:app:1'), context)).artifact;
  };
  return {
    context,
    packed,
    base: `${registry.host}/base:1`,
    push: (name: string, artifact: Artifact) => pushToRegistry(artifact, [parseReference(name)], context),
    again: (artifact: Artifact, path: string, more: Partial<PackRequest>) =>
      requireSameAgain(artifact, requestFor(path, more), context),
  };
}

describe('packing again', () => {
  it('is bit-identical with the same program and options, and leaves nothing behind', async () => {
    const { context, packed, again } = await scene();
    const artifact = await packed({ config: { env: { A: '1' } } });
    const temporary = tempDir();
    vi.stubEnv('TMPDIR', temporary);
    await expect(again(artifact, './hello', { config: { env: { A: '1' } } })).resolves.toBeUndefined();
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(context.cwd).sort()).toEqual(['hello', 'out']);
  });

  it('names the byte that another program has', async () => {
    const { context, packed, again } = await scene();
    const artifact = await packed({});
    mkdirSync(join(context.cwd, 'other'));
    const bytes = readFileSync(join(context.cwd, 'hello'));
    bytes[150] = 0x58;
    writeFileSync(join(context.cwd, 'other/hello'), bytes);
    await expect(again(artifact, './other/hello', {})).rejects.toMatchObject({
      code: 'OCISLIM_VERIFY_FAILED',
      exitCode: 6,
      message: `built again it differs: linux/amd64: layer 1 of 1: usr/local/bin/hello: byte 150 is 0x${original(150)}, built again 0x58`,
    });
  });

  it('names the option that was another', async () => {
    const { packed, again } = await scene();
    const artifact = await packed({ config: { user: '1000' } });
    await expect(again(artifact, './hello', {})).rejects.toMatchObject({
      message:
        'built again it differs: linux/amd64: configuration: config.User is "1000", built again not there',
    });
  });

  it('is on the base that it was made on, though the name means another now', async () => {
    const { packed, again, push, base } = await scene();
    await push(base, await imageOf({ layers: [[file('etc/base', 'old')]] }));
    const artifact = await packed({ base });
    await push(base, await imageOf({ layers: [[file('etc/base', 'new')]] }));
    await expect(again(artifact, './hello', { base })).resolves.toBeUndefined();
  });

  it('has a base that is in this store alone', async () => {
    const { context, packed, again } = await scene();
    await keepInStore(await imageOf(), ['docker.io/library/mine:1'], context);
    const artifact = await packed({ base: 'store:mine:1' });
    await expect(again(artifact, './hello', { base: 'store:mine:1' })).resolves.toBeUndefined();
  });
});

function original(at: number): string {
  return readFileSync(join(root, 'testdata/hello')).toString('hex', at, at + 1);
}

describe('what an image tells of how it was packed', () => {
  it.each([
    [
      'scratch',
      { base: 'scratch' },
      { base: 'scratch', compression: 'gzip', created: '1970-01-01T00:00:00Z' },
    ],
    [
      'static',
      { base: 'static', compression: { kind: 'zstd' }, created: 86_400 },
      { base: 'static', compression: 'zstd', created: '1970-01-02T00:00:00Z' },
    ],
  ] as const)('on %s', async (_, options, expected) => {
    const { context, packed } = await scene();
    expect(await recordedOptions(await packed(options), context)).toEqual({
      ...expected,
      platform: 'linux/amd64',
    });
  });

  it('on an image of a registry', async () => {
    const { context, packed, push, base } = await scene();
    await push(base, await imageOf());
    expect(await recordedOptions(await packed({ base }), context)).toMatchObject({ base });
  });

  it('on a base that no registry names is for the user to say', async () => {
    const { context, packed } = await scene();
    await keepInStore(await imageOf(), ['docker.io/library/mine:1'], context);
    expect(await recordedOptions(await packed({ base: 'store:mine:1' }), context)).not.toHaveProperty('base');
  });
});
