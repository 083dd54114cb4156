import { withRuntime, zipTime } from '../java-runtime.ts';
import type { Recipe } from '../recipe.ts';

/** https://maven.apache.org/guides/mini/guide-reproducible-builds.html */
export const maven: Recipe = {
  name: 'maven',
  title: 'Maven',
  signs: ['pom.xml'],
  leavings: ['target'],
  identify: [
    ['java', '--version'],
    ['mvn', '--quiet', '--version'],
  ],
  recognise: async (source) => {
    if (source.file !== undefined || !(await source.has('pom.xml'))) return [];
    return [
      {
        name: source.name,
        plan: (wish) => {
          const { places, offline, created } = wish;
          const jar = `${places.source}/target/*.jar`;
          return withRuntime(wish, jar, {
            steps: [
              [
                ...['mvn', '--batch-mode', '--no-transfer-progress', ...(offline ? ['--offline'] : [])],
                ...[`-Dmaven.repo.local=${places.cache('maven')}`, '-DskipTests'],
                ...[`-Dproject.build.outputTimestamp=${zipTime(created)}`, 'package'],
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
        },
      },
    ];
  },
};
