import { cFlags, shellWords } from '../c-flags.ts';
import { gnuPrefix, isNative } from '../gnu.ts';
import type { Plan, Recipe, Wish } from '../recipe.ts';

/** https://cmake.org/cmake/help/latest/manual/cmake-variables.7.html */
export const cmake: Recipe = {
  name: 'cmake',
  title: 'CMake',
  signs: ['CMakeLists.txt'],
  leavings: [],
  // Which libraries of the system it finds, nobody knows.
  identify: [],
  recognise: async (source) => {
    const text = source.file === undefined ? await source.read('CMakeLists.txt') : undefined;
    if (text === undefined) return [];
    const targets = executables(text);
    if (targets.length === 0) return [{ name: source.name, plan: (wish) => plan(wish, undefined) }];
    return targets.map((name) => ({ name, plan: (wish) => plan(wish, name) }));
  },
};

/** Programs that the topmost file names itself, but for those whose names it computes. */
function executables(text: string): readonly string[] {
  const names = text
    .split('\n')
    .flatMap((line) => /^\s*add_executable\s*\(\s*([\w.+-]+)(?![\w.+${-])/i.exec(line)?.[1] ?? []);
  return [...new Set(names)];
}

function plan(wish: Wish, target: string | undefined): Plan {
  const { places, platform, host, link, offline } = wish;
  const prefix = gnuPrefix(platform, host);
  const build = `${places.scratch}/build`;
  const flags = shellWords(cFlags(wish));
  const settings = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_C_COMPILER: `${prefix}gcc`,
    CMAKE_CXX_COMPILER: `${prefix}g++`,
    CMAKE_C_FLAGS: flags,
    CMAKE_CXX_FLAGS: flags,
    CMAKE_EXE_LINKER_FLAGS: '-s',
    // The static libraries of what it finds, too.
    ...(link === 'static' ? { BUILD_SHARED_LIBS: 'OFF', CMAKE_FIND_LIBRARY_SUFFIXES: '.a' } : {}),
    ...(isNative(platform, host)
      ? {}
      : { CMAKE_SYSTEM_NAME: 'Linux', CMAKE_SYSTEM_PROCESSOR: processor(prefix) }),
    ...(offline ? { FETCHCONTENT_FULLY_DISCONNECTED: 'ON' } : {}),
    CMAKE_RUNTIME_OUTPUT_DIRECTORY: places.output,
  };
  return {
    steps: [
      [
        ...['cmake', '-S', places.source, '-B', build],
        ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`),
      ],
      ['cmake', '--build', build, '--parallel', ...(target === undefined ? [] : ['--target', target])],
    ],
    cwd: places.source,
    env: {},
    artifact: `${places.output}/*`,
    kind: 'program',
    caches: [],
    tools: ['cmake', `${prefix}gcc`],
    images: [],
    writesSource: false,
    needsNetwork: false,
  };
}

function processor(prefix: string): string {
  return prefix.slice(0, prefix.indexOf('-'));
}
