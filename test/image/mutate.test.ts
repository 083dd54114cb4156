import { describe, expect, it } from 'vitest';
import { encodeConfig, encodeManifest, MediaType, sha256 } from '#oci-spec-types';
import { mergeEnv, requirePorts, requireVolumes } from '../../src/image/container-config.ts';
import type { Image } from '../../src/image/model.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import { file } from '../support/entries.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';

/** The same image as Docker would have written it. */
function asDocker(image: Image, more: object = {}): Image {
  const rawConfig = encodeConfig({ ...image.config, ...more });
  const config = { mediaType: MediaType.DockerConfig, digest: sha256(rawConfig), size: rawConfig.length };
  const layers = image.layers.map((layer) => ({
    ...layer,
    descriptor: { ...layer.descriptor, mediaType: MediaType.DockerLayerGzip },
  }));
  const manifest = {
    ...image.manifest,
    mediaType: MediaType.DockerManifest,
    config,
    layers: layers.map((l) => l.descriptor),
  };
  const raw = encodeManifest(manifest);
  const descriptor = { mediaType: MediaType.DockerManifest, digest: sha256(raw), size: raw.length };
  return { ...image, descriptor, raw, manifest, config: { ...image.config, ...more }, rawConfig, layers };
}

describe('buildImage', () => {
  it('makes an image whose every claim is true', async () => {
    const base = await imageOf({ layers: [[file('base', 'b')]] });
    const image = await imageOf({ base, config: { entrypoint: ['/hello'] } });
    expect(await validateArtifact(image)).toEqual([]);
    expect(image.layers.length).toBe(2);
    expect(image.manifest.layers[0]).toEqual(base.manifest.layers[0]);
  });

  it('makes an OCI image of a Docker base, with the same blobs', async () => {
    const base = asDocker(await imageOf({ layers: [[file('base', 'b')]] }));
    const image = await imageOf({ base });
    expect(await validateArtifact(base)).toEqual([]);
    expect(await validateArtifact(image)).toEqual([]);
    expect(image.manifest.mediaType).toBe(MediaType.Manifest);
    expect(image.manifest.layers.map((layer) => layer.mediaType)).toEqual([
      MediaType.LayerGzip,
      MediaType.LayerGzip,
    ]);
    expect(image.manifest.layers[0]?.digest).toBe(base.manifest.layers[0]?.digest);
  });

  it('keeps what the base says of how containers start, Docker extensions included', async () => {
    const base = asDocker(await imageOf(), {
      config: {
        Env: ['PATH=/bin', 'A=1'],
        Cmd: ['/bin/sh'],
        User: 'app',
        WorkingDir: '/srv',
        Healthcheck: { Test: ['CMD', 'true'] },
        OnBuild: ['RUN x'],
        Shell: ['/bin/sh', '-c'],
        Labels: { a: '1' },
        ArgsEscaped: true,
      },
    });
    const { config } = await imageOf({ base, config: { env: { A: '2', B: '3' }, labels: { b: '2' } } });
    expect(config.config).toEqual({
      Env: ['PATH=/bin', 'A=2', 'B=3'],
      Cmd: ['/bin/sh'],
      User: 'app',
      WorkingDir: '/srv',
      Healthcheck: { Test: ['CMD', 'true'] },
      OnBuild: ['RUN x'],
      Shell: ['/bin/sh', '-c'],
      Labels: { a: '1', b: '2' },
    });
  });

  it('drops the arguments of the base when the entrypoint changes', async () => {
    const base = await imageOf({ config: { entrypoint: ['/old'], cmd: ['old'] } });
    const changed = await imageOf({ base, config: { entrypoint: ['/new'] } });
    expect(changed.config.config).toEqual({ Env: undefined, Entrypoint: ['/new'] });
    const both = await imageOf({ base, config: { entrypoint: [], cmd: ['run'] } });
    expect(JSON.parse(Buffer.from(both.rawConfig).toString()).config).toEqual({ Cmd: ['run'] });
  });

  it('has the platform of its base, or the one it is told', async () => {
    const base = await imageOf({ platform: ARM64 });
    expect((await imageOf({ base, platform: AMD64 })).config).toMatchObject({
      os: 'linux',
      architecture: 'arm64',
    });
    const arm = await imageOf({ platform: { os: 'linux', architecture: 'arm', variant: 'v6' } });
    expect(arm.config).toMatchObject({ architecture: 'arm', variant: 'v6' });
    expect(arm.descriptor.platform).toEqual({ os: 'linux', architecture: 'arm', variant: 'v6' });
  });

  it('has one step of history a layer, also on a base whose history is wrong', async () => {
    const base = asDocker(await imageOf(), {
      history: [{ created_by: 'a' }, { created_by: 'b' }, { created_by: 'env', empty_layer: true }],
    });
    const { config } = await imageOf({ base });
    expect(config.history?.filter((step) => !step.empty_layer).length).toBe(2);
    const right = asDocker(await imageOf(), {
      history: [{ created_by: 'env', empty_layer: true }, { created_by: 'a' }],
    });
    expect((await imageOf({ base: right })).config.history?.map((step) => step.created_by)).toEqual([
      'env',
      'a',
      'test',
    ]);
  });

  it('keeps a label called __proto__ as a label', async () => {
    const labels = JSON.parse('{"__proto__":"x","constructor":"y"}');
    const { rawConfig } = await imageOf({ config: { labels } });
    expect(Buffer.from(rawConfig).toString()).toContain('"Labels":{"__proto__":"x","constructor":"y"}');
  });

  it('gives the same bytes for the same parts', async () => {
    const parts = { annotations: { b: '2', a: '1' }, config: { labels: { z: '1', a: '2' } } };
    const other = { annotations: { a: '1', b: '2' }, config: { labels: { a: '2', z: '1' } } };
    expect((await imageOf(parts)).descriptor).toEqual((await imageOf(other)).descriptor);
  });
});

describe('mergeEnv', () => {
  it('sets in place and appends', () => {
    expect(mergeEnv(['A=1', 'B=2=3', 'LONE'], { B: 'x', C: '' })).toEqual(['A=1', 'B=x', 'LONE', 'C=']);
  });
});

describe('requirePorts', () => {
  it('writes keys as the config has them', () => {
    expect(Object.keys(requirePorts(['80', '53/udp', '8000-8002/tcp']))).toEqual([
      '80/tcp',
      '53/udp',
      '8000/tcp',
      '8001/tcp',
      '8002/tcp',
    ]);
  });

  it.each(['', '0', '65536', 'http', '80/http', '90-80', '127.0.0.1:80'])('refuses %j', (port) => {
    expect(() => requirePorts([port])).toThrow(expect.objectContaining({ code: 'OCISLIM_USAGE' }));
  });
});

describe('requireVolumes', () => {
  it('takes absolute paths alone', () => {
    expect(requireVolumes(['/data'])).toEqual({ '/data': {} });
    expect(() => requireVolumes(['data'])).toThrow(expect.objectContaining({ code: 'OCISLIM_USAGE' }));
  });
});
