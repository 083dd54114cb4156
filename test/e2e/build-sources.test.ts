import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, ocislimCommand, type Ran, type RunOptions, succeeded } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { type Background, freePort, startProcess } from '../support/processes.ts';
import { debianWith, packGo } from '../support/toolchains.ts';
import { openTempDir, USERS, wrapFor } from '../support/users.ts';

/** How long a command sleeps that is to be stopped; nobody else sleeps so long. */
const SLEEP = '3456791';

describeWithPeers(
  'what `ocislim build` takes, and where it goes',
  ['bwrap', 'proot', 'unshare', 'newuidmap', 'docker-registry', 'skopeo', 'git', 'go'],
  () => {
    let folder: string;
    let registry: DockerRegistry;
    /** The store of tests that do not care. */
    let env: { readonly OCISLIM_HOME: string };

    beforeAll(async () => {
      folder = openTempDir();
      env = { OCISLIM_HOME: join(folder, 'store') };
      registry = await startRegistry();
      const bases = alpineBases();
      for (const base of bases) writeBaseLayout(join(folder, base.architecture), base);
      const members = bases.map(({ architecture }) => `oci:${folder}/${architecture}`);
      await succeeded(['index', 'create', 'alpine', ...members, '-o', `oci:${folder}/alpine`], { env });
    }, 180_000);
    afterAll(() => registry.stop());

    function project(files: Readonly<Record<string, string>>): string {
      const place = openTempDir();
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(place, path)), { recursive: true });
        writeFileSync(join(place, path), content);
      }
      return place;
    }
    const newStore = () => ({ OCISLIM_HOME: join(openTempDir(), 'store') });
    const alpine = () => ['--build-context', `alpine=oci:${folder}/alpine`];
    /** Builds, which must succeed; gives what was printed to standard output. */
    const built = (args: readonly string[], options: RunOptions) =>
      succeeded(['build', ...alpine(), ...args], { ...options, env: { ...env, ...options.env } });
    /** What an image prints when it is started. */
    const printed = async (name: string, own: NodeJS.ProcessEnv = env) =>
      succeeded(['run', '-q', name], { env: own });

    describe('contexts', () => {
      const FILES = {
        Dockerfile: 'FROM alpine\nCOPY said /\nCMD ["cat", "/said"]\n',
        'deploy/Dockerfile': 'FROM alpine\nCOPY deploy/other /said\nCMD ["cat", "/said"]\n',
        said: 'said\n',
        'deploy/other': 'other\n',
      };
      const tarOf = (place: string) => execFileSync('tar', ['-C', place, '-c', '.']);

      it.each([
        ['plain', (bytes: Buffer) => bytes],
        ['gzip', (bytes: Buffer) => gzipSync(bytes)],
      ])('are taken from a tar on standard input (%s)', async (kind, pack) => {
        const place = project(FILES);
        const input = pack(tarOf(place));
        const elsewhere = { cwd: openTempDir(), input };
        const first = await built(['-t', `tar-${kind}:1`, '-q', '-'], elsewhere);
        expect(await printed(`tar-${kind}:1`)).toBe('said\n');
        await built(['-t', `tar-${kind}:2`, '-q', '-f', 'deploy/Dockerfile', '-'], elsewhere);
        expect(await printed(`tar-${kind}:2`)).toBe('other\n');
        // As from the folder itself.
        const same = await built(['-t', `tar-${kind}:1`, '-q', '.'], { cwd: place });
        expect(same).toBe(first);
        expect(readdirSync(join(env.OCISLIM_HOME, 'tmp'))).toEqual([]);
      });

      it('tell what a tar lacks', async () => {
        const input = tarOf(project({ said: '' }));
        const ran = await ocislim(['build', ...alpine(), '-'], { env, input });
        expect(ran.code).toBe(2);
        expect(ran.stderr).toMatch(/^ocislim: the build context has no Dockerfile$/m);
        expect(readdirSync(join(env.OCISLIM_HOME, 'tmp'))).toEqual([]);
      });

      it('are folders with the Dockerfile from standard input', async () => {
        const cwd = project(FILES);
        const input = 'FROM alpine\nCOPY deploy/other said /\nCMD ["cat", "/other", "/said"]\n';
        await built(['-t', 'typed:1', '-q', '-f', '-', '.'], { cwd, input });
        expect(await printed('typed:1')).toBe('other\nsaid\n');
      });

      it('may leave out their Dockerfile, which is read all the same', async () => {
        const cwd = project({
          Dockerfile: 'FROM alpine\nCOPY . /all\nCMD ["find", "/all", "-type", "f"]\n',
          '.dockerignore': 'Dockerfile\n.dockerignore\n**/*.key\n',
          'sub/own.key': 'secret',
          'sub/said': 'said\n',
        });
        await built(['-t', 'ignored:1', '-q', '.'], { cwd });
        expect(await printed('ignored:1')).toBe('/all/sub/said\n');
      });

      it('have names: of a folder, with its own .dockerignore, and of an image', async () => {
        const docs = project({ kept: 'kept\n', 'left.out': '', '.dockerignore': '*.out\n.dockerignore\n' });
        const cwd = project({
          Dockerfile: [
            'FROM base:latest AS first',
            'COPY --from=docs . /docs',
            'RUN --mount=from=docs,target=/mnt ls /mnt > /mounted',
            'FROM base',
            'COPY --from=docker.io/library/base:latest /etc/alpine-release /release',
            'COPY --from=first /docs /docs',
            'COPY --from=first /mounted /',
            'CMD ["sh", "-c", "ls /docs; cat /mounted; cmp /release /etc/alpine-release && echo same"]',
          ].join('\n'),
        });
        const names = ['--build-context', `docs=${docs}`, '--build-context', `base=oci:${folder}/alpine`];
        await built([...names, '-t', 'named:1', '-q', '.'], { cwd });
        expect(await printed('named:1')).toBe('kept\nkept\nsame\n');
        // Given with the tag that goes without saying, it means the same.
        const tagged = names.map((each) => each.replace('base=', 'base:latest='));
        const again = await ocislim(['build', ...tagged, '-t', 'named:1', '.'], { cwd, env });
        expect(again).toMatchObject({ code: 0 });
      });

      describe('of git repositories', () => {
        let daemon: Background;
        let url: string;
        beforeAll(async () => {
          const place = openTempDir();
          const repository = join(place, 'app.git');
          const git = (...args: string[]) =>
            must('git', ['-C', repository, ...args], { env: { HOME: place } });
          await must('git', ['init', '-q', '-b', 'main', repository]);
          await git('config', 'user.name', 'test');
          await git('config', 'user.email', 'test@localhost');
          const write = (said: string) => {
            mkdirSync(join(repository, 'service'), { recursive: true });
            writeFileSync(join(repository, 'Dockerfile'), FILES.Dockerfile);
            writeFileSync(join(repository, 'service/Dockerfile'), FILES.Dockerfile);
            writeFileSync(join(repository, 'said'), `${said} at the top\n`);
            writeFileSync(join(repository, 'service/said'), `${said} in the folder\n`);
          };
          for (const tag of ['v1', 'v2']) {
            write(tag);
            await git('add', '.');
            await git('commit', '-qm', tag);
            await git('tag', tag);
          }
          const port = await freePort();
          url = `git://127.0.0.1:${port}/app.git`;
          const options = ['--verbose', '--export-all', '--listen=127.0.0.1', `--port=${port}`];
          daemon = await startProcess('git', ['daemon', ...options, `--base-path=${place}`], (output) =>
            output.includes('Ready to rumble'),
          );
        });
        afterAll(() => daemon.stop());

        it.each([
          ['', 'v2 at the top\n'],
          ['#v1', 'v1 at the top\n'],
          ['#v1:service', 'v1 in the folder\n'],
          ['#:service', 'v2 in the folder\n'],
          ['?tag=v1&subdir=service', 'v1 in the folder\n'],
        ])('are taken at what %j says', async (what, said) => {
          await built(['-t', 'git:1', '-q', `${url}${what}`], { cwd: openTempDir() });
          expect(await printed('git:1')).toBe(said);
          expect(readdirSync(join(env.OCISLIM_HOME, 'tmp'))).toEqual([]);
        });

        it('tell what is not there', async () => {
          const ran = await ocislim(['build', `${url}#v3`], { env });
          expect(ran.code).toBe(2);
          expect(ran.stderr).toMatch(/^ocislim: git:\/\/.*v3/m);
          expect(readdirSync(join(env.OCISLIM_HOME, 'tmp'))).toEqual([]);
        });
      });
    });

    describe('platforms', () => {
      it('are images of one index, in the order that was asked for', async () => {
        const cwd = project({
          Dockerfile: 'FROM alpine\nARG TARGETARCH\nLABEL for=$TARGETARCH\nCOPY said /\n',
          said: 'said\n',
        });
        await built(['--platform', 'linux/arm64,linux/amd64', '-t', 'both:1', '-o', 'oci:out', '.'], { cwd });
        const raw = JSON.parse(await must('skopeo', ['inspect', '--raw', 'oci:out'], { cwd }));
        expect(raw.manifests.map((each: { platform: unknown }) => each.platform)).toEqual([
          { architecture: 'arm64', os: 'linux' },
          { architecture: 'amd64', os: 'linux' },
        ]);
        for (const architecture of ['arm64', 'amd64']) {
          const inspect = ['--override-arch', architecture, 'inspect', '--config', 'oci:out'];
          const config = JSON.parse(await must('skopeo', inspect, { cwd }));
          expect(config).toMatchObject({ architecture, config: { Labels: { for: architecture } } });
        }
        expect(await succeeded(['run', '-q', 'both:1', 'cat', '/said'], { env })).toBe('said\n');
      });

      it('of another machine are compiled for on this one', async () => {
        writeBaseLayout(join(folder, 'debian'), debianWith([]));
        const go = ['-e', 'GOTOOLCHAIN=local', '--entrypoint', '[]', '-o', 'oci:golang'];
        await packGo(folder, go, { cwd: folder, env });
        const cwd = project({
          Dockerfile: [
            'FROM --platform=$BUILDPLATFORM golang AS build',
            'WORKDIR /src',
            'COPY hello.go .',
            'ARG TARGETOS TARGETARCH',
            'RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -o /hello hello.go',
            'FROM alpine',
            'COPY --from=build /hello /usr/local/bin/hello',
            'CMD ["hello"]',
          ].join('\n'),
          // Without packages there is little to compile.
          'hello.go': 'package main\n\nfunc main() { println("hello") }\n',
        });
        const golang = ['--build-context', `golang=oci:${folder}/golang`, '--network', 'none'];
        const platforms = ['--platform', 'linux/amd64,linux/arm64'];
        await built([...golang, ...platforms, '-t', 'cross:1', '-q', '.'], { cwd });
        expect(JSON.parse(await succeeded(['check', 'store:cross:1', '--json'], { env }))).toMatchObject({
          starts: true,
          platforms: ['linux/amd64', 'linux/arm64'],
        });
        expect(await ocislim(['run', '-q', 'cross:1'], { env })).toMatchObject({
          code: 0,
          stderr: 'hello\n',
        });
      }, 180_000);
    });

    describe('registries', () => {
      const FILES = {
        Dockerfile: [
          'FROM alpine AS tools',
          'RUN echo tools > /made',
          'FROM alpine',
          'WORKDIR /src',
          'COPY said .',
          'RUN --mount=from=tools,source=/made,target=/made cat /made said > both',
          'RUN true',
          'CMD ["cat", "/src/both"]',
        ].join('\n'),
        said: 'said\n',
      };

      it('keep results of steps for other machines, which then start nothing', async () => {
        const cwd = project(FILES);
        const cache = `${registry.host}/me/cache:1`;
        const first = await built(['-t', 'cached:1', '--cache-to', cache, '.'], { cwd, env: newStore() });
        const own = newStore();
        const nothing = { ...own, PATH: openTempDir() };
        const before = registry.requests().length;
        const args = ['build', ...alpine(), '-t', 'cached:1', '--cache-from', cache, '.'];
        const second = await ocislim(args, { cwd, env: nothing });
        expect(second).toMatchObject({ code: 0, stdout: first });
        const ends = second.stderr.match(/^#\d+ (?:CACHED|DONE|ERROR)/gm) ?? [];
        // Two stages begin with an image; the five steps are there.
        expect(ends.filter((end) => end.endsWith('CACHED'))).toHaveLength(5);
        expect(ends).toHaveLength(7);
        const blobs = registry
          .requests()
          .slice(before)
          .filter(({ method, path }) => method === 'GET' && path.includes('/blobs/'));
        // The list of steps, and each layer of the image once: that of `tools` is not needed.
        expect(blobs).toHaveLength(4);
        expect(await printed('cached:1', own)).toBe('tools\nsaid\n');
      });

      it('do not have to be there for --cache-from', async () => {
        const cwd = project(FILES);
        const cache = `type=registry,ref=${registry.host}/me/no-cache:1`;
        const args = ['build', ...alpine(), '-t', 'uncached:1', '--cache-from', cache, '.'];
        const ran = await ocislim(args, { cwd, env: newStore() });
        expect(ran.code).toBe(0);
        expect(ran.stderr).toMatch(/warning: --cache-from type=registry,ref=\S+: .*going on without it/);
      });

      it('get what is built with --push', async () => {
        const cwd = project(FILES);
        const name = `${registry.host}/me/pushed:1`;
        const said = await built(['-t', name, '--push', '-q', '.'], { cwd });
        const inspect = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${name}`];
        expect(said).toBe(`${name}@${(await must('skopeo', inspect)).trim()}\n`);
        const copy = ['--insecure-policy', 'copy', '-q', '--src-tls-verify=false', `docker://${name}`];
        await must('skopeo', [...copy, 'oci:pulled:1'], { cwd });
        await succeeded(['copy', 'oci:pulled:1', 'store:pulled:1'], { cwd, env });
        expect(await printed('pulled:1')).toBe('tools\nsaid\n');
      });
    });

    it.skipIf(!existsSync('/usr/bin/ssh-agent'))(
      'gives RUN the ssh agent, and leaves no sign of it',
      async () => {
        writeBaseLayout(join(folder, 'ssh'), debianWith(['openssh-client']));
        const cwd = project({
          Dockerfile: [
            'FROM ssh',
            'RUN --mount=type=ssh ssh-add -l > /keys',
            'RUN test -z "$SSH_AUTH_SOCK" && ls -A /run > /left',
            'CMD ["cat", "/keys", "/left"]',
          ].join('\n'),
        });
        const key = join(openTempDir(), 'key');
        const socket = join(openTempDir(), 'agent');
        await must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', key]);
        const agent = await startProcess('ssh-agent', ['-D', '-a', socket], () => existsSync(socket));
        try {
          await must('ssh-add', ['-q', key], { env: { SSH_AUTH_SOCK: socket } });
          const fingerprint = await must('ssh-keygen', ['-l', '-f', key]);
          const args = ['--build-context', `ssh=oci:${folder}/ssh`, '-t', 'ssh:1', '-q', '.'];
          await built(['--ssh', 'default', ...args], { cwd, env: { SSH_AUTH_SOCK: socket } });
          expect(await printed('ssh:1')).toBe(fingerprint);
          const without = await ocislim(['build', '--no-cache', ...args], { cwd, env });
          // Nothing says that it is required (Dockerfile reference § RUN --mount=type=ssh).
          expect(without.code).toBe(3);
          expect(without.stderr).toContain('Could not open a connection to your authentication agent');
        } finally {
          await agent.stop();
        }
      },
    );

    describe('several builds', () => {
      it('of the same at once come to the same', async () => {
        const cwd = project({ Dockerfile: 'FROM alpine\nRUN echo x >> /x\nRUN cat /x /x > /xx\n' });
        const own = newStore();
        const build = () => ocislim(['build', ...alpine(), '-t', 'twice:1', '.'], { cwd, env: own });
        const ran = await Promise.all([build(), build(), build()]);
        expect(ran.map(({ code }) => code)).toEqual([0, 0, 0]);
        expect(new Set(ran.map(({ stdout }) => stdout)).size).toBe(1);
        // Each command ran for one of them, while the others waited for it.
        const done = ran.flatMap(({ stderr }) => stderr.match(/^#[23] DONE/gm) ?? []);
        expect(done).toHaveLength(2);
        expect(readdirSync(join(own.OCISLIM_HOME, 'tmp'))).toEqual([]);
      });
    });

    describe.each(USERS)('as %s a build that is stopped', (user) => {
      const FILES = {
        Dockerfile: [
          'FROM alpine',
          'RUN echo before > /before',
          'RUN --mount=type=secret,id=seconds setsid sleep "$(cat /run/secrets/seconds)" & \\',
          '    sleep "$(cat /run/secrets/seconds)"; echo after > /after',
          'CMD ["cat", "/before", "/after"]',
        ].join('\n'),
        long: SLEEP,
        short: '0',
      };
      const build = (seconds: string) => [
        ...['build', ...alpine(), '--secret', `id=seconds,src=${seconds}`, '-t', 'stopped:1'],
        ...['--progress', 'plain', '.'],
      ];

      /** Begins, and comes back when both commands sleep. */
      async function begin(cwd: string, own: NodeJS.ProcessEnv): Promise<Background> {
        const words = [...wrapFor(user), ...ocislimCommand, ...build('long')];
        const inFolder = ['sh', '-c', 'cd "$1"; shift; exec "$@"', 'sh', cwd, ...words];
        const [command = '', ...args] = inFolder;
        return startProcess(command, args, async () => (await sleepers()).length === 2, { env: own });
      }
      const place = () => {
        const home = openTempDir();
        const temporary = openTempDir();
        return { OCISLIM_HOME: join(home, 'store'), HOME: home, TMPDIR: temporary };
      };
      const left = async ({ OCISLIM_HOME: store, TMPDIR }: ReturnType<typeof place>) => ({
        temporary: [...readdirSync(join(store, 'tmp')), ...readdirSync(TMPDIR)],
        mounts: (await must('mount', [])).split('\n').filter((line) => line.includes(store)),
      });
      const NOTHING = { temporary: [], mounts: [] };

      it('by Ctrl-C leaves no process, no mount and no folder, and exits with 130', async () => {
        const cwd = project(FILES);
        const own = place();
        const started = await begin(cwd, own);
        started.child.kill('SIGINT');
        const [code] = await once(started.child, 'close');
        expect([code, started.output()]).toEqual([130, expect.stringContaining('interrupted')]);
        expect(await sleepers()).toEqual([]);
        expect(await left(own)).toEqual(NOTHING);
      }, 60_000);

      it('by SIGKILL comes to the same when it is run again, and leaves nothing', async () => {
        const cwd = project(FILES);
        const own = place();
        const started = await begin(cwd, own);
        started.child.kill('SIGKILL');
        await once(started.child, 'close');
        // The kernel ends what was started, which nobody waits for.
        await expect.poll(sleepers, { timeout: 20_000 }).toEqual([]);
        const again = await ocislim(build('short'), { cwd, env: own, wrap: wrapFor(user) });
        expect([again.code, again.code === 0 ? '' : again.stderr]).toEqual([0, '']);
        expect(stepsOf(again)).toEqual(['DONE', 'CACHED', 'DONE']);
        const fresh = await ocislim(build('short'), { cwd, env: place(), wrap: wrapFor(user) });
        expect(again.stdout).toBe(fresh.stdout);
        const shown = await ocislim(['run', '-q', 'stopped:1'], { env: own, wrap: wrapFor(user) });
        expect(shown).toMatchObject({ code: 0, stdout: 'before\nafter\n' });
        const pruned = await ocislim(['cache', 'prune'], { env: own, wrap: wrapFor(user) });
        expect(pruned.code).toBe(0);
        expect(await left(own)).toEqual(NOTHING);
      }, 60_000);
    });
  },
  asRoot,
);

/** How steps ended, in their order. */
function stepsOf({ stderr }: Ran): readonly string[] {
  return [...stderr.matchAll(/^#\d+ (CACHED|DONE|ERROR)/gm)].map(([, how = '']) => how);
}

async function sleepers(): Promise<readonly string[]> {
  const listed = await must('ps', ['-eo', 'args']);
  return listed.split('\n').filter((line) => line.trim() === `sleep ${SLEEP}`);
}
