import { execFileSync } from 'node:child_process';
import { describe } from 'vitest';

/** Programs that end-to-end tests talk to, and the Debian packages that bring them. */
const PACKAGES = {
  'docker-registry': 'docker-registry',
  dockerd: 'docker.io',
  docker: 'docker.io',
  podman: 'podman',
  buildah: 'buildah',
  runc: 'runc',
  ctr: 'containerd',
  containerd: 'containerd',
  skopeo: 'skopeo',
  umoci: 'umoci',
  taskset: 'util-linux',
  bash: 'bash',
  git: 'git',
  kubectl: 'kubernetes-client',
  bzip2: 'bzip2',
  xz: 'xz-utils',
  zstd: 'zstd',
  go: 'golang-go',
  gcc: 'gcc libc6-dev',
  'g++': 'g++',
  'musl-gcc': 'musl-tools',
  rustc: 'rustc',
  cargo: 'cargo',
  make: 'make',
  cmake: 'cmake',
  meson: 'meson',
  ninja: 'ninja-build',
  mvn: 'maven',
  npm: 'npm',
  javac: 'default-jdk-headless',
  jdeps: 'default-jdk-headless',
  jlink: 'default-jdk-headless',
  strip: 'binutils',
  nm: 'binutils',
  chromium: 'chromium',
  bwrap: 'bubblewrap',
  proot: 'proot',
  unshare: 'util-linux',
  newuidmap: 'uidmap',
  setcap: 'libcap2-bin',
  script: 'bsdutils',
  'dpkg-query': 'dpkg',
  groff: 'groff',
  rpm: 'rpm',
  rpmbuild: 'rpm',
  'aarch64-linux-gnu-gcc': 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
} as const;

export type Peer = keyof typeof PACKAGES;

const required = process.env['OCISLIM_TEST_REQUIRE_PEERS'] === '1';

function isInstalled(peer: Peer): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${peer}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * A block of tests that need other programs. Where one is missing it is skipped, with a line that says what to install;
 * with `OCISLIM_TEST_REQUIRE_PEERS=1` it fails instead.
 * @param more what else is needed, and why it is not there
 */
export function describeWithPeers(
  name: string,
  peers: readonly Peer[],
  tests: () => void,
  more?: { readonly met: boolean; readonly need: string },
): void {
  const missing = peers.filter((peer) => !isInstalled(peer));
  const needs = [
    ...missing.map((peer) => `${peer} (apt-get install ${PACKAGES[peer]})`),
    ...(more === undefined || more.met ? [] : [more.need]),
  ];
  if (needs.length === 0) {
    describe(name, tests);
    return;
  }
  const reason = `needs ${needs.join(', ')}`;
  if (required) throw new Error(`${name}: ${reason}, and OCISLIM_TEST_REQUIRE_PEERS=1 allows no skipping`);
  console.warn(`skipped: ${name}: ${reason}`);
  describe.skipIf(true)(`${name} (${reason})`, tests);
}

export const asRoot = { met: process.getuid?.() === 0, need: 'to run as root' } as const;
