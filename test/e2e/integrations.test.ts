import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { must, ocislim, packed, root, succeeded } from '../support/cli.ts';
import { runCompositeAction } from '../support/composite-action.ts';
import { type DockerRegistry, HTPASSWD, startRegistry } from '../support/docker-registry.ts';
import { startContainerd } from '../support/engines.ts';
import { npxFolder, VERSION } from '../support/npx.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

const bin = join(root, 'bin/ocislim.js');
const ACTION = join(root, 'action.yml');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** A checkout with two programs, and a machine that has nothing of ocislim yet. */
function job() {
  const cwd = tempDir();
  for (const [name, arch] of [
    ['hello', 'amd64'],
    ['hello-arm64', 'arm64'],
  ] as const)
    copyFileSync(join(root, 'testdata', name), join(cwd, `hello-linux-${arch}`));
  const path = [npxFolder(bin), join(process.execPath, '..'), process.env['PATH']].join(delimiter);
  return { cwd, env: { PATH: path, HOME: tempDir(), OCISLIM_HOME: tempDir() } };
}

interface Manifest {
  readonly digest: string | null;
  readonly platforms: readonly string[];
}

/** What a registry with a user has under a name. */
async function manifestOf(registry: DockerRegistry, name: string, reference: string): Promise<Manifest> {
  const answer = await fetch(`http://${registry.host}/v2/${name}/manifests/${reference}`, {
    headers: {
      accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json',
      authorization: `Basic ${btoa('me:right')}`,
    },
  });
  if (!answer.ok) return { digest: null, platforms: [] };
  const { manifests = [] } = (await answer.json()) as {
    manifests?: { platform: { os: string; architecture: string } }[];
  };
  return {
    digest: answer.headers.get('docker-content-digest'),
    platforms: manifests.map(({ platform }) => `${platform.os}/${platform.architecture}`),
  };
}

describe('integrations', () => {
  it.each([
    ['action.yml', /default: (\d\S+)/g],
    ['integrations/gitlab/ocislim.gitlab-ci.yml', /OCISLIM_VERSION: (\d\S+)/g],
    ['integrations/tekton/ocislim-pack.yaml', /default: (\d\S+)/g],
    ['integrations/kubernetes/job.yaml', /ocislim@(\d[^\]]*)/g],
    ['integrations/make/ocislim.mk', /ocislim@(\d\S+)/g],
  ])('%s names the version that it came with', (file, form) => {
    expect([...read(file).matchAll(form)].map(([, version]) => version)).toEqual([VERSION]);
  });
});

describeWithPeers('jobs that push', ['docker-registry', 'bash'], () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    const htpasswd = join(tempDir(), 'htpasswd');
    writeFileSync(htpasswd, HTPASSWD);
    registry = await startRegistry({ htpasswd });
  });
  afterAll(() => registry.stop());
  const login = () => ({ registry: registry.host, username: 'me', password: 'right' });

  describe('the GitHub action', () => {
    it('logs in, packs, pushes every tag, and gives the digest', async () => {
      const app = `${registry.host}/me/action`;
      const inputs = {
        ...login(),
        path: 'hello-{os}-{arch}',
        tags: `${app}:1, ${app}:latest\n${app}:main\n`,
        options: '--label\norg.example.words=two words\n',
      };
      const { outputs, used, failed } = await runCompositeAction(ACTION, inputs, job());
      expect(failed).toBeUndefined();
      const pushed = await manifestOf(registry, 'me/action', '1');
      expect(pushed.platforms).toEqual(['linux/amd64', 'linux/arm64']);
      expect(outputs).toMatchObject({ digest: pushed.digest, image: `${app}:1@${pushed.digest}` });
      for (const tag of ['latest', 'main'])
        expect((await manifestOf(registry, 'me/action', tag)).digest).toBe(pushed.digest);
      const metadata = JSON.parse(readFileSync(outputs['metadata-file'] ?? '', 'utf8'));
      expect(metadata['containerimage.digest']).toBe(pushed.digest);
      // This Node is recent enough, so none is installed.
      expect(used).toEqual([]);
    });

    it('takes inputs as words, whatever is in them', async () => {
      const setup = job();
      const owned = join(setup.cwd, 'owned');
      const path = `"; touch ${owned}; $(touch ${owned})`;
      const options = `--label\na=${path}`;
      const { failed } = await runCompositeAction(ACTION, { tags: 'hello:1', path, options }, setup);
      expect(failed?.stderr).toContain('no such file');
      expect(existsSync(owned)).toBe(false);
    });

    it('installs Node where there is none that is recent enough', async () => {
      const setup = job();
      const old = npxFolder(bin);
      writeFileSync(join(old, 'node'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
      const env = { ...setup.env, PATH: `${old}${delimiter}${setup.env.PATH}` };
      const inputs = { tags: 'hello:1', path: 'hello-linux-amd64', push: 'false' };
      const { used } = await runCompositeAction(ACTION, inputs, { cwd: setup.cwd, env });
      expect(used).toEqual(['actions/setup-node@v4']);
    });

    it('refuses what it does not know', async () => {
      const inputs = { tags: 'hello:1', path: 'hello-linux-amd64', push: 'yes' };
      const { failed } = await runCompositeAction(ACTION, inputs, job());
      expect([failed?.code, failed?.stdout]).toEqual([2, expect.stringContaining('::error::push must be')]);
    });
  });

  it('of a matrix push by digest at the same time, and index create joins them', async () => {
    const app = `${registry.host}/me/matrix`;
    const made = await Promise.all(
      ['amd64', 'arm64'].map((arch) => {
        const inputs = { ...login(), path: `hello-linux-${arch}`, tags: `${app}:1`, push: 'by-digest' };
        return runCompositeAction(ACTION, inputs, job());
      }),
    );
    expect(made.map(({ failed }) => failed)).toEqual([undefined, undefined]);
    // Nobody can pull the half of it.
    expect(await manifestOf(registry, 'me/matrix', '1')).toEqual({ digest: null, platforms: [] });
    const { cwd, env } = job();
    await succeeded(['login', registry.host, '-u', 'me', '--password-stdin'], { cwd, env, input: 'right' });
    const images = made.map(({ outputs }) => outputs['image'] ?? '');
    expect(images).toEqual(made.map(({ outputs }) => `${app}@${outputs['digest']}`));
    const joined = await succeeded(['index', 'create', `${app}:1`, ...images, '--push'], { cwd, env });
    const index = await manifestOf(registry, 'me/matrix', '1');
    expect(joined.trim()).toBe(`${app}:1@${index.digest}`);
    expect(index.platforms).toEqual(['linux/amd64', 'linux/arm64']);
  });

  describe('the GitLab template', () => {
    interface GitlabJob {
      readonly extends?: string;
      readonly variables?: Readonly<Record<string, string | number>>;
      readonly before_script?: readonly string[];
      readonly script?: readonly string[];
    }
    const jobs = parse(read('integrations/gitlab/ocislim.gitlab-ci.yml')) as Record<string, GitlabJob>;
    const whole = (name: string): GitlabJob => {
      const own = jobs[name] ?? {};
      const base = own.extends === undefined ? {} : whole(own.extends);
      return { ...base, ...own, variables: { ...base.variables, ...own.variables } };
    };

    /** Runs a job as a runner's shell executor: variables, in which others are expanded, then all lines in one shell. */
    async function runJob(name: string, setup: ReturnType<typeof job>, more: Record<string, string>) {
      const { variables = {}, before_script: before = [], script = [] } = whole(name);
      const ci: Record<string, string> = {
        CI_REGISTRY: registry.host,
        CI_REGISTRY_USER: 'me',
        CI_REGISTRY_PASSWORD: 'right',
        CI_REGISTRY_IMAGE: `${registry.host}/me/gitlab`,
        CI_COMMIT_REF_SLUG: 'main',
        ...more,
      };
      const own = Object.entries({ ...variables, ...more }).map(([key, value]) => [
        key,
        String(value).replace(/\$(\w+)/g, (_, name: string) => ci[name] ?? ''),
      ]);
      const lines = ['set -eo pipefail', ...before, ...script].join('\n');
      const env = { ...setup.env, ...ci, ...Object.fromEntries(own) };
      return must('bash', ['-c', lines], { cwd: setup.cwd, env });
    }

    it('packs and pushes', async () => {
      const setup = job();
      const options = { PACK_PATH: 'hello-linux-amd64', PACK_OPTIONS: '--label a=b', CI_JOB_ID: '1' };
      await runJob('.ocislim', setup, options);
      const { digest } = await manifestOf(registry, 'me/gitlab', 'main');
      expect(readFileSync(join(setup.cwd, 'ocislim-images/1'), 'utf8').trim()).toBe(
        `${registry.host}/me/gitlab:main@${digest}`,
      );
    });

    it('joins what jobs of a matrix pushed', async () => {
      const setup = job();
      const image = `${registry.host}/me/gitlab-matrix:1`;
      for (const arch of ['amd64', 'arm64'])
        await runJob('.ocislim', setup, {
          PACK_PATH: `hello-linux-${arch}`,
          PACK_PUSH: '--push-by-digest',
          PACK_IMAGE: image,
          CI_JOB_ID: arch,
        });
      expect((await manifestOf(registry, 'me/gitlab-matrix', '1')).digest).toBeNull();
      await runJob('.ocislim-join', setup, { PACK_IMAGE: image });
      expect((await manifestOf(registry, 'me/gitlab-matrix', '1')).platforms).toEqual([
        'linux/amd64',
        'linux/arm64',
      ]);
    });
  });
});

describeWithPeers('the Makefile snippet', ['make'], () => {
  it('makes the program first, and then its image', async () => {
    const { cwd, env } = job();
    const snippet = join(root, 'integrations/make/ocislim.mk');
    const makefile = [
      'IMAGE_PATH = out/hello',
      'IMAGE = me/hello:1',
      'IMAGE_OPTIONS = --label a=b',
      `include ${snippet}`,
      'out/hello: hello-linux-amd64',
      '\tmkdir -p out && cp $< $@',
    ];
    writeFileSync(join(cwd, 'Makefile'), `${makefile.join('\n')}\n`);
    const printed = await must('make', ['image'], { cwd, env });
    const digest = /me\/hello:1@(sha256:[0-9a-f]{64})/.exec(printed)?.[1];
    const inspected = await succeeded(['inspect', 'oci:image.oci', '--json'], { cwd, env });
    expect(JSON.parse(inspected).digest).toBe(digest);
    for (const [target, flags] of [
      ['image-load', '--load'],
      ['image-push', '--push'],
      ['image-watch', '--load --watch'],
    ] as const)
      expect(await must('make', ['-n', target], { cwd, env })).toContain(
        `npx --yes ocislim@${VERSION} pack out/hello -t me/hello:1 --label a=b ${flags}`,
      );
  });
});

describeWithPeers(
  'an archive for kind, minikube and k3s',
  ['ctr', 'containerd'],
  () => {
    it('is imported as they do it, under the name that a pod asks for', async () => {
      const { cwd, env } = job();
      const args = ['pack', 'hello-linux-amd64', '-t', 'me/hello:1', '-o', 'docker-archive:hello.tar'];
      const { digest } = await packed(args, { cwd, env });
      const { ctr, stop } = await startContainerd();
      try {
        // The flags of `kind load image-archive`, but for its snapshotter.
        const flags = ['--all-platforms', '--digests'];
        await ctr(['-n', 'k8s.io', 'images', 'import', ...flags, join(cwd, 'hello.tar')]);
        const listed = await ctr(['-n', 'k8s.io', 'images', 'ls']);
        expect(listed).toMatch(new RegExp(`^docker\\.io/me/hello:1 .* ${digest} `, 'm'));
      } finally {
        await stop();
      }
    });
  },
  asRoot,
);

it('says what is wrong where --watch would write to standard output', async () => {
  const { cwd, env } = job();
  const ran = await ocislim(['pack', 'hello-linux-amd64', '--watch', '-o', '-'], { cwd, env });
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('--watch with -o -')]);
});
