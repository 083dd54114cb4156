import { spawnSync } from 'node:child_process';
import { cosignIsThere } from '../../support/cosign.ts';
import type { Typing } from './typing.ts';

/** Lines that are not run here, with why; test/docs looks at their commands and options all the same. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  'npm ci && npx ocislim pack testdata/hello': 'typed by readme.test.ts on a fresh clone',
  'npm ci && npm link': 'as by readme.test.ts on a fresh clone, which has its packages and is built by then',
  'npm ci && npm test': 'it would run this test',
  'npm ci && npm run build:standalone': 'as by standalone.test.ts, without fetching packages again',
  'dist/standalone/ocislim pack ./hello --base alpine -t ghcr.io/me/hello:1 --push':
    'typed by standalone.test.ts, which makes the executable',
  'npm ci && npm run build:image': 'as by own-image.test.ts, without fetching packages again',
  'npm run build:image -- -t registry.example.com/ci/ocislim:0.1.0 --push --sign cosign.key':
    'as by own-image.test.ts, which makes the executable once',
  'npm run build:image -- image-shell -t registry.example.com/ci/ocislim:0.1.0-shell --push --sign cosign.key':
    'as by own-image.test.ts, which makes the executable once',
  'docker run --rm -v "$PWD:/work" --user "$(id -u)" registry.example.com/ci/ocislim:0.1.0 pack ./hello -o oci:hello.oci':
    'typed by own-image.test.ts, which makes the image',
  'docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -v "$PWD:/work" registry.example.com/ci/ocislim:0.1.0 inspect oci:hello.oci':
    'typed by own-image.test.ts, which makes the image',
  "ocislim pack /usr/bin/proot --dest /usr/bin/proot --with-libs --base registry.example.com/ci/ocislim:0.1.0-shell --entrypoint '[]' --cmd sh -t registry.example.com/ci/ocislim:0.1.0-proot --push":
    'run word by word by own-image.test.ts, which makes the base',
  'OCISLIM_TEST_BIN=$PWD/dist/standalone/ocislim npx vitest run --project e2e': 'it would run this test',
};

/** What a page takes for granted, as lines to type before. */
export const BEFORE: Readonly<Record<string, readonly string[]>> = {
  'docs/insight.md': [
    'ocislim pack ./hello -t hello:1 -o oci:hello.oci',
    'ocislim pack ./hello -t hello:2 -e A=1',
  ],
  'docs/trust.md': ['ocislim pack ./hello -o oci:hello.oci'],
};

const SERVING = {
  ready: /^(127\.0\.0\.1:\d+)\r?$[\s\S]*Ctrl-C ends it/m,
  use: 'ocislim --store "$(mktemp -d)" pull "$ADDRESS/hello:1"',
};

const COSIGN_VERIFY = 'cosign verify --key cosign.pub --insecure-ignore-tlog=true ghcr.io/me/hello:1';

const KIND = 'go install sigs.k8s.io/kind@v0.32.0';

/** A node as kind finds it, with the containerd of this test behind it, and programs of this machine. */
const NODE_OF_KIND = [
  'docker run -d --name kind-control-plane --network none',
  '--label io.x-k8s.kind.cluster=kind --label io.x-k8s.kind.role=control-plane',
  '-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro',
  '-v "$CONTAINERD_ADDRESS:/run/containerd/containerd.sock"',
  '--entrypoint /usr/bin/sleep node:1 infinity',
].join(' ');

const HAS_HELLO = '| grep "^docker.io/library/hello:dev .* complete "';

/** Lines that take more than a shell. */
export const TYPING: Readonly<Record<string, Typing>> = {
  'ocislim pack ./hello --base alpine --toolchain golang:1.24-alpine': {
    folder: 'source',
    after: [prints('ocislim run -q hello 2>&1', 'hello from Go')],
  },
  'ocislim login ghcr.io': {
    // What it keeps is what the page pushes with from there on.
    before: ['ocislim logout ghcr.io'],
    answers: { 'Username: ': 'me', 'Password: ': 'right' },
  },
  'ocislim pack ./hello --base alpine --push -t ghcr.io/me/hello:1': { folder: 'glibc', code: 6 },
  'ocislim build https://github.com/me/app.git#v1.2:service': {
    after: [prints('ocislim run -q app', 'v1.2')],
  },
  'ocislim slim Dockerfile': { folder: 'one-stage' },
  'ocislim pack ./hello-go -t hello:dev --load --watch': {
    untilCtrlC: {
      ready: /watching \d+ files?, Ctrl-C ends it/,
      use: prints('docker run --rm --network none hello:dev', 'hello from Go'),
    },
  },
  'ocislim index create ghcr.io/me/hello:1 ghcr.io/me/hello@sha256:… ghcr.io/me/hello@sha256:… --push': {
    digests: ['amd64', 'arm64'].map(
      (machine) => `ocislim pack dist/hello-linux-${machine} -t ghcr.io/me/hello:1 --push-by-digest`,
    ),
    after: ['amd64', 'arm64'].map((machine) => `ocislim pull --platform linux/${machine} ghcr.io/me/hello:1`),
  },
  'ocislim serve': {
    untilCtrlC: { ...SERVING, use: `[ "$ADDRESS" = 127.0.0.1:5000 ] && ${SERVING.use}` },
  },
  'ocislim serve oci:hello.oci --port 0': { untilCtrlC: SERVING },
  'kubectl create secret docker-registry ocislim-push --docker-server=registry.example.com --docker-username=me --docker-password="$TOKEN"':
    {
      // A pod has it as the configuration that it pushes with.
      after: [
        'mkdir credentials',
        'kubectl get secret ocislim-push -o go-template=\'{{index .data ".dockerconfigjson" | base64decode}}\' > credentials/config.json',
        'DOCKER_CONFIG=$PWD/credentials ocislim pack ./hello -t registry.example.com/me/hello:1 --push',
      ],
    },
  'kubectl apply -f integrations/tekton/ocislim-pack.yaml': { after: ['kubectl get task ocislim-pack'] },
  'kubectl apply -f integrations/kubernetes/job.yaml': { after: ['kubectl get job ocislim-pack'] },
  'kind load image-archive hello.tar': {
    needs: { met: () => isThere('kind', 'version'), what: `kind (${KIND})` },
    before: [
      'echo "version = 2" > node.toml',
      'ocislim pack ./hello --add node.toml:/etc/containerd/config.toml -t node:1 --load',
      NODE_OF_KIND,
    ],
    after: [
      `docker exec kind-control-plane ctr -n k8s.io images check ${HAS_HELLO}`,
      'docker rm -f kind-control-plane && k3s ctr images rm docker.io/library/hello:dev',
    ],
  },
  'sudo k3s ctr images import hello.tar': { after: [`k3s ctr images check ${HAS_HELLO}`] },
  [COSIGN_VERIFY]: {
    needs: { met: cosignIsThere, what: 'cosign 3' },
    after: [
      `ocislim keygen --output-key-prefix other && ! ${COSIGN_VERIFY.replace('cosign.pub', 'other.pub')}`,
    ],
  },
  'npm install @sigstore/sign@4': { before: ['npm install "$OCISLIM_TARBALL"'] },
  'ocislim sign --keyless ghcr.io/me/hello:1': {
    after: [
      'ocislim copy --referrers ghcr.io/me/hello:1 oci:keyless.oci',
      `grep -rq "$(printf 'of a CI job' | base64)" keyless.oci`,
    ],
  },
  'ocislim verify ghcr.io/me/hello:1 --rebuild ./hello --label team=me': {
    before: [
      'ocislim pack ./hello --base alpine -t ghcr.io/me/hello:1 --label team=me --push --sign cosign.key',
    ],
  },
};

/** A line that succeeds where another prints just that. */
function prints(line: string, what: string): string {
  return `[ "$(${line})" = '${what}' ]`;
}

function isThere(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
