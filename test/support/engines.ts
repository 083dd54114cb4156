import { join } from 'node:path';
import { must, type RunOptions, run } from './cli.ts';
import { type Background, startProcess } from './processes.ts';
import { tempDir } from './temp.ts';

export interface DockerEngine {
  /** Variables that point docker's own command at this daemon. */
  readonly env: NodeJS.ProcessEnv;
  docker(args: readonly string[], options?: RunOptions): Promise<string>;
  stop(): Promise<void>;
}

/** A dockerd of its own, with its own folders and socket, without networking. */
export async function startDocker(insecureRegistries: readonly string[] = []): Promise<DockerEngine> {
  const folder = tempDir();
  const socket = `unix://${join(folder, 'docker.sock')}`;
  const env = { DOCKER_HOST: socket, DOCKER_CONFIG: join(folder, 'config') };
  const args = [
    ...['--host', socket, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
    ...['--pidfile', join(folder, 'docker.pid'), '--iptables=false', '--bridge=none'],
    ...insecureRegistries.flatMap((host) => ['--insecure-registry', host]),
  ];
  const daemon: Background = await startProcess('dockerd', args, (output) =>
    output.includes('API listen on'),
  );
  return {
    env,
    docker: (command, options = {}) =>
      must('docker', command, { ...options, env: { ...options.env, ...env } }),
    stop: async () => {
      await daemon.stop();
      // A container that had the host's network leaves it mounted.
      await run('umount', [join(folder, 'exec/netns/default')]);
    },
  };
}

export interface ContainerdEngine {
  readonly address: string;
  ctr(args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/** A containerd of its own. */
export async function startContainerd(): Promise<ContainerdEngine> {
  const folder = tempDir();
  const address = join(folder, 'containerd.sock');
  const args = [
    '--address',
    address,
    '--root',
    join(folder, 'root'),
    '--state',
    join(folder, 'state'),
    '--log-level',
    'info',
  ];
  const daemon = await startProcess('containerd', args, (output) =>
    output.includes('containerd successfully booted'),
  );
  return {
    address,
    ctr: (command) => must('ctr', ['--address', address, ...command]),
    stop: () => daemon.stop(),
  };
}

/** podman with storage of its own. */
export function podmanArgs(): readonly string[] {
  const folder = tempDir();
  return [
    '--root',
    join(folder, 'root'),
    '--runroot',
    join(folder, 'run'),
    '--storage-driver',
    'vfs',
    '--events-backend',
    'file',
  ];
}
