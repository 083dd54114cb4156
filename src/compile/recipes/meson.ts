import { cFlags } from '../c-flags.ts';
import { isNative, unavailable } from '../gnu.ts';
import type { Plan, Recipe, Wish } from '../recipe.ts';

/** https://mesonbuild.com/Builtin-options.html */
export const meson: Recipe = {
  name: 'meson',
  title: 'Meson',
  signs: ['meson.build'],
  leavings: [],
  // Which libraries of the system it finds, nobody knows.
  identify: [],
  recognise: async (source) => {
    const text = source.file === undefined ? await source.read('meson.build') : undefined;
    if (text === undefined) return [];
    const names = text
      .split('\n')
      .flatMap((line) => /\bexecutable\s*\(\s*'([\w.+-]+)'/.exec(line)?.[1] ?? []);
    if (names.length === 0) return [{ name: source.name, plan: (wish) => plan(wish, undefined) }];
    return [...new Set(names)].map((name) => ({ name, plan: (wish) => plan(wish, name) }));
  },
};

function plan(wish: Wish, target: string | undefined): Plan {
  const { places, platform, host, link, offline } = wish;
  // It would take a file that describes the other machine.
  if (!isNative(platform, host)) throw unavailable('a project of Meson', platform);
  const build = `${places.scratch}/build`;
  const flags = list(cFlags(wish));
  const options = {
    buildtype: 'release',
    default_library: link === 'static' ? 'static' : 'shared',
    prefer_static: String(link === 'static'),
    wrap_mode: offline ? 'nodownload' : 'default',
    c_args: flags,
    cpp_args: flags,
    c_link_args: list([...cFlags(wish), '-s']),
    cpp_link_args: list([...cFlags(wish), '-s']),
  };
  return {
    steps: [
      ['meson', 'setup', ...Object.entries(options).map(([name, value]) => `-D${name}=${value}`), build],
      ['meson', 'compile', '-C', build, ...(target === undefined ? [] : [target])],
    ],
    cwd: places.source,
    env: {},
    artifact: `${build}/**`,
    kind: 'program',
    caches: [],
    tools: ['meson', 'ninja', 'gcc'],
    images: [],
    // Wraps are unpacked beside it.
    writesSource: true,
    needsNetwork: false,
  };
}

function list(words: readonly string[]): string {
  return `[${words.map((word) => `'${word.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`).join(',')}]`;
}
