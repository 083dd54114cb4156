import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildah, docker, solve } from '../containers.ts';
import { layerBytes } from '../images.ts';
import type { Case, Command, Contender } from '../model.ts';
import type { Bench } from '../place.ts';

/** Pulls an image and unpacks it. Who has no command that stops there also starts `true` in it. */
export const toolchain: Case = {
  name: 'toolchain',
  title: 'toolchain image, pull and unpack',
  runs: 3,
  warmUps: 0,
  bars: [{ of: 'ocislim', what: 'time', against: 'BuildKit', atMost: 0.7 }],
  open: async (bench) =>
    [...own(bench), ...(await peers(bench))].map((each) => ({
      ...each,
      after: async () => ({ layer: await layerBytes(bench.host, 'golang', { tag: '0' }) }),
    })),
};

/*
 * Each run has an image of its own, and a folder that was not there before: on ext4, making files takes several times as
 * long for some minutes after others were removed, and whoever is next would pay for it.
 */

function own(bench: Bench): readonly Contender[] {
  return bench.own.map(({ name, argv }) => ({
    name,
    how: '`run --entrypoint true IMAGE`: pulls, unpacks into its store, starts',
    ...inFolders(bench, name, (store, golang) => [
      { argv: [...argv, 'run', '-q', '--entrypoint', 'true', golang], env: { OCISLIM_HOME: store } },
    ]),
  }));
}

/** Commands for an image and a folder, another in each run. */
function inFolders(
  bench: Bench,
  name: string,
  commands: (folder: string, golang: string) => readonly Command[],
): Pick<Contender, 'before' | 'commands'> {
  const places: { readonly folder: string; readonly golang: string }[] = [];
  return {
    before: async (run) => {
      places[run] = { folder: bench.folder(`toolchain-${name}`), golang: await bench.golang(run) };
    },
    commands: (run) => {
      const place = places[run];
      return place === undefined ? [] : commands(place.folder, place.golang);
    },
  };
}

async function peers(bench: Bench): Promise<readonly Contender[]> {
  const all: Contender[] = [];
  if (bench.has('crane')) {
    const script = 'crane export "$1" - | tar -x -C "$2"';
    all.push({
      name: 'crane',
      how: '`export` piped into `tar -x`: pulls and unpacks, keeps no layers',
      ...inFolders(bench, 'crane', (folder, golang) => [
        { argv: ['sh', '-c', script, 'sh', golang, folder] },
      ]),
    });
  }
  if (bench.has('umoci')) {
    all.push({
      name: 'umoci',
      how: '`skopeo copy` into a layout and `umoci unpack`: pulls and unpacks',
      ...inFolders(bench, 'umoci', (folder, golang) => {
        const image = `${join(folder, 'layout')}:golang`;
        return [
          { argv: ['skopeo', 'copy', '-q', '--src-tls-verify=false', `docker://${golang}`, `oci:${image}`] },
          { argv: ['umoci', 'unpack', '--image', image, join(folder, 'bundle')] },
        ];
      }),
    });
  }
  if (bench.has('buildah')) {
    all.push({
      name: 'buildah',
      how: '`from` and `run true`: pulls, unpacks into its storage, starts',
      ...inFolders(bench, 'buildah', (folder, golang) => [
        buildah(folder, 'from', '-q', '--tls-verify=false', '--name', 'bench', golang),
        buildah(folder, 'run', '--isolation', 'chroot', 'bench', 'true'),
      ]),
    });
  }
  if (bench.has('BuildKit')) {
    const { buildctl } = await bench.buildKit();
    all.push({
      name: 'BuildKit',
      how: '`buildctl build` of FROM and `RUN true`, daemon running: pulls, unpacks, starts',
      ...inFolders(bench, 'buildkit', (context, golang) => {
        writeFileSync(join(context, 'Dockerfile'), `FROM ${golang}\nRUN ["true"]\n`);
        return [solve(buildctl, context)];
      }),
    });
  }
  if (bench.has('docker')) {
    const { env } = await bench.docker();
    all.push({
      name: 'docker',
      how: '`pull`, daemon running: pulls and unpacks',
      ...inFolders(bench, 'docker', (_, golang) => [docker(env, 'pull', '-q', golang)]),
    });
  }
  return all;
}
