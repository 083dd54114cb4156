import { posix } from 'node:path';
import { OcislimError } from '../../lib/errors.ts';
import { isNative, unavailable } from '../gnu.ts';
import type { Places, Plan, Program, Recipe, Wish } from '../recipe.ts';
import type { SourceFolder } from '../source.ts';

/**
 * A program of an npm package as one script, bundled by the esbuild that the package depends on; it runs on an image of
 * Node.js. With postject among its dependencies, too, it becomes one executable with Node.js in it (nodejs.org, single
 * executable applications).
 */
export const node: Recipe = {
  name: 'node',
  title: 'Node.js',
  signs: ['package.json with bin, package-lock.json and esbuild'],
  leavings: [{ name: 'node_modules', beside: 'package.json' }],
  identify: [
    ['node', '--version'],
    ['npm', '--version'],
  ],
  recognise: async (source) => {
    const text = source.file === undefined ? await source.read('package.json') : undefined;
    if (text === undefined || !(await source.has('package-lock.json'))) return [];
    const description = parsed(text);
    const { dependencies, devDependencies } = description;
    const tools = { ...table(dependencies), ...table(devDependencies) };
    if (!('esbuild' in tools)) return [];
    const { build } = table(description['scripts']);
    const runsOn = nodeImage(table(description['engines'])['node']);
    const programs = entries(description, source).map(async ([name, path]): Promise<Program> => {
      const isMade = !(await source.has(path));
      const needsBuild = isMade && typeof build === 'string';
      const shape = 'postject' in tools ? executable : script;
      return { name, plan: (wish) => shape(plan(wish, path, needsBuild, runsOn), wish) };
    });
    return Promise.all(programs);
  },
};

type Table = Readonly<Record<string, unknown>>;

function parsed(text: string): Table {
  try {
    return table(JSON.parse(text));
  } catch (error) {
    throw new OcislimError('OCISLIM_INPUT_INVALID', 'package.json: not JSON', { cause: error });
  }
}

function table(value: unknown): Table {
  return typeof value === 'object' && value !== null ? (value as Table) : {};
}

/** Names of programs and their files, but for those out of the package (docs.npmjs.com, package.json § bin). */
function entries({ bin, name }: Table, source: SourceFolder): readonly (readonly [string, string])[] {
  const own = typeof name === 'string' ? posix.basename(name) : source.name;
  const all = typeof bin === 'string' ? { [own]: bin } : table(bin);
  return Object.entries(all).flatMap(([each, path]) => {
    const inside = typeof path === 'string' ? posix.normalize(path) : '..';
    return inside.startsWith('..') || posix.isAbsolute(inside) ? [] : [[each, inside] as const];
  });
}

/** Of the oldest version that the package runs on. */
function nodeImage(engines: unknown): string {
  const major = typeof engines === 'string' ? /\d{2}/.exec(engines)?.[0] : undefined;
  return `node:${major ?? '24'}-alpine`;
}

/** Writes the bundle as a file that can be started. */
const FINISH = `const { readFileSync, writeFileSync } = require('node:fs');
const [, from, to] = process.argv;
const code = readFileSync(from, 'utf8').replace(/^#!.*\\n/, '');
writeFileSync(to, '#!/usr/bin/env node\\n' + code, { mode: 0o755 });`;

/** A plan that ends with the bundle in a file that Node.js starts. */
function script(common: Plan, { places }: Wish): Plan {
  const finish = ['node', '-e', FINISH, bundleIn(places), common.artifact];
  return { ...common, steps: [...common.steps, finish] };
}

/**
 * Makes what Node.js reads to prepare the bundle, and a copy of Node.js itself. The path of the bundle goes into the
 * program as it is written here, so it is one that says nothing of where it was compiled.
 */
const PREPARE = `const { chmodSync, copyFileSync, writeFileSync } = require('node:fs');
const [, bundle, output, config, program] = process.argv;
const main = '.ocislim-bundle.cjs';
copyFileSync(bundle, main);
writeFileSync(config, JSON.stringify({ main, output, disableExperimentalSEAWarning: true }));
copyFileSync(process.execPath, program);
chmodSync(program, 0o755);`;
/** What postject looks for in Node.js (nodejs.org, single executable applications). */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** A plan that ends with the bundle in a copy of the Node.js that compiles it; it needs that one's libraries. */
function executable(common: Plan, { places, platform, host }: Wish): Plan {
  if (!isNative(platform, host)) {
    throw unavailable('a single executable', platform, 'leave postject out of the package, for a script');
  }
  const { artifact } = common;
  const [blob, config] = [`${places.scratch}/blob`, `${places.scratch}/config.json`];
  return {
    ...common,
    steps: [
      ...common.steps,
      ['node', '-e', PREPARE, bundleIn(places), blob, config, artifact],
      ['node', '--experimental-sea-config', config],
      ['node', 'node_modules/postject/dist/cli.js', artifact, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE],
    ],
    runsOn: undefined,
  };
}

function bundleIn(places: Places): string {
  return `${places.scratch}/bundle.cjs`;
}

function plan({ places, offline }: Wish, path: string, needsBuild: boolean, image: string): Plan {
  return {
    steps: [
      [
        'npm',
        'ci',
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        offline ? '--offline' : '--prefer-offline',
      ],
      ...(needsBuild ? [['npm', 'run', 'build']] : []),
      [
        ...['node', 'node_modules/esbuild/bin/esbuild', `./${path}`, '--bundle', '--platform=node'],
        ...[
          '--format=cjs',
          '--define:import.meta.url=__url',
          `--outfile=${bundleIn(places)}`,
          '--log-level=warning',
        ],
        '--banner:js=const __url = require("node:url").pathToFileURL(__filename).href;',
      ],
    ],
    cwd: places.source,
    env: { npm_config_cache: places.cache('npm'), npm_config_update_notifier: 'false' },
    artifact: `${places.output}/program`,
    kind: 'program',
    caches: ['npm'],
    tools: ['node', 'npm'],
    images: [image],
    writesSource: true,
    needsNetwork: true,
    runsOn: image,
  };
}
