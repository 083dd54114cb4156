import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bud, docker, solve } from '../containers.ts';
import type { Case, Contender } from '../model.ts';
import type { Bench } from '../place.ts';
import type { Bar } from '../statistics.ts';

const HELLO = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hello world")\n}\n';

type Builder = Pick<Contender, 'name' | 'how' | 'commands'>;

interface Builders {
  readonly context: string;
  /** From then on all build on another base, into places of their own: nothing that they have is of use. */
  begin(generation: number): Promise<void>;
  readonly all: readonly Builder[];
}

const opened = new WeakMap<Bench, Promise<Builders>>();

/** One set for all cases of a run, so that a case finds what the one before has built. */
function buildersOf(bench: Bench): Promise<Builders> {
  const builders = opened.get(bench) ?? openBuilders(bench);
  opened.set(bench, builders);
  return builders;
}

async function openBuilders(bench: Bench): Promise<Builders> {
  const alpine = await bench.alpine();
  const context = bench.folder('build-context');
  writeFileSync(join(context, 'hello.go'), HELLO);
  const places = bench.folder('build');
  let generation = 0;
  const begin = async (next: number) => {
    generation = next;
    const builder = `FROM ${await bench.golang(next)} AS builder\nWORKDIR /go\nCOPY hello.go .\nRUN go build hello.go\n`;
    const result = `FROM ${alpine}\nCOPY --from=builder /go/hello /usr/local/bin/hello\n`;
    writeFileSync(join(context, 'Dockerfile'), `${builder}${result}`);
  };
  await begin(0);
  const all: Builder[] = bench.own.map(({ name, argv }) => ({
    name,
    how: '`build` into its store',
    commands: () => [
      {
        argv: [...argv, 'build', context, '-t', 'hello', '-q'],
        env: { OCISLIM_HOME: join(places, `${name}-${generation}`) },
      },
    ],
  }));
  if (bench.has('buildah')) {
    all.push({
      name: 'buildah',
      how: '`bud --layers --isolation chroot` into its storage',
      commands: () => [bud(join(places, `buildah-${generation}`), 'hello', context)],
    });
  }
  if (bench.has('BuildKit')) {
    const { buildctl } = await bench.buildKit();
    all.push({
      name: 'BuildKit',
      how: '`buildctl build` with an image into its store, daemon running',
      commands: () => [solve(buildctl, context, 'type=image,name=localhost/hello')],
    });
  }
  if (bench.has('docker')) {
    const { env } = await bench.docker();
    all.push({
      name: 'docker',
      how: '`build` into its store, daemon running, without BuildKit',
      commands: () => [docker(env, 'build', '-q', '--network', 'host', '-t', 'hello', context)],
    });
  }
  return { context, begin, all };
}

interface Kind {
  readonly state: 'cold' | 'changed' | 'unchanged';
  readonly title: string;
  readonly runs: number;
  readonly bars: readonly Bar[];
}

function buildCase({ state, title, runs, bars }: Kind): Case {
  return {
    name: `build-${state}`,
    title: `two-stage Dockerfile of a Go program, ${title}`,
    runs,
    warmUps: state === 'cold' ? 0 : 1,
    bars,
    open: async (bench) => {
      const { context, begin, all } = await buildersOf(bench);
      const change = (run: number) =>
        writeFileSync(join(context, 'hello.go'), `${HELLO}\nvar changed${run} = ${run}\n`);
      return all.map((builder) => ({
        ...builder,
        before: async (run) => {
          if (state === 'cold') await begin(run);
          if (state === 'changed' && run >= 0) change(run);
        },
      }));
    },
  };
}

const time = (against: string, atMost: number): Bar => ({ of: 'ocislim', what: 'time', against, atMost });

const KINDS: readonly Kind[] = [
  {
    state: 'cold',
    title: 'first build, with what is pulled',
    runs: 2,
    bars: [time('BuildKit', 0.8)],
  },
  { state: 'changed', title: 'one line changed', runs: 3, bars: [time('BuildKit', 0.15)] },
  {
    state: 'unchanged',
    title: 'nothing changed',
    runs: 9,
    bars: [time('BuildKit', 1.5), time('buildah', 0.5), { of: 'ocislim', what: 'time', atMost: 150 }],
  },
];

export const builds: readonly Case[] = KINDS.map(buildCase);
