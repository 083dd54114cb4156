import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { root, run, succeeded } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { debianWith, packGo } from '../support/toolchains.ts';
import { openTempDir } from '../support/users.ts';

/** What CI systems give a job that nobody trusts; the seccomp profile is Docker's own. */
const CONFINED = ['--user', '1000', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];

describeWithPeers(
  'a container without privileges',
  ['docker', 'dockerd', 'docker-registry', 'proot', 'go'],
  () => {
    let registry: DockerRegistry;
    let docker: DockerEngine;

    beforeAll(async () => {
      registry = await startRegistry();
      docker = await startDocker();
      const folder = openTempDir();
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), alpine);
      writeBaseLayout(join(folder, 'debian'), debianWith([]));
      for (const [name, packages] of [
        ['with-proot', ['nodejs', 'proot']],
        ['without', ['nodejs']],
      ] as const)
        writeBaseLayout(join(folder, name), debianWith(packages));
      const options = { cwd: folder, env: { OCISLIM_HOME: join(folder, 'store') } };
      await packGo(folder, ['-t', `${registry.host}/golang:1`, '--push'], options);
      await succeeded(['copy', 'oci:alpine', `docker://${registry.host}/alpine:3`], options);
      for (const name of ['with-proot', 'without']) {
        await succeeded(['copy', `oci:${name}`, `docker-archive:${name}.tar:${name}:1`], options);
        await docker.docker(['load', '-q', '-i', join(folder, `${name}.tar`)]);
      }
    }, 300_000);
    afterAll(async () => {
      await registry.stop();
      await docker.stop();
    });

    /** Runs `ocislim` in a confined container, in a writable volume with the source in it. */
    async function confined(image: string, options: readonly string[], args: readonly string[]) {
      const volume = openTempDir();
      cpSync(join(root, 'testdata/hello-go'), join(volume, 'hello-go'), { recursive: true });
      cpSync(join(root, 'testdata/hello'), join(volume, 'hello'));
      mkdirSync(join(volume, 'tmp'), { mode: 0o777 });
      const env = [
        '-e',
        'HOME=/job',
        '-e',
        'OCISLIM_HOME=/job/store',
        '-e',
        'TMPDIR=/job/tmp',
        '-e',
        'CI=true',
      ];
      const mounts = ['-v', `${volume}:/job`, '-v', `${root}:/ocislim:ro`, '-w', '/job'];
      const container = ['run', '--rm', '--network', 'host', ...CONFINED, ...options, ...env, ...mounts];
      const command = ['node', '/ocislim/bin/ocislim.js', ...args];
      return run('docker', [...container, `${image}:1`, ...command], { env: docker.env });
    }
    const started = (tag: string) => docker.docker(['run', '--rm', '--network', 'none', tag]);

    it.each([
      ['', []],
      ['with a root that cannot be written', ['--read-only']],
    ])(
      'compiles in a toolchain image, packs on Alpine and pushes %s',
      async (_, options) => {
        const tag = `${registry.host}/me/hello:${options.length}`;
        const base = ['--toolchain', `${registry.host}/golang:1`, '--base', `${registry.host}/alpine:3`];
        const ran = await confined('with-proot', options, [
          'pack',
          './hello-go',
          ...base,
          '-t',
          tag,
          '--push',
        ]);
        expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('compiled')]);
        expect(await started(tag)).toBe('hello from Go\n');
        const doctor = await confined('with-proot', options, ['doctor']);
        expect(doctor.stdout).toMatch(/^ok\s+sandbox\s+proot/m);
      },
      180_000,
    );

    it('packs a ready program and pushes it with no sandbox at all', async () => {
      const tag = `${registry.host}/me/ready:1`;
      const ran = await confined('without', ['--read-only'], ['pack', './hello', '-t', tag, '--push']);
      expect([ran.code, ran.stderr]).toEqual([0, expect.anything()]);
      expect(await started(tag)).toBe('hello world\n');
    });

    const COMPILE = ['pack', './hello-go', '--toolchain'];
    it.each([
      [
        'compiling',
        () => [...COMPILE, `${registry.host}/golang:1`, '--base', 'scratch'],
        'or compile on the host with --toolchain host;',
      ],
      [
        'a smoke test',
        () => ['pack', './hello', '--base', 'scratch', '--smoke'],
        'or deliver it untried, without --smoke;',
      ],
      [
        'a run',
        () => ['run', `docker://${registry.host}/alpine:3`, 'true'],
        'or start it with an engine: ocislim copy docker://',
      ],
    ] as const)(
      'says what is blocked, and the ways out, where %s would need one',
      async (_, args, wayOut) => {
        const ran = await confined('without', [], args());
        expect(ran.code).toBe(1);
        expect(ran.stderr).toMatch(
          /^ocislim: .*no sandbox works here \(bubblewrap as .*; proot.*not installed\)$/m,
        );
        const [hint = ''] = /^hint: .*$/m.exec(ran.stderr) ?? [];
        expect(hint).toMatch(
          /^hint: install bubblewrap, or proot.*seccomp.*`ocislim doctor` shows what works$/,
        );
        expect(hint).toContain(wayOut);
        expect(hint.match(/; or /g)).toHaveLength(1);
      },
    );
  },
  asRoot,
);
