import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislimCommand, root, run, succeeded } from '../support/cli.ts';
import { type DockerRegistry, HTPASSWD, startRegistry } from '../support/docker-registry.ts';
import { linesToType, type Page, pages } from '../support/documented.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

/** Lines that are not run here, with why; test/docs looks at their commands and options all the same. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'npm ci && npx ocislim pack testdata/hello': 'run by readme.test.ts on a fresh clone',
  'npm ci && npm link': 'run by readme.test.ts on a fresh clone',
  'npm ci && npm test': 'it would run this test',
  'npm ci && npm run build:standalone': 'run by standalone.test.ts',
  'dist/standalone/ocislim pack ./hello --base alpine -t ghcr.io/me/hello:1 --push':
    'run by standalone.test.ts',
  'npm ci && npm run build:image': 'run by own-image.test.ts',
  'npm run build:image -- -t registry.example.com/ci/ocislim:0.1.0 --push --sign cosign.key':
    'run by own-image.test.ts',
  'npm run build:image -- image-shell -t registry.example.com/ci/ocislim:0.1.0-shell --push --sign cosign.key':
    'run by own-image.test.ts',
  'docker run --rm -v "$PWD:/work" --user "$(id -u)" registry.example.com/ci/ocislim:0.1.0 pack ./hello -o oci:hello.oci':
    'run by own-image.test.ts',
  'docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -v "$PWD:/work" registry.example.com/ci/ocislim:0.1.0 inspect oci:hello.oci':
    'run by own-image.test.ts',
  "ocislim pack /usr/bin/proot --dest /usr/bin/proot --with-libs --base registry.example.com/ci/ocislim:0.1.0-shell --entrypoint '[]' --cmd sh -t registry.example.com/ci/ocislim:0.1.0-proot --push":
    'run by own-image.test.ts',
  'OCISLIM_TEST_BIN=$PWD/dist/standalone/ocislim npx vitest run --project e2e': 'it would run this test',
  'ocislim pack ./hello --base alpine --toolchain golang:1.24-alpine':
    'needs Docker Hub; compile-image.test.ts',
  'ocislim login ghcr.io':
    'asks for a name and a password; login is run below, and by test/registry/login.test.ts',
  'ocislim pack ./hello --base alpine --push -t ghcr.io/me/hello:1':
    'is refused as the page shows; check.test.ts',
  'ocislim build https://github.com/me/app.git#v1.2:service': 'needs GitHub; build-sources.test.ts',
  'ocislim slim Dockerfile': 'needs Docker Hub; slim.test.ts',
  'ocislim pack ./hello-go -t hello:dev --load --watch': 'ends with Ctrl-C; watch.test.ts',
  'ocislim index create ghcr.io/me/hello:1 ghcr.io/me/hello@sha256:… ghcr.io/me/hello@sha256:… --push':
    'digests are for the reader to fill in; push-by-digest.test.ts',
  'kubectl apply -f integrations/tekton/ocislim-pack.yaml': 'needs a cluster; pods.test.ts',
  'kubectl apply -f integrations/kubernetes/job.yaml': 'needs a cluster; pods.test.ts',
  'kubectl create secret docker-registry ocislim-push --docker-server=registry.example.com --docker-username=me --docker-password="$TOKEN"':
    'needs a cluster',
  'kind load image-archive hello.tar': 'needs a cluster',
  'minikube image load hello.tar': 'needs a cluster',
  'sudo k3s ctr images import hello.tar': 'needs a cluster',
  'ocislim serve': 'ends with Ctrl-C; serve.test.ts',
  'ocislim serve oci:hello.oci --port 0': 'ends with Ctrl-C; serve.test.ts',
  'cosign verify --key cosign.pub --insecure-ignore-tlog=true ghcr.io/me/hello:1':
    'asks for a root of trust on the network; sign.test.ts',
  'npm install @sigstore/sign@4': 'needs a network',
  'ocislim sign --keyless ghcr.io/me/hello:1': 'needs the identity of a CI job; keyless.test.ts',
  'ocislim verify ghcr.io/me/hello:1 --rebuild ./hello --label team=me':
    'for an image with that label; rebuild.test.ts',
};

/** What a page takes for granted, as lines to type before. */
const BEFORE: Readonly<Record<string, readonly string[]>> = {
  'docs/insight.md': [
    'ocislim pack ./hello -t hello:1 -o oci:hello.oci',
    'ocislim pack ./hello -t hello:2 -e A=1',
  ],
  'docs/trust.md': ['ocislim pack ./hello -o oci:hello.oci'],
};

const DOCKERFILE = `FROM alpine AS app
ARG VERSION=0
LABEL version=$VERSION
COPY hello /usr/local/bin/hello
ENTRYPOINT ["hello"]
`;

describeWithPeers(
  'the documentation',
  ['docker-registry', 'dockerd', 'docker', 'bash', 'git', 'go'],
  () => {
    let registry: DockerRegistry;
    let engine: DockerEngine;
    let goCache: string;
    const bin = tempDir();

    beforeAll(async () => {
      const htpasswd = join(tempDir(), 'htpasswd');
      writeFileSync(htpasswd, HTPASSWD);
      [registry, engine] = await Promise.all([startRegistry({ htpasswd }), startDocker()]);
      goCache = (await must('go', ['env', 'GOCACHE'])).trim();
      const words = ocislimCommand.map((word) => `'${word}'`).join(' ');
      writeFileSync(join(bin, 'ocislim'), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
      const sources = alpineBases().map((base) => {
        const folder = tempDir();
        writeBaseLayout(folder, base);
        return `oci:${folder}`;
      });
      await succeeded(['index', 'create', `${registry.host}/library/alpine:latest`, ...sources, '--push'], {
        env: { OCISLIM_HOME: tempDir(), DOCKER_CONFIG: loggedIn() },
      });
    });
    afterAll(async () => {
      await Promise.all([registry?.stop(), engine?.stop()]);
    });

    function loggedIn(): string {
      const folder = tempDir();
      const auth = Buffer.from('me:right').toString('base64');
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
      return folder;
    }

    /** A folder with what the pages speak of, under version control. */
    async function reader(): Promise<string> {
      const folder = tempDir();
      mkdirSync(join(folder, 'dist'));
      copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
      copyFileSync(join(root, 'testdata/hello'), join(folder, 'dist/hello-linux-amd64'));
      copyFileSync(join(root, 'testdata/hello-arm64'), join(folder, 'dist/hello-linux-arm64'));
      cpSync(join(root, 'testdata/hello-go'), join(folder, 'hello-go'), { recursive: true });
      for (const name of ['deploy', 'config']) mkdirSync(join(folder, name));
      writeFileSync(join(folder, 'Dockerfile'), DOCKERFILE);
      writeFileSync(join(folder, 'deploy/Dockerfile'), DOCKERFILE);
      writeFileSync(join(folder, 'config/hello.conf'), 'greeting = hello\n');
      writeFileSync(join(folder, 'motd'), 'hello\n');
      const identity = ['-c', 'user.name=me', '-c', 'user.email=me@example.com'];
      await must('git', ['init', '-q'], { cwd: folder });
      await must('git', ['add', '-A'], { cwd: folder });
      await must('git', [...identity, 'commit', '-qm', 'hello'], { cwd: folder });
      return folder;
    }

    /** Docker Hub is the registry of this test. */
    function registriesConf(): string {
      const file = join(tempDir(), 'registries.conf');
      const mirror = `[[registry.mirror]]\nlocation = "${registry.host}"\ninsecure = true\n`;
      writeFileSync(file, `[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n${mirror}`);
      return file;
    }

    async function typeAll(
      page: Page,
    ): Promise<readonly { command: string; code: number | null; said: string }[]> {
      const cwd = await reader();
      const lines = linesToType(page).map(({ command }) => command);
      const logsIn = lines.some((line) => line.includes('--password-stdin'));
      const env = {
        PATH: `${bin}${delimiter}${process.env['PATH']}`,
        HOME: tempDir(),
        GOCACHE: goCache,
        OCISLIM_HOME: tempDir(),
        DOCKER_HOST: engine.env['DOCKER_HOST'],
        DOCKER_CONFIG: logsIn ? tempDir() : loggedIn(),
        CONTAINERS_REGISTRIES_CONF: registriesConf(),
        // Whatever asks for another machine is refused here.
        https_proxy: 'http://127.0.0.1:1',
        COSIGN_PASSWORD: 'secret',
        TOKEN: 'right',
      };
      const before = BEFORE[page.path] ?? [];
      const failed = [];
      for (const command of [...before, ...lines.filter((line) => !Object.hasOwn(NOT_RUN, line))]) {
        const here = command.replaceAll(/\b(?:ghcr\.io|registry\.example\.com)\b/g, registry.host);
        const { code, stdout, stderr } = await run('bash', ['-o', 'pipefail', '-c', here], { cwd, env });
        if (code !== 0) failed.push({ command, code, said: `${stdout}${stderr}` });
      }
      return failed;
    }

    const typed = pages().filter((page) =>
      linesToType(page).some(({ command }) => !Object.hasOwn(NOT_RUN, command)),
    );
    it.each(typed)('in $path works as it is typed', async (page) => {
      expect(await typeAll(page)).toEqual([]);
    });

    describe('is not run', () => {
      it('only where it says why, and only what is there', () => {
        const lines = new Set(pages().flatMap((page) => linesToType(page).map(({ command }) => command)));
        expect(Object.keys(NOT_RUN).filter((command) => !lines.has(command))).toEqual([]);
      });
    });
  },
  asRoot,
);
