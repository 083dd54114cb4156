import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, packed, type Ran, root, run, succeeded } from '../support/cli.ts';
import { cosign, describeWithCosign } from '../support/cosign.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { linesToType, ocislimCalls, pageOf } from '../support/documented.ts';
import { type DockerEngine, podmanArgs, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { buildStandalone } from '../support/standalone.ts';
import { tempDir } from '../support/temp.ts';
import { openTempDir } from '../support/users.ts';

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
}
interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly subject?: Descriptor;
}

const built = await buildStandalone();
const TIME = '1750000000';
const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
};
/** What CI systems give a job that nobody trusts, and one folder that it can write to. */
const CONFINED = [
  ...['--read-only', '--user', '65532', '--cap-drop', 'ALL'],
  ...['--security-opt', 'no-new-privileges', '--tmpfs', '/tmp'],
];

/** What the image is made of and nothing else, in a folder of its own. */
function checkout(parts: readonly string[]): string {
  const folder = tempDir();
  for (const part of ['package.json', 'LICENSE', 'NOTICE', 'scripts', ...parts])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  return folder;
}

/** `npm run build:image`, but for the making of the executable. */
const buildImage = (folder: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> =>
  must(process.execPath, [join(folder, 'scripts/build-image.mjs'), ...args], {
    env: { SOURCE_DATE_EPOCH: TIME, OCISLIM_HOME: join(folder, 'store'), HOME: folder, ...env },
  });

/** Content of a layout, which is what its digest says. */
function blob(layout: string, { digest, size }: Descriptor): Buffer {
  const bytes = readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
  expect([bytes.length, `sha256:${createHash('sha256').update(bytes).digest('hex')}`]).toEqual([
    size,
    digest,
  ]);
  return bytes;
}
const json = <T>(layout: string, descriptor: Descriptor): T =>
  JSON.parse(blob(layout, descriptor).toString()) as T;

describeWithPeers(
  "ocislim's own image",
  ['docker-registry', 'dockerd', 'docker', 'podman', 'runc', 'proot', 'go', 'git'],
  () => {
    let registry: DockerRegistry;
    let docker: DockerEngine;
    let keys: string;
    let first: string;
    let image: string;
    let layout: string;
    let digest: string;
    /** A folder that anybody may write to, with a Go program in it. */
    let job: string;

    beforeAll(async () => {
      [registry, docker] = await Promise.all([startRegistry(), startDocker()]);
      keys = tempDir();
      for (const name of ['mine', 'other'])
        await succeeded(['keygen', '--output-key-prefix', name], {
          cwd: keys,
          env: { COSIGN_PASSWORD: 'pass' },
        });
      first = checkout(['dist/standalone/ocislim', 'dist/standalone/doc']);
      layout = join(first, 'dist/standalone/image/ocislim.oci');
      image = `${registry.host}/ci/ocislim:1`;
      const args = ['-t', image, '--push', '--sign', join(keys, 'mine.key'), '--quiet'];
      digest = (await buildImage(first, args, { COSIGN_PASSWORD: 'pass' })).trim().split('@')[1] ?? '';
      job = openTempDir();
      await must('go', ['build', '-trimpath', '-o', join(job, 'hello'), '.'], {
        cwd: join(root, 'testdata/hello-go'),
        env: { CGO_ENABLED: '0' },
      });
    });
    afterAll(async () => {
      await Promise.all([registry?.stop(), docker?.stop()]);
    });

    const manifest = (): Manifest => {
      const size = readFileSync(join(layout, 'blobs', digest.replace(':', '/'))).length;
      return json(layout, { digest, size });
    };
    /** Documents of a layout about the image. */
    const attached = (type: string): readonly Buffer[] => {
      const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
      return (index.manifests as Descriptor[])
        .filter(({ artifactType }) => artifactType === type)
        .map((descriptor) => {
          const { subject, layers } = json<Manifest>(layout, descriptor);
          expect([subject?.digest, layers.length]).toEqual([digest, 1]);
          return blob(layout, layers[0] as Descriptor);
        });
    };

    it('is the same made in another folder and store, of an executable made there, by the package', async () => {
      const second = checkout(['src']);
      // A copy, since names of files are in the executable, and a link would lead to those of this folder.
      await must('cp', ['-a', '--reflink=auto', join(root, 'node_modules'), second]);
      expect(await buildStandalone(second)).toMatchObject({ met: true });
      await buildImage(second, ['image', '--dry-run'], {});
      const again = await packed(
        ['pack', 'image', '--config', join(second, 'scripts/image/ocislim.toml'), '-t', image],
        { cwd: tempDir(), env: { SOURCE_DATE_EPOCH: TIME, OCISLIM_HOME: tempDir() } },
      );
      expect(again.digest).toBe(digest);
    });

    it('says what it is, starts ocislim, and is of an ordinary user, by its number', () => {
      const { config, annotations } = manifest();
      const { created, config: settings } = json<{ created: string; config: Record<string, unknown> }>(
        layout,
        config,
      );
      expect(created).toBe(new Date(Number(TIME) * 1000).toISOString().replace('.000', ''));
      expect(settings).toMatchObject({
        User: '65532:65532',
        Entrypoint: ['/usr/local/bin/ocislim'],
        Cmd: ['--help'],
        WorkingDir: '/work',
        Env: expect.arrayContaining(['HOME=/tmp', 'OCISLIM_HOME=/tmp/ocislim']),
      });
      const said = {
        'org.opencontainers.image.title': 'ocislim',
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
        'org.opencontainers.image.description': expect.stringMatching(/\w/),
      };
      expect(settings['Labels']).toMatchObject(said);
      expect(annotations).toMatchObject(said);
    });

    it('holds the program and what it takes, and is small', async () => {
      const { layers } = manifest();
      for (const layer of layers) blob(layout, layer);
      // 56.4 MB as this is written; whoever makes it larger should notice.
      expect(layers.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(62_000_000);
      const names: string[] = [];
      for (const { digest: of } of layers) {
        const path = join(layout, 'blobs', of.replace(':', '/'));
        names.push(...(await must('tar', ['-tvzf', path])).trim().split('\n'));
      }
      // Nothing that would be of another user, or change who somebody is.
      expect(names.filter((name) => /^[-l].{2}s|^.{6}s/.test(name))).toEqual([]);
      const programs = names.filter((name) => /^-.{2}x/.test(name)).map((name) => name.split(' ').at(-1));
      expect(programs.filter((name) => !/\.so\.\d+$/.test(name ?? ''))).toEqual(['usr/local/bin/ocislim']);
    });

    it('lists each package in it, with its licence, and tells how it was made', async () => {
      const [sbom, ...others] = attached('application/spdx+json');
      expect(others).toEqual([]);
      const { packages } = JSON.parse(String(sbom)) as {
        packages: { name: string; versionInfo?: string; licenseDeclared: string }[];
      };
      const found = new Map(packages.map((each) => [each.name, each]));
      const { dependencies: own } = JSON.parse(
        readFileSync(join(root, 'scripts/standalone/package.json'), 'utf8'),
      );
      for (const [name, of] of Object.entries({ ...dependencies, ocislim: version })) {
        expect(found.get(name)).toMatchObject({ versionInfo: of });
        expect(found.get(name)?.licenseDeclared).not.toBe('NOASSERTION');
      }
      expect(packages.find(({ name }) => name.startsWith('@oven/bun'))?.versionInfo).toBe(own.bun);
      const libc = await run('dpkg-query', ['-s', 'libc6']).catch(() => undefined);
      if (libc?.code === 0) expect(libc.stdout).toContain(`\nVersion: ${found.get('libc6')?.versionInfo}\n`);

      const [statement] = attached('application/vnd.in-toto+json').map((each) => JSON.parse(String(each)));
      expect(statement.subject).toContainEqual(
        expect.objectContaining({ digest: { sha256: digest.slice(7) } }),
      );
      const program = createHash('sha256').update(readFileSync(join(first, 'dist/standalone/ocislim')));
      expect(JSON.stringify(statement.predicate.buildDefinition.resolvedDependencies)).toContain(
        program.digest('hex'),
      );
    });

    it('is signed in the registry and in the layout', async () => {
      for (const place of [image, `oci:${layout}`]) {
        expect(await succeeded(['verify', '--key', join(keys, 'mine.pub'), place])).toContain(digest);
        expect(await ocislim(['verify', '--key', join(keys, 'other.pub'), place])).toMatchObject({ code: 6 });
      }
    });

    describeWithCosign('for cosign, too', () => {
      it('is signed', async () => {
        const args = ['verify', '--key', 'mine.pub', '--insecure-ignore-tlog=true', image];
        expect(await cosign(args, keys)).toMatchObject({ code: 0, stdout: expect.stringContaining(digest) });
      });
    });

    type Start = (options: readonly string[], args: readonly string[]) => Promise<Ran>;
    const engines: readonly [string, () => Promise<Start>][] = [
      [
        'docker',
        async () => {
          await docker.docker(['pull', '-q', image]);
          return (options, args) => run('docker', ['run', ...options, image, ...args], { env: docker.env });
        },
      ],
      [
        'podman',
        async () => {
          // Of the runtimes runc works in more places that are containers themselves, where limits cannot be raised either.
          const podman = [...podmanArgs(), '--runtime', 'runc', '--cgroup-manager', 'cgroupfs'];
          await must('podman', [...podman, 'pull', '-q', '--tls-verify=false', image]);
          const usual = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];
          const plain = ['--read-only-tmpfs=false', ...usual];
          return (options, args) => run('podman', [...podman, 'run', ...plain, ...options, image, ...args]);
        },
      ],
    ];
    describe.each(engines)('in a container of %s without privileges', (name, pull) => {
      let start: Start;
      beforeAll(async () => {
        start = await pull();
      });
      const confined = (args: readonly string[], options: readonly string[] = ['--network', 'none']) =>
        start(['--rm', ...CONFINED, '-v', `${job}:/work`, ...options], args);

      it('says its version', async () => {
        expect(await confined(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
      });

      it('packs a program as the package does, and looks at it', async () => {
        const args = ['pack', './hello', '--base', 'static', '-o', `oci:${name}.oci`, '--json'];
        const ran = await confined(args);
        expect([ran.code, ran.stderr]).toEqual([0, expect.anything()]);
        const { digest: made } = JSON.parse(ran.stdout);
        const theirs = await packed(['pack', join(job, 'hello'), '--base', 'static', '-o', 'oci:hello.oci'], {
          cwd: tempDir(),
          env: { OCISLIM_HOME: tempDir() },
        });
        expect(made).toBe(theirs.digest);
        const looked = await confined(['inspect', `oci:${name}.oci`, '--json']);
        expect(JSON.parse(looked.stdout).digest).toBe(made);
      });

      it('pushes, as a user of any number', async () => {
        const tag = `${registry.host}/me/${name}:1`;
        for (const user of ['65532', '123456:0']) {
          const host = ['--network', 'host', '--user', user];
          const ran = await confined(['pack', './hello', '-t', tag, '--push', '-q'], host);
          expect([ran.code, ran.stderr]).toEqual([0, '']);
          const [, pushed] = ran.stdout.trim().split('@');
          const { headers } = await fetch(`http://${registry.host}/v2/me/${name}/manifests/1`, {
            headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
          });
          expect(headers.get('docker-content-digest')).toBe(pushed);
        }
        expect(await docker.docker(['run', '--rm', '--network', 'none', tag])).toBe('hello from Go\n');
      });

      it('says what to do where it can write nowhere', async () => {
        const read = ['--rm', '--read-only', '--network', 'none', '-v', `${job}:/work:ro`];
        const ran = await start(read, ['pack', './hello']);
        expect([ran.code, ran.stderr]).toEqual([1, expect.stringMatching(/EROFS.*\nhint: .*--store/)]);
      });

      it('says what is blocked where a sandbox would be needed', async () => {
        const ran = await confined(['run', `oci:${name}.oci`]);
        expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('no sandbox works here')]);
      });
    });

    it('runs the container that the documentation puts into the Kubernetes job', async () => {
      const page = readFileSync(join(root, 'docs/image.md'), 'utf8');
      const [, block = ''] = /^## Kubernetes\n.*?^```yaml\n(.*?)^```/ms.exec(page) ?? [];
      const { containers } = parse(`confined: &confined {}\ncontainers:\n${block}`) as {
        containers: {
          image: string;
          workingDir: string;
          args: string[];
          env: { name: string; value: string }[];
          volumeMounts: { name: string; mountPath: string }[];
        }[];
      };
      const [{ image: named, workingDir, args, env, volumeMounts }] = containers as [(typeof containers)[0]];
      expect(named).toBe(`registry.example.com/ci/ocislim:${version}`);
      const credentials = openTempDir();
      writeFileSync(join(credentials, 'config.json'), '{"auths":{}}', { mode: 0o644 });
      const sources: Record<string, string> = { work: job, credentials };
      const mounts = volumeMounts.flatMap(({ name, mountPath }) =>
        name === 'tmp' ? ['--tmpfs', mountPath] : ['-v', `${sources[name]}:${mountPath}`],
      );
      const variables = env.flatMap(({ name, value }) => ['-e', `${name}=${value}`]);
      const pod = ['--read-only', '--user', '1000:1000', '--cap-drop', 'ALL', '--network', 'host'];
      const words = args.map((word) => word.replace('registry.example.com', registry.host));
      const options = [...pod, ...mounts, ...variables, '-w', workingDir];
      const printed = await docker.docker(['run', '--rm', ...options, image, ...words]);
      expect(printed).toMatch(new RegExp(`^${registry.host}/me/hello:1@sha256:`));
    });

    it('is started as docs/image.md says', async () => {
      const lines = linesToType(pageOf('docs/image.md')).map(({ command }) => command);
      const typed = lines.filter((line) => line.startsWith('docker run '));
      const digests: (string | undefined)[] = [];
      for (const line of typed) {
        const here = line.replace(`registry.example.com/ci/ocislim:${version}`, image);
        const said = await must('bash', ['-c', here], { cwd: job, env: docker.env });
        digests.push(/sha256:[0-9a-f]{64}/.exec(said)?.[0]);
      }
      // The one packs, the other looks at what was packed.
      expect(digests).toEqual([expect.anything(), digests[0]]);
    });

    it('names the commit that it is made of, and the repository, without credentials', async () => {
      const folder = checkout([]);
      mkdirSync(join(folder, 'dist/standalone'), { recursive: true });
      const told = '#!/bin/sh\nprintf "%s\\n" "$SOURCE_DATE_EPOCH" "$@"\n';
      writeFileSync(join(folder, 'dist/standalone/ocislim'), told, { mode: 0o755 });
      const git = (...args: readonly string[]) =>
        must('git', ['-c', 'user.name=me', '-c', 'user.email=me@example.com', ...args], {
          cwd: folder,
          env: { GIT_COMMITTER_DATE: `${TIME} +0000` },
        });
      await git('init', '-q');
      await git('add', 'scripts', 'package.json');
      await git('commit', '-q', '-m', 'one');
      const commit = (await git('rev-parse', 'HEAD')).trim();
      const said = () => buildImage(folder, ['-t', 'a:1'], { SOURCE_DATE_EPOCH: undefined });
      for (const [remote, url] of [
        ['https://me:secret@git.example.com/me/app.git', 'https://git.example.com/me/app'],
        ['git@git.example.com:me/app.git', 'https://git.example.com/me/app'],
        ['ssh://git@git.example.com:2222/me/app', 'https://git.example.com/me/app'],
        ['https://git.example.com:8443/me/app', 'https://git.example.com:8443/me/app'],
        ['/srv/app', undefined],
      ]) {
        await git('config', 'remote.origin.url', remote ?? '');
        const words = (await said()).trim().split('\n');
        expect(words[0]).toBe(TIME);
        const values = (key: string) =>
          words
            .filter((word) => word.startsWith(`org.opencontainers.image.${key}=`))
            .map((word) => word.split('=')[1]);
        expect(values('revision')).toEqual([commit, commit]);
        expect(values('source')).toEqual(url === undefined ? [] : [url, url]);
        expect(words.slice(-2)).toEqual(['-t', 'a:1']);
      }
      writeFileSync(join(folder, 'package.json'), '{}');
      expect(await said()).not.toContain('org.opencontainers.image');
    });

    const [alpine] = alpineBases();
    const isReal = existsSync(process.env['OCISLIM_TEST_BASES'] ?? '');
    describe.skipIf(!isReal || alpine === undefined)('with a shell (needs OCISLIM_TEST_BASES)', () => {
      const shell = () => `${registry.host}/ci/ocislim:shell`;
      const base = tempDir();
      beforeAll(async () => {
        if (alpine !== undefined) writeBaseLayout(base, alpine);
        await buildImage(first, ['image-shell', '--base', `oci:${base}`, '-t', shell(), '--push', '-q'], {});
        await docker.docker(['pull', '-q', shell()]);
      });

      /** As GitLab's runner does it: a command that finds a shell, to which the lines of the job are written. */
      const runner = (lines: string, env: Readonly<Record<string, string>>, folder: string): Promise<Ran> => {
        const detect = 'if [ -x /bin/bash ]; then exec /bin/bash; elif [ -x /bin/sh ]; then exec /bin/sh; fi';
        const variables = Object.entries(env).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
        const options = [...CONFINED, '--network', 'host', '-v', `${folder}:/builds`, '-w', '/builds'];
        const command = ['run', '--rm', '-i', ...options, ...variables, shell(), 'sh', '-c', detect];
        return run('docker', command, { env: docker.env, input: lines });
      };

      it('compiles in an image, with proot and where the store may hold programs', async () => {
        const options = { cwd: tempDir(), env: { OCISLIM_HOME: join(first, 'store') } };
        const tool = `${registry.host}/ci/ocislim:proot`;
        const line = linesToType(pageOf('docs/image.md')).find(({ command }) => command.includes('proot'));
        const words = ocislimCalls(line?.command ?? '').flat();
        const here = (word: string) =>
          word
            .replace(`registry.example.com/ci/ocislim:${version}-shell`, shell())
            .replace(`registry.example.com/ci/ocislim:${version}-proot`, tool);
        await succeeded(words.map(here), options);
        const toolchain = `${registry.host}/alpine:3`;
        await succeeded(['copy', `oci:${base}`, `docker://${toolchain}`], options);
        const folder = openTempDir();
        mkdirSync(join(folder, 'source'));
        copyFileSync(join(job, 'hello'), join(folder, 'source/hello'));
        const compile = ['ocislim', 'pack', './source', '--toolchain', toolchain, '--network', 'host', '-q'];
        const how = ['--build', 'cat /etc/alpine-release >&2; cp hello made', '--artifact', 'made'];
        const place = ['--network', 'host', '-v', `${folder}:/work`];
        const command = [...compile, ...how, '-o', 'oci:made.oci'];
        const start = (more: readonly string[]) =>
          run('docker', ['run', '--rm', ...CONFINED, ...more, ...place, tool, ...command], {
            env: docker.env,
          });
        // Docker mounts a tmpfs noexec, unless it is told otherwise.
        expect(await start([])).toMatchObject({ code: 1, stderr: expect.stringContaining('mounted noexec') });
        const ran = await start(['--tmpfs', '/tmp:exec']);
        expect([ran.code, ran.stderr]).toEqual([0, expect.anything()]);
        expect(await succeeded(['inspect', `oci:${join(folder, 'made.oci')}`], options)).toContain(
          ran.stdout.trim().split('@')[1],
        );
      });

      it("runs the Tekton task's step", async () => {
        const folder = openTempDir();
        copyFileSync(join(job, 'hello'), join(folder, 'hello'));
        const task = parse(readFileSync(join(root, 'integrations/tekton/ocislim-pack.yaml'), 'utf8'));
        const [step] = task.spec.steps as { env: { name: string; value: string }[]; script: string }[];
        const tag = `${registry.host}/me/tekton:1`;
        const given: Record<string, string> = {
          IMAGE: tag,
          BASE: 'static',
          PACK_PATH: './hello',
          VERSION: 'none',
        };
        const env = (step?.env ?? []).map(({ name, value }) => ['-e', `${name}=${given[name] ?? value}`]);
        const script = step?.script.replaceAll(/\$\(results\.(\w+)\.path\)/g, '/work/$1') ?? '';
        const place = ['--network', 'host', '-v', `${folder}:/work`, '--tmpfs', '/ocislim'];
        const command = [shell(), 'sh', '-c', script, 'sh', '--label', 'a=b'];
        // There is no secret with credentials.
        const options = [...CONFINED, ...place, ...env.flat(), '-e', 'DOCKER_CONFIG='];
        const pushed = await docker.docker(['run', '--rm', ...options, ...command]);
        expect(pushed.trim()).toBe(`${tag}@${readFileSync(join(folder, 'IMAGE_DIGEST'), 'utf8').trim()}`);
        expect(readFileSync(join(folder, 'IMAGE_URL'), 'utf8')).toBe(tag);
      });

      it("runs the GitLab template's job", async () => {
        const folder = openTempDir();
        copyFileSync(join(job, 'hello'), join(folder, 'hello'));
        const template = parse(readFileSync(join(root, 'integrations/gitlab/ocislim.gitlab-ci.yml'), 'utf8'));
        const { before_script: before } = template['.ocislim-job'];
        const { script } = template['.ocislim'];
        const ran = await runner(
          ['set -eo pipefail', ...before, ...script].join('\n'),
          {
            ...template['.ocislim'].variables,
            CI_REGISTRY: registry.host,
            CI_REGISTRY_USER: 'me',
            CI_REGISTRY_PASSWORD: 'right',
            CI_JOB_ID: '1',
            PACK_IMAGE: `${registry.host}/me/gitlab:1`,
            PACK_PATH: './hello',
          },
          folder,
        );
        expect([ran.code, ran.stderr]).toEqual([0, expect.anything()]);
        const { headers } = await fetch(`http://${registry.host}/v2/me/gitlab/manifests/1`, {
          headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
        });
        expect(readFileSync(join(folder, 'ocislim-images/1'), 'utf8').trim()).toBe(
          `${registry.host}/me/gitlab:1@${headers.get('docker-content-digest')}`,
        );
      });
    });
  },
  { met: built.met && asRoot.met, need: built.met ? asRoot.need : built.need },
);
