import { execFileSync } from 'node:child_process';

interface PeerFacts {
  readonly commands: readonly string[];
  /** What says which version it is. */
  readonly version: readonly string[];
  readonly install: string;
  readonly needsRoot: boolean;
}

const BUILDKIT = 'github.com/moby/buildkit/cmd';

const PEERS = {
  crane: {
    commands: ['crane'],
    version: ['crane', 'version'],
    install: 'go install github.com/google/go-containerregistry/cmd/crane@latest',
    needsRoot: false,
  },
  umoci: {
    commands: ['skopeo', 'umoci'],
    version: ['umoci', '--version'],
    install: 'apt-get install skopeo umoci',
    needsRoot: true,
  },
  buildah: {
    commands: ['buildah'],
    version: ['buildah', '--version'],
    install: 'apt-get install buildah',
    needsRoot: true,
  },
  BuildKit: {
    commands: ['buildctl', 'buildkitd', 'runc'],
    version: ['buildkitd', '--version'],
    install: `apt-get install runc; in the folder of any Go module: go get ${BUILDKIT}/buildctl ${BUILDKIT}/buildkitd && go install ${BUILDKIT}/buildctl ${BUILDKIT}/buildkitd`,
    needsRoot: true,
  },
  docker: {
    commands: ['docker', 'dockerd'],
    version: ['dockerd', '--version'],
    install: 'apt-get install docker.io',
    needsRoot: true,
  },
} as const satisfies Record<string, PeerFacts>;

export type Peer = keyof typeof PEERS;

/** What the suite itself cannot do without. */
const REQUIRED = {
  'docker-registry': 'apt-get install docker-registry',
  go: 'apt-get install golang-go',
  time: 'apt-get install time',
  tar: 'apt-get install tar',
} as const;

export interface Found {
  /** Peers that can be measured, with what they say of their version. */
  readonly peers: ReadonlyMap<Peer, string>;
  /** A line for each that cannot, with what to do about it. */
  readonly missing: readonly string[];
}

/**
 * Peers on `PATH`.
 * @throws Error where something is missing that every case needs
 */
export function findPeers(isRoot: boolean): Found {
  const needed = Object.entries(REQUIRED).filter(([command]) => !isOnPath(command));
  if (needed.length > 0)
    throw new Error(`missing: ${needed.map(([command, how]) => `${command} (${how})`).join(', ')}`);
  const peers = new Map<Peer, string>();
  const missing: string[] = [];
  for (const [name, facts] of Object.entries(PEERS) as [Peer, PeerFacts][]) {
    const absent = facts.commands.filter((command) => !isOnPath(command));
    if (absent.length > 0) missing.push(`${name}: no ${absent.join(', ')} on PATH (${facts.install})`);
    else if (facts.needsRoot && !isRoot) missing.push(`${name}: is measured as root alone`);
    else peers.set(name, firstLine(facts.version));
  }
  return { peers, missing };
}

function isOnPath(command: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', command], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The first line that a command prints. */
export function firstLine([command = '', ...args]: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' }).split('\n')[0]?.trim() ?? '';
}
