import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../support/cli.ts';
import { startProcess } from '../support/processes.ts';

export interface BuildKit {
  /** `buildctl` with the address of this daemon. */
  readonly buildctl: readonly string[];
  stop(): Promise<void>;
}

/**
 * A buildkitd with folders of its own, which starts commands with runc.
 * @param registry a registry on loopback, which it is to reach without TLS
 */
export async function startBuildKit(folder: string, registry: string): Promise<BuildKit> {
  mkdirSync(folder);
  const config = join(folder, 'buildkitd.toml');
  writeFileSync(config, `[registry."${registry}"]\n  http = true\n`);
  const buildctl = ['buildctl', '--addr', `unix://${join(folder, 'buildkitd.sock')}`];
  const args = [
    ...['--root', join(folder, 'root'), '--addr', `unix://${join(folder, 'buildkitd.sock')}`],
    ...['--config', config, '--oci-worker=true', '--containerd-worker=false'],
  ];
  const isUp = async () => (await run('buildctl', [...buildctl.slice(1), 'debug', 'workers'])).code === 0;
  const daemon = await startProcess('buildkitd', args, isUp);
  return { buildctl, stop: () => daemon.stop() };
}
