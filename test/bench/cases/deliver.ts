import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../support/cli.ts';
import { bud, buildah, docker, solve } from '../containers.ts';
import { layerBytes } from '../images.ts';
import type { Case, Command, Contender } from '../model.ts';
import type { Bench } from '../place.ts';
import type { Bar } from '../statistics.ts';

type Destination = 'registry' | 'archive';

interface Work {
  readonly to: Destination;
  readonly alpine: string;
  /** Writes what goes into the image below `context`, other content each time. */
  readonly fill: (context: string) => void;
  /** What COPY, `--add` and others take: a path in the context, and where it goes. */
  readonly paths: readonly (readonly [from: string, to: string])[];
  /** Whether each run has new content. */
  readonly isFresh: boolean;
}

/** Where one contender works. */
interface Scene {
  readonly folder: string;
  readonly context: string;
  readonly archive: string;
  readonly repository: string;
  /** The image in the registry. */
  readonly name: string;
}

interface Method {
  readonly name: string;
  readonly how: string;
  /** Once, before all. */
  readonly prepare?: (scene: Scene) => Promise<void>;
  /** After the content has changed. */
  readonly refresh?: (scene: Scene) => void;
  readonly commands: (scene: Scene) => readonly Command[];
}

const PROGRAM = '/usr/local/bin/hello';
const MANY = '/usr/share/many';

async function methods(bench: Bench, { to, alpine, paths }: Work): Promise<readonly Method[]> {
  const isPushed = to === 'registry';
  const all: Method[] = bench.own.map(({ name, argv }) => ({
    name,
    how: '`pack`, base in its store',
    commands: ({ folder, context, archive, name: tag }) => {
      const adds = paths.slice(1).flatMap(([from, dest]) => ['--add', `${join(context, from)}:${dest}`]);
      const out = isPushed ? ['--push'] : ['-o', `docker-archive:${archive}`];
      return [
        {
          argv: [...argv, 'pack', join(context, 'hello'), '--base', alpine, ...adds, '-t', tag, '-q', ...out],
          env: { OCISLIM_HOME: join(folder, 'store') },
        },
      ];
    },
  }));
  if (bench.has('crane')) all.push(crane(isPushed, alpine));
  if (bench.has('umoci')) all.push(umoci(isPushed, alpine, paths));
  if (bench.has('buildah')) all.push(buildahMethod(isPushed));
  if (bench.has('BuildKit')) all.push(buildKit(isPushed, (await bench.buildKit()).buildctl));
  if (bench.has('docker')) all.push(dockerMethod(isPushed, (await bench.docker()).env));
  return all;
}

function crane(isPushed: boolean, alpine: string): Method {
  return {
    name: 'crane',
    how: isPushed
      ? '`append` and `mutate --entrypoint`, the layer’s tar made beforehand'
      : '`mutate --entrypoint` of the base and `append -o`, the layer’s tar made beforehand',
    refresh: ({ folder, context }) => {
      const options = ['--owner=0', '--group=0', '--exclude=./Dockerfile'];
      const moves = [
        '--transform',
        's,^\\./hello,usr/local/bin/hello,',
        '--transform',
        's,^\\./many,usr/share/many,',
      ];
      const names = ['./hello', './many'].filter((name) => existsSync(join(context, name)));
      execFileSync('tar', ['-cf', join(folder, 'layer.tar'), ...options, ...moves, '-C', context, ...names]);
    },
    commands: ({ folder, archive, name }) => {
      const append = (base: string) => [
        'crane',
        'append',
        '-b',
        base,
        '-f',
        join(folder, 'layer.tar'),
        '-t',
        name,
      ];
      const mutate = (from: string) => ({
        argv: ['crane', 'mutate', from, '--entrypoint', PROGRAM, '-t', name],
      });
      return isPushed
        ? [{ argv: append(alpine) }, mutate(name)]
        : [mutate(alpine), { argv: [...append(name), '-o', archive] }];
    },
  };
}

function umoci(isPushed: boolean, alpine: string, paths: Work['paths']): Method {
  const layout = ({ folder }: Scene) => join(folder, 'layout');
  return {
    name: 'umoci',
    how: '`umoci insert`, `umoci config` and `skopeo copy`, base in an OCI layout',
    prepare: async (scene) => {
      await must('skopeo', [
        'copy',
        '-q',
        '--src-tls-verify=false',
        `docker://${alpine}`,
        `oci:${layout(scene)}:base`,
      ]);
    },
    commands: (scene) => {
      const image = (tag: string) => ['--image', `${layout(scene)}:${tag}`];
      const inserts = paths.map(([from, dest], at) => ({
        argv: [
          ...['umoci', 'insert', ...image(at === 0 ? 'base' : 'app'), ...(at === 0 ? ['--tag', 'app'] : [])],
          ...[join(scene.context, from), dest],
        ],
      }));
      const dest = isPushed ? `docker://${scene.name}` : `docker-archive:${scene.archive}`;
      return [
        ...inserts,
        { argv: ['umoci', 'config', ...image('app'), '--config.entrypoint', PROGRAM] },
        { argv: ['skopeo', 'copy', '-q', '--dest-tls-verify=false', `oci:${layout(scene)}:app`, dest] },
      ];
    },
  };
}

function buildahMethod(isPushed: boolean): Method {
  return {
    name: 'buildah',
    how: '`bud --layers` and `push`, base in its storage',
    commands: ({ folder, context, archive, name }) => {
      const storage = join(folder, 'containers');
      const dest = isPushed ? [] : [`docker-archive:${archive}`];
      return [
        bud(storage, name, context),
        buildah(storage, 'push', '-q', '--tls-verify=false', name, ...dest),
      ];
    },
  };
}

function buildKit(isPushed: boolean, buildctl: readonly string[]): Method {
  return {
    name: 'BuildKit',
    how: '`buildctl build` with its output pushed or written, daemon running, base in its store',
    commands: ({ context, archive, name }) => [
      solve(
        buildctl,
        context,
        isPushed ? `type=image,name=${name},push=true` : `type=docker,name=${name},dest=${archive}`,
      ),
    ],
  };
}

function dockerMethod(isPushed: boolean, env: NodeJS.ProcessEnv): Method {
  return {
    name: 'docker',
    how: '`build` and `push` or `save`, daemon running, base in its store',
    commands: ({ context, archive, name }) => [
      docker(env, 'build', '-q', '-t', name, context),
      isPushed ? docker(env, 'push', '-q', name) : docker(env, 'save', '-o', archive, name),
    ],
  };
}

async function contendersOf(bench: Bench, label: string, work: Work): Promise<readonly Contender[]> {
  const all = await methods(bench, work);
  const contenders: Contender[] = [];
  for (const method of all) {
    const folder = bench.folder(`${label}-${method.name}`);
    const repository = `${label}/${method.name.toLowerCase()}`;
    const scene: Scene = {
      folder,
      context: join(folder, 'context'),
      archive: join(folder, 'image.tar'),
      repository,
      name: `${bench.host}/${repository}:1`,
    };
    mkdirSync(scene.context);
    const copies = work.paths.map(([from, dest]) => `COPY ${from} ${dest}\n`).join('');
    writeFileSync(
      join(scene.context, 'Dockerfile'),
      `FROM ${work.alpine}\n${copies}ENTRYPOINT ["${PROGRAM}"]\n`,
    );
    await method.prepare?.(scene);
    let isFilled = false;
    contenders.push({
      name: method.name,
      how: method.how,
      before: () => {
        rmSync(scene.archive, { force: true });
        if (isFilled && !work.isFresh) return;
        // No two contenders have the same content: what one has sent would save another the way.
        work.fill(scene.context);
        isFilled = true;
        method.refresh?.(scene);
      },
      commands: () => method.commands(scene),
      after: async () =>
        work.to === 'archive'
          ? { archive: statSync(scene.archive).size }
          : { layer: await layerBytes(bench.host, repository, { without: 1 }) },
    });
  }
  return contenders;
}

interface Kind {
  readonly name: string;
  readonly title: string;
  readonly size?: number;
  readonly isFresh: boolean;
  readonly to: Destination;
  readonly runs: number;
  readonly bars: readonly Bar[];
}

function programCase({ name, title, size, isFresh, to, runs, bars }: Kind): Case {
  return {
    name,
    title,
    runs,
    warmUps: 1,
    bars,
    open: async (bench) =>
      contendersOf(bench, name, {
        to,
        isFresh,
        alpine: await bench.alpine(),
        fill: (context) => bench.program(join(context, 'hello'), size),
        paths: [['hello', PROGRAM]],
      }),
  };
}

const LARGE = 80_000_000;
const time = (of: string, against: string, atMost: number): Bar => ({ of, what: 'time', against, atMost });

const KINDS: readonly Kind[] = [
  {
    name: 'tiny',
    title: 'tiny static program, new → pushed',
    isFresh: true,
    to: 'registry',
    runs: 11,
    bars: [time('ocislim', 'crane', 1), time('standalone', 'crane', 0.8)],
  },
  {
    name: 'large',
    title: '80 MB, new → pushed',
    size: LARGE,
    isFresh: true,
    to: 'registry',
    runs: 5,
    bars: [time('ocislim', 'crane', 0.4), { of: 'ocislim', what: 'layer', against: 'crane', atMost: 1 }],
  },
  {
    name: 'large-unchanged',
    title: '80 MB, unchanged → pushed',
    size: LARGE,
    isFresh: false,
    to: 'registry',
    runs: 7,
    bars: [time('ocislim', 'crane', 0.25)],
  },
  {
    name: 'tiny-archive',
    title: 'tiny static program, new → archive for `docker load`',
    isFresh: true,
    to: 'archive',
    runs: 9,
    bars: [],
  },
  {
    name: 'large-archive',
    title: '80 MB, new → archive for `docker load`',
    size: LARGE,
    isFresh: true,
    to: 'archive',
    runs: 5,
    bars: [],
  },
  {
    name: 'large-unchanged-archive',
    title: '80 MB, unchanged → archive for `docker load`',
    size: LARGE,
    isFresh: false,
    to: 'archive',
    runs: 5,
    bars: [],
  },
];

export const programs: readonly Case[] = KINDS.map(programCase);

const FILES = 20_000;
const FILES_IN_FOLDER = 200;

/** Files of some hundred bytes; after the first time, one of them is changed. */
function writeFiles(folder: string, salt: number): void {
  const text = (at: number) => `file ${at}\n`.repeat(1 + (at % 60));
  if (!existsSync(folder)) {
    for (let at = 0; at < FILES; at++) {
      const below = join(folder, String(Math.floor(at / FILES_IN_FOLDER)));
      mkdirSync(below, { recursive: true });
      writeFileSync(join(below, `${at}.txt`), text(at));
    }
  }
  writeFileSync(join(folder, '0/0.txt'), `salt ${salt}\n`);
}

export const files: Case = {
  name: 'files',
  title: '20,000 small files, one of them changed → pushed',
  runs: 3,
  warmUps: 1,
  bars: [],
  open: async (bench) =>
    contendersOf(bench, 'files', {
      to: 'registry',
      isFresh: true,
      alpine: await bench.alpine(),
      fill: (context) => {
        if (!existsSync(join(context, 'hello'))) bench.program(join(context, 'hello'));
        writeFiles(join(context, 'many'), bench.salt());
      },
      paths: [
        ['hello', PROGRAM],
        ['many', MANY],
      ],
    }),
};
