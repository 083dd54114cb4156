import { posix } from 'node:path';
import { withRuntime, zipTime } from '../java-runtime.ts';
import type { Plan, Recipe, Wish } from '../recipe.ts';
import type { SourceFolder } from '../source.ts';

/** https://maven.apache.org/guides/mini/guide-reproducible-builds.html */
export const maven: Recipe = {
  name: 'maven',
  title: 'Maven',
  signs: ['pom.xml'],
  roots: [{ file: 'pom.xml', text: /<module>/ }],
  leavings: [{ name: 'target', beside: 'pom.xml' }],
  identify: [
    ['java', '--version'],
    ['mvn', '--quiet', '--version'],
  ],
  recognise: async (source) => {
    const text = source.file === undefined ? await source.read('pom.xml') : undefined;
    if (text === undefined) return [];
    const modules = await modulesOf(text, source);
    if (modules.length === 0 && source.isMeant('.'))
      return [{ name: source.name, plan: (wish) => plan(wish, '.') }];
    return modules.map((path) => ({ name: posix.basename(path), plan: (wish) => plan(wish, path) }));
  },
};

/** Folders of modules; what is commented out is taken for one as well, where it is there. */
async function modulesOf(text: string, source: SourceFolder): Promise<readonly string[]> {
  const named = [...text.matchAll(/<module>([^<>]{1,200})<\/module>/g)].map(([, path = '']) =>
    posix.normalize(path.trim()),
  );
  const found = await Promise.all(
    [...new Set(named)].map(async (path) =>
      !path.startsWith('..') && source.isMeant(path) && (await source.has(`${path}/pom.xml`)) ? [path] : [],
    ),
  );
  return found.flat();
}

function plan(wish: Wish, module: string): Plan {
  const { places, offline, created } = wish;
  const jar = posix.join(places.source, module, 'target/*.jar');
  return withRuntime(wish, jar, {
    steps: [
      [
        ...['mvn', '--batch-mode', '--no-transfer-progress', ...(offline ? ['--offline'] : [])],
        ...[`-Dmaven.repo.local=${places.cache('maven')}`, '-DskipTests'],
        `-Dproject.build.outputTimestamp=${zipTime(created)}`,
        ...(module === '.' ? [] : ['--projects', module, '--also-make']),
        'package',
      ],
    ],
    cwd: places.source,
    env: {},
    artifact: jar,
    kind: 'jar',
    caches: ['maven'],
    tools: ['mvn', 'javac'],
    images: ['maven:3-eclipse-temurin-21'],
    writesSource: true,
    needsNetwork: true,
  });
}
