import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alpineBases, type RootFilesystem, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, ocislimCommand, type Ran, root, run, succeeded } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { startProcess } from '../support/processes.ts';
import { debianWith, packGo } from '../support/toolchains.ts';
import { openTempDir, USERS, type User, wrapFor } from '../support/users.ts';

/** A language, its toolchain, what its program prints, and further arguments of pack. */
interface Language {
  readonly source: string;
  /** Packages of Debian that make the toolchain, or the image itself. */
  readonly toolchain: readonly string[] | 'rust' | 'node';
  readonly prints: string;
  readonly args: readonly string[];
  /** Whether its program runs on the image that compiles it. */
  readonly isBase?: boolean;
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  C: { source: 'hello-c', toolchain: ['gcc', 'make', 'libc6-dev'], prints: 'hello from C', args: [] },
  'C++': {
    source: 'hello-cpp/hello.cc',
    toolchain: ['g++', 'libc6-dev'],
    prints: 'hello from C++',
    args: [],
  },
  Rust: { source: 'hello-rust', toolchain: 'rust', prints: 'hello from Rust', args: ['--base', 'static'] },
  Java: {
    source: 'hello-java/Hello.java',
    toolchain: ['openjdk-17-jdk-headless', 'grep'],
    prints: 'hello from Java',
    args: ['--jlink', '--base', 'static', '--with-libs'],
  },
  'a script of Node': {
    source: 'hello-node',
    toolchain: 'node',
    prints: 'hello from Node.js true',
    args: ['--compression', 'none'],
    isBase: true,
  },
  'an executable of Node': {
    source: 'hello-node-single',
    toolchain: 'node',
    prints: 'hello from one file',
    args: ['--base', 'static', '--with-libs', '--compression', 'none'],
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
    'cargo',
    'npm',
    'aarch64-linux-gnu-gcc',
  ],
  () => {
    let folder: string;
    let registry: DockerRegistry;
    let docker: DockerEngine;
    let golang: string;
    let npmRegistry: string;
    let rustup: string;

    beforeAll(async () => {
      folder = openTempDir();
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), alpine);
      registry = await startRegistry();
      docker = await startDocker();
      rustup = join((await must('rustc', ['--print', 'sysroot'])).trim(), '../..');
      npmRegistry = (await must('npm', ['config', 'get', 'registry'])).trim();
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
      const env = {
        OCISLIM_HOME: join(store, 'store'),
        HOME: store,
        npm_config_registry: npmRegistry,
        npm_config_cache: join(store, '.npm'),
        RUSTUP_HOME: rustup,
      };
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

    it('runs nothing and fetches nothing of the toolchain where nothing has changed', async () => {
      const cwd = copyOf('hello-go');
      const args = ['pack', './hello-go', '--toolchain', golang, '--base', 'scratch'];
      const first = await as('root', cwd, ...args);
      expect(first.code).toBe(0);
      const before = registry.requests().length;
      const env = { OCISLIM_HOME: join(stores.get('root') ?? '', 'store'), PATH: '/nonexistent' };
      expect(await ocislim(args, { cwd, env })).toMatchObject({ code: 0, stdout: first.stdout });
      const later = registry.requests().slice(before);
      expect(later.map(({ path }) => path).filter((path) => path.includes('/blobs/'))).toEqual([]);
      await succeeded(['cache', 'prune', '--caches'], { cwd, env });
      expect(await ocislim(args, { cwd, env })).toMatchObject({ code: 1 });
    });

    it.each(['root', 'user'] as const)(
      'as %s compiles on this machine and pushes with no sandbox at hand',
      async (user) => {
        const cwd = copyOf('hello-go');
        const goroot = (await must('go', ['env', 'GOROOT'])).trim();
        const store = openTempDir();
        const env = { OCISLIM_HOME: join(store, 'store'), HOME: store, PATH: join(goroot, 'bin') };
        const tag = `${registry.host}/me/hello:${user}`;
        const [command = '', ...wrap] = wrapFor(user);
        const args = [
          ...wrap,
          ...ocislimCommand,
          'pack',
          './hello-go',
          '--base',
          'scratch',
          '-t',
          tag,
          '--push',
        ];
        const program = command === '' ? ocislimCommand[0] : (await must('which', [command])).trim();
        const ran = await run(program, command === '' ? args.slice(1) : args, { cwd, env });
        expect([ran.code, ran.stdout]).toEqual([0, expect.stringMatching(/^127\.0\.0\.1:.*@sha256:/)]);
        expect(await docker.docker(['run', '--rm', '--network', 'none', tag])).toBe('hello from Go\n');
      },
    );

    it('takes away what a build has left to other users', async () => {
      const user = 'user with a range of ids';
      const cwd = openTempDir();
      writeFileSync(join(cwd, 'source'), 'x');
      const leave = 'mkdir -p d/e && chown -R 7:7 d && chmod 0500 d && cp /bin/true made';
      const build = ['--build', leave, '--artifact', 'made', '--toolchain', golang, '--base', 'scratch'];
      const packed = await as(user, cwd, 'pack', '.', ...build, '--check', 'off');
      expect([packed.code, packed.stderr]).toEqual([0, expect.anything()]);
      expect(readdirSync(join(stores.get(user) ?? '', 'store/tmp'))).toEqual([]);
      expect(await as(user, cwd, 'cache', 'prune', '--caches')).toMatchObject({ code: 0 });
    });

    it('ends a build that leaves too little room in the store, and takes away what it has written', async () => {
      const [store, cwd] = [openTempDir(), openTempDir()];
      writeFileSync(join(cwd, 'source'), 'x');
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', store]);
      try {
        const build = ['--build', 'cat /dev/zero > filler; sleep 3456789', '--artifact', 'filler'];
        const args = ['pack', '.', ...build, '--toolchain', `oci:${folder}/alpine`, '--base', 'scratch'];
        const ran = await ocislim(args, { cwd, env: { OCISLIM_HOME: join(store, 'store') } });
        expect(ran.code).toBe(1);
        expect(ran.stderr).toMatch(/^ocislim: .*the command was ended: it left too little room on /m);
        expect([readdirSync(join(store, 'store/tmp')), await sleepers()]).toEqual([[], []]);
      } finally {
        execFileSync('umount', ['-l', store]);
      }
    });

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
      writeFileSync(join(cwd, 'source'), 'x');
      const look = `(env; ls ${root} /root /home; cat /proc/net/dev) >&2; exit 1`;
      const build = ['--build', look, '--artifact', 'program', '--build-env', 'GIVEN=to it'];
      const where = ['--network', 'none', '--toolchain', golang, '--base', 'scratch'];
      const env = { OCISLIM_HOME: join(openTempDir(), 'store'), CANARY: 'secret-of-the-host' };
      const ran = await ocislim(['pack', '.', ...build, ...where], { cwd, env });
      expect(ran.code).toBe(3);
      expect(ran.stderr).not.toContain('secret-of-the-host');
      expect(ran.stderr).toMatch(/^GIVEN=to it$/m);
      expect(ran.stderr).toMatch(/cannot access '?.*'?: No such file/);
      expect(ran.stderr).not.toMatch(/^\s*(?!lo)\w+: +\d/m);
      expect(readdirSync(cwd)).toEqual(['source']);
    });

    describe.each(Object.entries(LANGUAGES))(
      '%s',
      (language, { source, toolchain, prints, args, isBase }) => {
        const [name = ''] = source.split('/');
        let layout: string;
        beforeAll(async () => {
          layout = join(openTempDir(), 'toolchain');
          if (toolchain === 'rust') await packRust(layout);
          else writeBaseLayout(layout, toolchain === 'node' ? await debianWithNode() : debianWith(toolchain));
        }, 180_000);
        afterAll(() => rmSync(layout, { recursive: true, force: true }));

        // As root it is the same sandbox but for who prepares it; two languages, and Go, are enough.
        const users: readonly User[] = ['user', 'user without namespaces'];
        it.each(language === 'C' || language === 'C++' ? ['root' as User, ...users] : users)(
          'is compiled by %s here and in an image, and started',
          async (user) => {
            const tag = `${name}-${user.replaceAll(' ', '-')}:1`;
            // Rust's own installer puts it into the home of whoever runs it.
            const isHidden = user !== 'root' && toolchain === 'rust' && rustup !== '/';
            for (const where of [`oci:${layout}`, ...(isHidden ? [] : ['host'])]) {
              const cwd = copyOf(name);
              const base = isBase ? ['--base', `oci:${layout}`] : [];
              const more = [...args, ...base, '-t', tag, '-o', 'out.tar'];
              const pack = ['pack', `./${source}`, '--toolchain', where, ...more];
              const packed = await as(user, cwd, ...pack, '--check-ignore', 'debug-data');
              expect([language, where, packed.code, packed.code === 0 ? '' : packed.stderr]).toEqual([
                language,
                where,
                0,
                '',
              ]);
              const ran = await as(user, cwd, 'run', '-q', tag);
              expect([where, ran.stdout, ran.code]).toEqual([where, `${prints}\n`, 0]);
              await docker.docker(['load', '-q', '-i', join(cwd, 'out.tar')]);
              const inDocker = await docker.docker(['run', '--rm', '--network', 'none', tag]);
              expect([where, inDocker]).toEqual([where, `${prints}\n`]);
            }
          },
          180_000,
        );
      },
    );

    it('makes an image for each platform that Go compiles for', async () => {
      const cwd = copyOf('hello-go');
      const platforms = ['linux/amd64', 'linux/arm64', 'linux/arm/v6'];
      const args = [
        'pack',
        './hello-go',
        '--toolchain',
        golang,
        '--platform',
        platforms.join(),
        '--base',
        'scratch',
      ];
      const packed = await as('root', cwd, ...args, '--json');
      expect(packed.code).toBe(0);
      const { platforms: made } = JSON.parse(packed.stdout) as { platforms: { platform: string }[] };
      expect(made.map(({ platform }) => platform)).toEqual(platforms);
      expect(JSON.parse((await as('root', cwd, 'check', 'hello', '--json')).stdout)).toMatchObject({
        starts: true,
        platforms,
      });
    });

    it('makes an image for each platform that an image of C has a compiler for', async () => {
      const layout = join(openTempDir(), 'toolchain');
      const packages = ['gcc', 'make', 'libc6-dev', 'gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'];
      writeBaseLayout(layout, debianWith(packages));
      const cwd = copyOf('hello-c');
      const platforms = ['linux/amd64', 'linux/arm64'];
      const args = ['--toolchain', `oci:${layout}`, '--platform', platforms.join(), '--base', 'scratch'];
      const packed = await as('user', cwd, 'pack', './hello-c', ...args, '-t', 'cross:1', '--json');
      expect([packed.code, packed.stderr]).toEqual([0, expect.anything()]);
      expect(JSON.parse((await as('user', cwd, 'check', 'cross:1', '--json')).stdout)).toMatchObject({
        starts: true,
        platforms,
      });
      rmSync(layout, { recursive: true, force: true });
    }, 120_000);

    it.each(['root', 'user', 'user without namespaces'] as const)(
      'leaves nothing behind when %s stops it',
      async (user) => {
        const cwd = openTempDir();
        writeFileSync(join(cwd, 'source'), 'x');
        const store = join(openTempDir(), 'store');
        const env = { ...process.env, OCISLIM_HOME: store, HOME: cwd };
        const build = ['--build', 'echo x; setsid sleep 3456789 & sleep 3456789', '--artifact', 'x'];
        const toolchain = ['--toolchain', golang, '--base', 'scratch', '--progress', 'plain'];
        const [command = '', ...args] = [
          ...wrapFor(user),
          ...ocislimCommand,
          'pack',
          cwd,
          ...build,
          ...toolchain,
        ];
        const isReady = async () => (await sleepers()).length > 0;
        const started = await startProcess(command, args, isReady, { env });
        started.child.kill('SIGINT');
        const [code] = await once(started.child, 'close');
        expect([code, started.output()]).toEqual([130, expect.stringContaining('interrupted')]);
        expect(await sleepers()).toEqual([]);
        expect((await must('mount', [])).split('\n').filter((line) => line.includes(store))).toEqual([]);
        expect(readdirSync(join(store, 'tmp'))).toEqual([]);
      },
      60_000,
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

async function sleepers(): Promise<readonly string[]> {
  const listed = await must('ps', ['-eo', 'args']);
  return listed.split('\n').filter((line) => line.trim() === 'sleep 3456789');
}

/** Debian with Node, and the npm that is used here. */
async function debianWithNode(): Promise<RootFilesystem> {
  const npm = join((await must('npm', ['root', '--global'])).trim(), 'npm');
  return debianWith(['nodejs'], [npm]);
}

/** Debian with a C compiler and this machine's Rust. */
async function packRust(layout: string): Promise<void> {
  const sysroot = (await must('rustc', ['--print', 'sysroot'])).trim();
  if (sysroot === '/usr') {
    writeBaseLayout(layout, debianWith(['rustc', 'cargo', 'gcc', 'libc6-dev']));
    return;
  }
  const folder = openTempDir();
  writeBaseLayout(join(folder, 'debian'), debianWith(['gcc', 'libc6-dev']));
  const target = 'lib/rustlib/x86_64-unknown-linux-gnu';
  const libraries = readdirSync(join(sysroot, 'lib')).filter((file) => file.includes('.so'));
  const parts = ['bin/cargo', target, ...libraries.map((file) => `lib/${file}`)];
  const env = { OCISLIM_HOME: join(folder, 'store') };
  await succeeded(
    [
      ...['pack', join(sysroot, 'bin/rustc'), '--base', 'oci:debian', '--dest', '/usr/local/bin/rustc'],
      ...parts.flatMap((part) => ['--add', `${join(sysroot, part)}:/usr/local/${part}`]),
      ...['--compression', 'none', '--check', 'off', '-q', '-o', `oci:${layout}`],
    ],
    { cwd: folder, env },
  );
}
