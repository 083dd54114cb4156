import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, packed, root, succeeded } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { elfProgram } from '../support/elf.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

describeWithPeers('`ocislim check` of an image', ['docker-registry', 'skopeo'], () => {
  let folder: string;
  let registry: DockerRegistry;
  const options = () => ({ cwd: folder, env: { OCISLIM_HOME: tempDir(), HOME: tempDir() } });

  beforeAll(async () => {
    folder = tempDir();
    for (const name of ['hello', 'hello-arm64'])
      copyFileSync(join(root, 'testdata', name), join(folder, name));
    copyFileSync(join(folder, 'hello'), join(folder, 'hello-amd64'));
    writeFileSync(join(folder, 'glibc'), elfProgram({ interpreter: '/lib64/ld-linux-x86-64.so.2\0' }));
    for (const base of alpineBases()) writeBaseLayout(join(folder, `alpine-${base.architecture}`), base);
    registry = await startRegistry();
  });
  afterAll(() => registry.stop());

  it('in a registry looks at each of its platforms', async () => {
    const tag = `${registry.host}/me/hello:1`;
    const platforms = ['--platform', 'linux/amd64,linux/arm64'];
    await packed(
      ['pack', './hello-{arch}', ...platforms, '--base', 'scratch', '-t', tag, '--push'],
      options(),
    );
    const checked = await succeeded(['check', tag, '--json'], options());
    expect(JSON.parse(checked)).toMatchObject({
      name: tag,
      platforms: ['linux/amd64', 'linux/arm64'],
      starts: true,
      check: [],
    });
    const one = await succeeded(['check', tag, '--platform', 'linux/arm64', '--json'], options());
    expect(JSON.parse(one)).toMatchObject({ platforms: ['linux/arm64'], starts: true });
    expect(await succeeded(['check', tag], options())).toBe(`${tag}: will start\n`);
  });

  it('that will not start is exit code 6, but for what is to be ignored', async () => {
    const tag = `${registry.host}/me/glibc:1`;
    const base = ['--base', 'oci:alpine-amd64'];
    await packed(['pack', './glibc', ...base, '-t', tag, '--push', '--check', 'off'], options());
    const failed = await ocislim(['check', tag], options());
    expect(failed.code).toBe(6);
    expect(failed.stdout).toMatch(
      /^error: \/usr\/local\/bin\/glibc needs the loader .* \[interpreter-missing\]$/m,
    );
    expect(failed.stdout).toMatch(/^ {2}hint: link it statically/m);
    expect(failed.stdout).toContain(`${tag}: will not start\n`);
    const json = await ocislim(['check', tag, '--json'], options());
    expect(json.code).toBe(6);
    expect(JSON.parse(json.stdout)).toMatchObject({
      starts: false,
      check: [{ rule: 'interpreter-missing', level: 'error' }],
    });
    expect(await ocislim(['check', tag, '--check', 'warn'], options())).toMatchObject({ code: 0 });
    const ignoring = await ocislim(['check', tag, '--check-ignore', 'interpreter-missing'], options());
    expect(ignoring).toMatchObject({ code: 0, stdout: `${tag}: will start\n` });
  });

  it('fetches nothing of a layer that it looked at before', async () => {
    const tag = `${registry.host}/me/alpine:1`;
    const env = { ...options().env };
    await succeeded(['copy', 'oci:alpine-amd64', `docker://${tag}`], { cwd: folder, env });
    const fresh = { cwd: folder, env: { OCISLIM_HOME: tempDir(), HOME: tempDir() } };
    const first = await succeeded(['check', tag, '--json'], fresh);
    const before = registry.requests().length;
    expect(await succeeded(['check', tag, '--json'], fresh)).toBe(first);
    const blobs = registry
      .requests()
      .slice(before)
      .filter(({ path }) => path.includes('/blobs/'));
    // The configuration at most.
    expect(blobs.length).toBeLessThanOrEqual(1);
  });

  it('that another tool wrote is looked at all the same', async () => {
    await succeeded(['pack', './hello', '--base', 'oci:alpine-amd64', '-o', 'oci:hello.oci'], options());
    const archive = ['copy', '--insecure-policy', 'oci:hello.oci', 'docker-archive:hello.tar:hello:1'];
    await must('skopeo', archive, { cwd: folder });
    expect(await succeeded(['check', 'docker-archive:hello.tar'], options())).toBe('hello:1: will start\n');
  });

  it('looks at a program on a base as pack would, and writes nothing', async () => {
    const { env } = options();
    const on = (...base: readonly string[]) => ocislim(['check', './glibc', ...base], { cwd: folder, env });
    expect(await on('--base', 'oci:alpine-amd64')).toMatchObject({
      code: 6,
      stdout: expect.stringContaining('./glibc on oci:alpine-amd64: will not start\n'),
    });
    expect(await succeeded(['images', '--json'], { cwd: folder, env })).toMatch(/^\[\s*\]|"images":\s*\[\]/);
    const nothing = await ocislim(['check'], { cwd: folder, env });
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toBe(
      'ocislim: check what? No path was given\nhint: for example: ocislim check ./hello\n',
    );
  });
});
