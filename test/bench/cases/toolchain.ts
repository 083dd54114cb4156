import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../support/cli.ts';
import { buildah, docker, solve } from '../containers.ts';
import { layerBytes } from '../images.ts';
import type { Case, Contender } from '../model.ts';
import { type Bench, unmountBelow } from '../place.ts';

/** Pulls an image and unpacks it. Who has no command that stops there also starts `true` in it. */
export const toolchain: Case = {
  name: 'toolchain',
  title: 'toolchain image, pull and unpack',
  runs: 3,
  warmUps: 0,
  bars: [{ of: 'ocislim', what: 'time', against: 'BuildKit', atMost: 0.7 }],
  open: async (bench) => {
    const golang = await bench.golang();
    const bytes = await layerBytes(bench.host, 'golang');
    const contenders = [...own(bench, golang), ...(await peers(bench, golang))];
    return contenders.map((each) => ({ ...each, after: async () => ({ layer: bytes }) }));
  },
};

function own(bench: Bench, golang: string): readonly Contender[] {
  return bench.own.map(({ name, argv }) => {
    const store = join(bench.folder(`toolchain-${name}`), 'store');
    return {
      name,
      how: '`run --entrypoint true IMAGE`: pulls, unpacks into its store, starts',
      before: () => rmSync(store, { recursive: true, force: true }),
      commands: () => [
        { argv: [...argv, 'run', '-q', '--entrypoint', 'true', golang], env: { OCISLIM_HOME: store } },
      ],
    };
  });
}

async function peers(bench: Bench, golang: string): Promise<readonly Contender[]> {
  const all: Contender[] = [];
  const emptied = (name: string) => {
    const folder = bench.folder(`toolchain-${name}`);
    const before = () => {
      unmountBelow(folder);
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
    };
    return { folder, before };
  };
  if (bench.has('crane')) {
    const { folder, before } = emptied('crane');
    const script = 'crane export "$1" - | tar -x -C "$2"';
    all.push({
      name: 'crane',
      how: '`export` piped into `tar -x`: pulls and unpacks, keeps no layers',
      before,
      commands: () => [{ argv: ['sh', '-c', script, 'sh', golang, folder] }],
    });
  }
  if (bench.has('umoci')) {
    const { folder, before } = emptied('umoci');
    const image = `${join(folder, 'layout')}:golang`;
    all.push({
      name: 'umoci',
      how: '`skopeo copy` into a layout and `umoci unpack`: pulls and unpacks',
      before,
      commands: () => [
        { argv: ['skopeo', 'copy', '-q', '--src-tls-verify=false', `docker://${golang}`, `oci:${image}`] },
        { argv: ['umoci', 'unpack', '--image', image, join(folder, 'bundle')] },
      ],
    });
  }
  if (bench.has('buildah')) {
    const { folder, before } = emptied('buildah');
    const from = ['from', '-q', '--tls-verify=false', '--name', 'bench', golang];
    all.push({
      name: 'buildah',
      how: '`from` and `run true`: pulls, unpacks into its storage, starts',
      before,
      commands: () => [
        buildah(folder, ...from),
        buildah(folder, 'run', '--isolation', 'chroot', 'bench', 'true'),
      ],
    });
  }
  if (bench.has('BuildKit')) {
    const { buildctl } = await bench.buildKit();
    const context = bench.folder('toolchain-buildkit');
    writeFileSync(join(context, 'Dockerfile'), `FROM ${golang}\nRUN ["true"]\n`);
    all.push({
      name: 'BuildKit',
      how: '`buildctl build` of FROM and `RUN true`, daemon running: pulls, unpacks, starts',
      before: () => prune(buildctl),
      commands: () => [solve(buildctl, context)],
    });
  }
  if (bench.has('docker')) {
    const { env } = await bench.docker();
    all.push({
      name: 'docker',
      how: '`pull`, daemon running: pulls and unpacks',
      before: () => pruneDocker(env),
      commands: () => [docker(env, 'pull', '-q', golang)],
    });
  }
  return all;
}

/** Takes all that buildkitd keeps. */
export async function prune([command = '', ...args]: readonly string[]): Promise<void> {
  await must(command, [...args, 'prune', '--all']);
}

/** Takes all images of a dockerd, and what it built them from. */
export async function pruneDocker(env: NodeJS.ProcessEnv): Promise<void> {
  await must('docker', ['system', 'prune', '--all', '--force'], { env });
}
