import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { ocislim, type Ran, root } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { debianWith, packGo } from '../support/toolchains.ts';
import { openTempDir, USERS, type User, wrapFor } from '../support/users.ts';

/** A language, the packages that its toolchain is made of, what it prints, and further arguments of pack. */
interface Language {
  readonly source: string;
  readonly packages: readonly string[];
  readonly prints: string;
  readonly args: readonly string[];
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  C: { source: 'hello-c', packages: ['gcc', 'make', 'libc6-dev'], prints: 'hello from C', args: [] },
  'C++': { source: 'hello-cpp/hello.cc', packages: ['g++'], prints: 'hello from C++', args: [] },
  Java: {
    source: 'hello-java/Hello.java',
    packages: ['openjdk-17-jdk-headless', 'grep'],
    prints: 'hello from Java',
    args: ['--jlink', '--base', 'scratch', '--with-libs'],
  },
};

describeWithPeers(
  'compiling in an image',
  [
    'bwrap',
    'proot',
    'unshare',
    'newuidmap',
    'docker-registry',
    'dockerd',
    'docker',
    'go',
    'gcc',
    'g++',
    'javac',
  ],
  () => {
    let folder: string;
    let registry: DockerRegistry;
    let docker: DockerEngine;
    let golang: string;

    beforeAll(async () => {
      folder = openTempDir();
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), alpine);
      registry = await startRegistry();
      docker = await startDocker();
      golang = `${registry.host}/golang:1`;
      writeBaseLayout(join(folder, 'debian'), debianWith([]));
      const env = { OCISLIM_HOME: join(openTempDir(), 'store') };
      await packGo(folder, ['-t', golang, '--push'], { cwd: folder, env });
    }, 300_000);
    afterAll(async () => {
      await registry.stop();
      await docker.stop();
    });

    const stores = new Map<User, string>();
    function as(user: User, cwd: string, ...args: readonly string[]): Promise<Ran> {
      const store = stores.get(user) ?? openTempDir();
      stores.set(user, store);
      const env = { OCISLIM_HOME: join(store, 'store'), HOME: store };
      return ocislim(args, { cwd, env, wrap: wrapFor(user) });
    }
    const copyOf = (source: string) => {
      const copy = openTempDir();
      cpSync(join(root, 'testdata', source), join(copy, source), { recursive: true });
      execFileSync('chmod', ['-R', 'a+rwX', copy]);
      return copy;
    };

    it.each(USERS)(
      'as %s compiles Go, packs it on Alpine, and starts it',
      async (user) => {
        const [first, second] = [copyOf('hello-go'), copyOf('hello-go')];
        const pack = (cwd: string, ...more: string[]) =>
          as(user, cwd, 'pack', './hello-go', '--base', `oci:${folder}/alpine`, '-t', 'hello:1', ...more);
        const inside = await pack(first, '--toolchain', golang, '-o', 'hello.tar', '--smoke');
        expect(inside).toMatchObject({ code: 0 });
        expect(await as(user, first, 'run', '-q', 'hello:1')).toMatchObject({
          code: 0,
          stdout: 'hello from Go\n',
        });
        await docker.docker(['load', '-q', '-i', join(first, 'hello.tar')]);
        expect(await docker.docker(['run', '--rm', '--network', 'none', 'hello:1'])).toBe('hello from Go\n');

        // The same on this machine, from another folder, and without what is kept.
        const outside = await pack(second, '--toolchain', 'host', '-o', 'oci:out', '--no-cache');
        expect([outside.code, outside.stdout]).toEqual([0, inside.stdout]);
        const again = await pack(first, '--toolchain', golang, '-o', 'oci:out');
        expect([again.code, again.stdout]).toEqual([0, inside.stdout]);
        expect(again.stderr).toContain('nothing has changed since it was compiled');
        const store = join(stores.get(user) ?? '', 'store');
        expect(readdirSync(join(store, 'tmp'))).toEqual([]);
      },
      120_000,
    );

    it('shows what the compiler says, with exit code 3', async () => {
      const cwd = copyOf('hello-go');
      writeFileSync(join(cwd, 'hello-go/broken.go'), 'package main\n\nfunc broken( {\n');
      const args = ['pack', './hello-go', '--toolchain', golang, '--base', 'scratch'];
      const failed = await as('root', cwd, ...args);
      expect(failed).toMatchObject({ code: 3, stdout: '' });
      expect(failed.stderr).toMatch(/broken\.go:3:\d+: syntax error/);
      expect(failed.stderr).toMatch(/^ocislim: go build failed with exit code 1$/m);
      const json = await as('root', cwd, ...args, '--json');
      expect(JSON.parse(json.stdout)).toMatchObject({
        error: {
          code: 'OCISLIM_COMPILE_FAILED',
          output: expect.arrayContaining([expect.stringMatching(/syntax error/)]),
        },
      });
    });

    it('gives the compiler no network, no file and no variable of this machine that it was not given', async () => {
      const cwd = openTempDir();
      const look = `(env; ls ${root} /root /home; cat /proc/net/dev) > found 2>&1; cp /bin/true program`;
      const args = ['--build', look, '--artifact', 'program', '--network', 'none', '--toolchain', golang];
      writeFileSync(join(cwd, 'source'), 'x');
      const keep = ['--build', `${look}; cat found >&2; exit 1`, ...args.slice(2)];
      const env = { OCISLIM_HOME: join(openTempDir(), 'store'), CANARY: 'secret-of-the-host' };
      const ran = await ocislim(['pack', '.', ...keep, '--base', 'scratch'], { cwd, env });
      expect(ran.code).toBe(3);
      expect(ran.stderr).not.toContain('secret-of-the-host');
      expect(ran.stderr).toMatch(/cannot access '?.*'?: No such file/);
      expect(ran.stderr).not.toMatch(/^\s*(?!lo)\w+: +\d/m);
      expect(readdirSync(cwd)).toEqual(['source']);
    });

    it.each(Object.entries(LANGUAGES))(
      'compiles %s, and Docker starts it',
      async (language, each) => {
        const { source, packages, prints, args } = each;
        const [name = ''] = source.split('/');
        const cwd = copyOf(name);
        writeBaseLayout(join(cwd, 'toolchain'), debianWith(packages));
        const tag = `compiled-${name}:1`;
        const pack = [
          'pack',
          `./${source}`,
          '--toolchain',
          'oci:toolchain',
          ...args,
          '-t',
          tag,
          '-o',
          'out.tar',
        ];
        const packed = await as('root', cwd, ...pack, '--smoke', '--check-ignore', 'debug-data');
        expect([language, packed.code, packed.stderr]).toEqual([language, 0, expect.anything()]);
        await docker.docker(['load', '-q', '-i', join(cwd, 'out.tar')]);
        expect(await docker.docker(['run', '--rm', '--network', 'none', tag])).toBe(`${prints}\n`);
        rmSync(join(cwd, 'toolchain'), { recursive: true });
      },
      180_000,
    );

    it('says which image it would take where a toolchain is missing', async () => {
      const cwd = copyOf('hello-go');
      const env = { OCISLIM_HOME: join(openTempDir(), 'store'), PATH: '/nonexistent' };
      const failed = await ocislim(['pack', './hello-go', '--toolchain', 'host'], { cwd, env });
      expect(failed.code).toBe(3);
      expect(failed.stderr).toMatch(/^ocislim: Go: go not found in PATH/m);
      expect(failed.stderr).toMatch(/^hint: .*--toolchain golang:/m);
    });
  },
  asRoot,
);
