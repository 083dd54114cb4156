import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { validateArtifact } from '../../src/image/validate.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, ocislimCommand, packed, root, run, succeeded } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, podmanArgs, startContainerd, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

let registry: DockerRegistry;
let folder: string;
let env: NodeJS.ProcessEnv;
/** Digests of Alpine's one layer, by architecture. */
const baseLayers: Record<string, string> = {};

/** The command of the README and of the issue, against the registry of this test. */
function packHello(more: readonly string[] = [], options: { store?: string } = {}) {
  const mirror = `docker.io=http://${registry.host}`;
  return packed(['pack', './hello', '--base', 'alpine', '--mirror', mirror, ...more], {
    cwd: folder,
    env: { ...env, ...(options.store === undefined ? {} : { OCISLIM_HOME: options.store }) },
  });
}

const uploadsTo = (repository: string) =>
  registry
    .requests()
    .filter(({ method, path }) => method !== 'HEAD' && path.startsWith(`/v2/${repository}/blobs/uploads`));

describeWithPeers('the main job', ['docker-registry'], () => {
  beforeAll(async () => {
    registry = await startRegistry();
    folder = tempDir();
    env = { OCISLIM_HOME: tempDir(), HOME: tempDir() };
    copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
    const sources: string[] = [];
    for (const base of alpineBases()) {
      const path = join(folder, `alpine-${base.architecture}`);
      mkdirSync(path);
      baseLayers[base.architecture] = writeBaseLayout(path, base);
      sources.push(`oci:${path}`);
    }
    await succeeded(['index', 'create', `${registry.host}/library/alpine:latest`, ...sources, '--push'], {
      cwd: folder,
      env,
    });
  });
  afterAll(() => registry.stop());

  it("makes an image of exactly Alpine's layer plus one, everywhere it was asked for", async () => {
    const tag = `${registry.host}/me/hello:1`;
    const result = await packHello([
      '-t',
      tag,
      '--push',
      '-o',
      'docker-archive:hello.tar',
      '-o',
      'oci:hello.oci',
    ]);
    const [made] = result.platforms;
    expect(made?.layers.map((layer) => layer.origin)).toEqual(['base', 'app']);
    expect(made?.layers[0]?.digest).toBe(baseLayers['amd64']);
    expect(made?.platform).toBe('linux/amd64');
    const context = await testContext({ cwd: folder });
    for (const place of ['oci:hello.oci', 'docker-archive:hello.tar']) {
      const { artifact, reference } = await openSource(parseLocation(place), context);
      expect(artifact.descriptor.digest).toBe(result.digest);
      expect(reference).toBe(tag);
      expect(await validateArtifact(artifact)).toEqual([]);
    }
    const pushed = await fetch(`http://${registry.host}/v2/me/hello/manifests/1`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    expect(pushed.headers.get('docker-content-digest')).toBe(result.digest);
    expect(await pushed.json()).toMatchObject({
      annotations: { 'org.opencontainers.image.base.name': 'docker.io/library/alpine:latest' },
    });
  });

  it('uploads no byte of the base where the registry can mount it', async () => {
    const result = await packHello(['-t', `${registry.host}/mounted/hello:1`, '--push'], {
      store: tempDir(),
    });
    const [base, app] = result.platforms[0]?.layers ?? [];
    const uploads = uploadsTo('mounted/hello');
    const mounts = uploads.filter(({ path }) => path.includes('mount='));
    expect(
      mounts.map(({ status, path }) => [
        status,
        path.includes(encodeURIComponent(base?.digest ?? '')) || path.includes(base?.digest ?? ''),
      ]),
    ).toContainEqual([201, true]);
    const sent = uploads.filter(({ method }) => method === 'PUT' || method === 'PATCH');
    const names = (digest: string | undefined) =>
      sent.filter(({ path }) => decodeURIComponent(path).includes(digest ?? 'none'));
    expect(names(base?.digest)).toEqual([]);
    // What was sent is the program's layer and the config.
    expect(names(app?.digest).length).toBe(1);
    expect(sent.length).toBe(2);
  });

  it('uploads nothing at all the second time', async () => {
    const options = ['-t', `${registry.host}/again/hello:1`, '--push'];
    const first = await packHello(options);
    const sent = () => uploadsTo('again/hello').filter(({ method }) => /^P(UT|ATCH)$/.test(method)).length;
    const before = sent();
    const second = await packHello([...options, '-t', `${registry.host}/again/hello:2`]);
    expect(second.digest).toBe(first.digest);
    expect(sent()).toBe(before);
    const tags = await fetch(`http://${registry.host}/v2/again/hello/tags/list`);
    expect(((await tags.json()) as { tags: string[] }).tags.sort()).toEqual(['1', '2']);
  });

  it('reads the base from the store when it is offline', async () => {
    const online = await packHello([]);
    const before = registry.requests().length;
    const offline = await packHello(['--offline', '-o', 'oci:offline.oci']);
    expect(offline.digest).toBe(online.digest);
    expect(registry.requests().length).toBe(before);
  });

  it('packs a program for each platform into one index', async () => {
    mkdirSync(join(folder, 'dist'));
    copyFileSync(join(root, 'testdata/hello'), join(folder, 'dist/hello-linux-amd64'));
    copyFileSync(join(root, 'testdata/hello-arm64'), join(folder, 'dist/hello-linux-arm64'));
    const mirror = `docker.io=http://${registry.host}`;
    const tag = `${registry.host}/multi/hello:1`;
    const result = await packed(
      ['pack', './dist/hello-{os}-{arch}', '--base', 'alpine', '--mirror', mirror, '-t', tag, '--push'],
      { cwd: folder, env },
    );
    expect(result.platforms.map(({ platform, layers }) => [platform, layers[0]?.digest])).toEqual([
      ['linux/amd64', baseLayers['amd64']],
      ['linux/arm64', baseLayers['arm64']],
    ]);
    const list = await ocislim(['inspect', '--json', tag], {
      cwd: folder,
      env: { ...env, OCISLIM_HOME: tempDir() },
    });
    expect(JSON.parse(list.stdout)).toMatchObject({ digest: result.digest });
  });

  it('says which platforms the base has when it lacks the one that is needed', async () => {
    const mirror = `docker.io=http://${registry.host}`;
    const ran = await ocislim(
      ['pack', './hello', '--base', 'alpine', '--platform', 'linux/s390x', '--mirror', mirror],
      { cwd: folder, env },
    );
    expect(ran.code).toBe(6);
    expect(ran.stderr).toContain('hello is a program for linux/amd64, not for linux/s390x');
    const script = join(folder, 'script');
    await must('sh', ['-c', `printf '#!/bin/sh\\necho hi\\n' > ${script}`]);
    const other = await ocislim(
      ['pack', script, '--base', 'alpine', '--platform', 'linux/s390x', '--mirror', mirror],
      { cwd: folder, env },
    );
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toContain(
      'ocislim: base alpine: no image for linux/s390x; it has linux/amd64, linux/arm64',
    );
  });

  it('lists what the store has as docker images does, and removes it', async () => {
    const store = tempDir();
    const mine = { cwd: folder, env: { ...env, OCISLIM_HOME: store } };
    await packHello(['-t', 'me/hello:1', '-o', 'oci:listed.oci'], { store });
    const listed = await ocislim(['images'], mine);
    expect(listed.stdout.split('\n')[0]).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE +PULL$/);
    expect(listed.stdout.split('\n')[1]).toMatch(
      /^me\/hello +1 +[0-9a-f]{12} +\d+ years ago +[\d.]+MB +[\d.]+MB$/,
    );
    expect(await ocislim(['tag', 'me/hello:1', 'other:2'], mine)).toMatchObject({ code: 0 });
    expect(await ocislim(['rmi', 'me/hello:1'], mine)).toMatchObject({ code: 0 });
    expect((await ocislim(['images', '--json'], mine)).stdout).toContain('"name":"other:2"');
    const gone = await ocislim(['inspect', 'store:me/hello:1'], mine);
    expect(gone).toMatchObject({ code: 1, stdout: '' });
  });

  it('pulls, pushes and copies', async () => {
    const mine = { cwd: folder, env: { ...env, OCISLIM_HOME: tempDir() } };
    const { digest } = await packHello(['-t', `${registry.host}/moved/hello:1`, '--push']);
    const pulled = await ocislim(['pull', `${registry.host}/moved/hello:1`], mine);
    expect(pulled.stdout.trim()).toBe(`${registry.host}/moved/hello:1@${digest}`);
    const pushed = await ocislim(
      ['push', `${registry.host}/moved/hello:1`, `${registry.host}/moved/again:1`],
      mine,
    );
    expect(pushed.stdout.trim()).toBe(`${registry.host}/moved/again:1@${digest}`);
    const copied = await ocislim(['copy', `${registry.host}/moved/again:1`, 'oci:copied.oci'], mine);
    expect(copied.code).toBe(0);
    const { artifact } = await openSource(
      parseLocation('oci:copied.oci'),
      await testContext({ cwd: folder }),
    );
    expect(artifact.descriptor.digest).toBe(digest);
  });
});

describeWithPeers(
  'real engines',
  ['docker-registry', 'dockerd', 'docker', 'podman', 'containerd', 'ctr', 'skopeo', 'umoci'],
  () => {
    let docker: DockerEngine;
    const tag = () => `${registry.host}/engines/hello:1`;
    beforeAll(async () => {
      registry = await startRegistry();
      folder = tempDir();
      env = { OCISLIM_HOME: tempDir(), HOME: tempDir() };
      copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
      const [amd64] = alpineBases();
      if (amd64 === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), amd64);
      await succeeded(['copy', 'oci:alpine', `${registry.host}/library/alpine:latest`], { cwd: folder, env });
      docker = await startDocker();
      await packHello(['-t', tag(), '--push', '-o', 'docker-archive:hello.tar', '-o', 'oci:hello.oci']);
    });
    afterAll(async () => {
      await docker?.stop();
      await registry?.stop();
    });
    const hello = { stdout: 'hello world\n' };

    it('dockerd loads the archive and runs it', async () => {
      expect(await docker.docker(['load', '-i', join(folder, 'hello.tar')])).toContain(
        `Loaded image: ${tag()}`,
      );
      expect(await docker.docker(['run', '--rm', '--network', 'none', tag()])).toBe(hello.stdout);
      const listed = await ocislim(['images', '--json', tag()], { cwd: folder, env });
      const [image] = JSON.parse(listed.stdout);
      const inspected = JSON.parse(await docker.docker(['image', 'inspect', tag()]));
      expect(inspected[0]).toMatchObject({ Id: image.imageId, Size: image.size });
      await docker.docker(['rmi', tag()]);
    });

    it('dockerd pulls the pushed image and runs it', async () => {
      await docker.docker(['pull', tag()]);
      expect(await docker.docker(['run', '--rm', '--network', 'none', '--user', '1000', tag()])).toBe(
        hello.stdout,
      );
    });

    it('dockerd keeps the modes of folders of the base that files were added to', async () => {
      await packHello([
        '-t',
        'modes:1',
        '-o',
        'docker-archive:modes.tar',
        '--add',
        'hello:/tmp/hello',
        '--add',
        'hello:/opt/new/hello',
      ]);
      await docker.docker(['load', '-i', join(folder, 'modes.tar')]);
      const shell = [
        'run',
        '--rm',
        '--network',
        'none',
        '--user',
        '1000',
        '--entrypoint',
        '/bin/busybox',
        'modes:1',
      ];
      const modes = await docker.docker([
        ...shell,
        'stat',
        '-c',
        '%a %n',
        '/tmp',
        '/opt/new',
        '/usr/local/bin',
        '/opt/new/hello',
      ]);
      expect(modes.trim().split('\n')).toEqual([
        '1777 /tmp',
        '755 /opt/new',
        '755 /usr/local/bin',
        '755 /opt/new/hello',
      ]);
    });

    it('--load gives it to the engine, and docker-daemon: reads it back', async () => {
      const options = { cwd: folder, env: { ...env, ...docker.env } };
      const loaded = await ocislim(
        ['pack', './hello', '--base', 'oci:alpine', '-t', 'loaded:1', '--load', '--json'],
        options,
      );
      expect(loaded).toMatchObject({ code: 0 });
      expect(JSON.parse(loaded.stdout).outputs).toEqual([{ type: 'docker-daemon', dest: 'loaded:1' }]);
      expect(await docker.docker(['run', '--rm', '--network', 'none', 'loaded:1'])).toBe(hello.stdout);
      expect(await ocislim(['copy', 'docker-daemon:loaded:1', 'oci:from-docker'], options)).toMatchObject({
        code: 0,
      });
      const { artifact } = await openSource(
        parseLocation('oci:from-docker'),
        await testContext({ cwd: folder }),
      );
      expect(await validateArtifact(artifact)).toEqual([]);
    });

    it('podman loads the archive', async () => {
      const podman = podmanArgs();
      expect(await must('podman', [...podman, 'load', '-i', join(folder, 'hello.tar')])).toContain(tag());
      const inspected = JSON.parse(await must('podman', [...podman, 'image', 'inspect', tag()]));
      expect(inspected[0].Config.Entrypoint).toEqual(['/usr/local/bin/hello']);
      expect(inspected[0].RootFS.Layers.length).toBe(2);
    });

    it('ctr imports the archive under the same digest', async () => {
      const containerd = await startContainerd();
      try {
        await containerd.ctr(['images', 'import', join(folder, 'hello.tar')]);
        const index = JSON.parse(readFileSync(join(folder, 'hello.oci/index.json'), 'utf8'));
        const list = await containerd.ctr(['images', 'list']);
        expect(list).toContain(tag());
        expect(list).toContain(index.manifests[0].digest);
        expect(await containerd.ctr(['images', 'check'])).toMatch(/complete \((\d)\/\1\)/);
      } finally {
        await containerd.stop();
      }
    });

    it('skopeo copies the archive and inspects the layout', async () => {
      await must('skopeo', [
        'copy',
        `docker-archive:${join(folder, 'hello.tar')}`,
        `dir:${join(folder, 'dir')}`,
      ]);
      const copied = JSON.parse(readFileSync(join(folder, 'dir/manifest.json'), 'utf8'));
      const inspected = JSON.parse(await must('skopeo', ['inspect', `oci:${join(folder, 'hello.oci')}:1`]));
      expect(inspected).toMatchObject({ Architecture: 'amd64', Os: 'linux' });
      expect(inspected.Layers.length).toBe(2);
      expect(copied.layers.length).toBe(2);
      const index = JSON.parse(readFileSync(join(folder, 'hello.oci/index.json'), 'utf8'));
      expect(inspected.Digest).toBe(index.manifests[0].digest);
    });

    it('umoci unpacks the layout to the program and its base', async () => {
      const bundle = join(folder, 'bundle');
      await must('umoci', ['unpack', '--rootless', '--image', `${join(folder, 'hello.oci')}:1`, bundle]);
      expect(await must(join(bundle, 'rootfs/usr/local/bin/hello'), [])).toBe(hello.stdout);
      expect(existsSync(join(bundle, 'rootfs/bin/busybox'))).toBe(true);
    });

    it('an archive goes to docker load through a pipe', async () => {
      const piped = await run(
        'bash',
        [
          '-o',
          'pipefail',
          '-c',
          '"$0" "$@" pack ./hello --base oci:alpine -t piped:1 -o - | docker load',
          ...ocislimCommand,
        ],
        { cwd: folder, env: { ...env, ...docker.env } },
      );
      expect(piped).toMatchObject({ code: 0, stdout: expect.stringContaining('Loaded image: piped:1') });
    });
  },
  asRoot,
);
