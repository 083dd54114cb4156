import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { must, ocislimCommand, packed, root, run } from '../support/cli.ts';
import { podmanArgs, startContainerd, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { type Background, startProcess } from '../support/processes.ts';
import { tempDir } from '../support/temp.ts';

interface Serving {
  readonly host: string;
  readonly digest: string;
  readonly imageId: string;
  readonly server: Background;
}

/** A packed image, and `ocislim serve` as people start it. */
async function serving(source: readonly string[] = []): Promise<Serving> {
  const folder = tempDir();
  const env = { OCISLIM_HOME: tempDir(), HOME: tempDir() };
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  const made = await packed(['pack', './hello', '-t', 'me/hello:1', '-o', `oci:${join(folder, 'layout')}`], {
    cwd: folder,
    env,
  });
  const sources = source.map((each) => each.replace('LAYOUT', join(folder, 'layout')));
  const [command, ...words] = ocislimCommand;
  const args = [...words, 'serve', ...sources, '--port', '0', '-v'];
  const server = await startProcess(command, args, (out) => out.includes('Ctrl-C'), { env });
  const host = /^127\.0\.0\.1:\d+$/m.exec(server.output())?.[0] ?? '';
  return { host, digest: made.digest, imageId: made.platforms[0]?.imageId ?? '', server };
}

describeWithPeers('ocislim serve', ['dockerd', 'docker', 'podman', 'skopeo', 'ctr', 'containerd'], () => {
  it('ends when it is interrupted, as the contract says', async () => {
    const { server } = await serving();
    const ended = new Promise((resolve) => server.child.once('exit', (code) => resolve(code)));
    server.child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(server.output()).not.toMatch(/^ocislim:/m);
  });

  it('lets docker pull from the store', async () => {
    const { host, digest, imageId, server } = await serving();
    const engine = await startDocker();
    try {
      await engine.docker(['pull', `${host}/me/hello:1`]);
      const inspected = await engine.docker([
        'inspect',
        '--format',
        '{{.Id}} {{.RepoDigests}}',
        `${host}/me/hello:1`,
      ]);
      // The classic store shows the configuration's digest.
      expect(inspected.trim()).toBe(`${imageId} [${host}/me/hello@${digest}]`);
    } finally {
      await engine.stop();
      await server.stop();
    }
  });

  it.each([
    ['the store', []],
    ['a layout', ['oci:LAYOUT']],
  ])('lets podman and skopeo pull from %s', async (_, source) => {
    const { host, digest, server } = await serving(source);
    try {
      const name = `${host}/me/hello:1`;
      const podman = podmanArgs();
      await must('podman', [...podman, 'pull', '--tls-verify=false', name]);
      const shown = await must('podman', [...podman, 'image', 'inspect', '--format', '{{.Digest}}', name]);
      expect(shown.trim()).toBe(digest);
      const folder = tempDir();
      await must('skopeo', ['copy', '--src-tls-verify=false', `docker://${name}`, `oci:${folder}/out:1`]);
      const index = await must('cat', [join(folder, 'out/index.json')]);
      expect(JSON.parse(index).manifests[0].digest).toBe(digest);
      const tags = await must('skopeo', ['list-tags', '--tls-verify=false', `docker://${host}/me/hello`]);
      expect(JSON.parse(tags).Tags).toEqual(['1']);
      const pushed = await run('skopeo', [
        'copy',
        '--dest-tls-verify=false',
        `oci:${folder}/out:1`,
        `docker://${host}/me/new:1`,
      ]);
      expect(pushed.code).not.toBe(0);
    } finally {
      await server.stop();
    }
  });

  it.runIf(asRoot.met)('lets containerd pull', async () => {
    const { host, digest, server } = await serving();
    const engine = await startContainerd();
    try {
      await engine.ctr(['images', 'pull', '--plain-http', `${host}/me/hello:1`]);
      expect(await engine.ctr(['images', 'ls'])).toContain(digest);
    } finally {
      await engine.stop();
      await server.stop();
    }
  });
});
