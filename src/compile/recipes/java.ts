import { withRuntime, zipTime } from '../java-runtime.ts';
import type { Recipe } from '../recipe.ts';

/** One file of Java as a jar that `java -jar` starts. */
export const java: Recipe = {
  name: 'java',
  title: 'Java',
  signs: ['*.java'],
  leavings: [],
  identify: [['java', '--version']],
  recognise: async (source) => {
    const { file } = source;
    if (!file?.endsWith('.java')) return [];
    const name = file.slice(0, -'.java'.length);
    const folder = packageName((await source.beginning(file)) ?? '');
    const mainClass = folder === undefined ? name : `${folder}.${name}`;
    return [
      {
        name: name.toLowerCase(),
        files: [file],
        plan: (wish) => {
          const { places, created } = wish;
          const classes = `${places.scratch}/classes`;
          const jar = `${places.output}/program.jar`;
          return withRuntime(wish, jar, {
            steps: [
              ['javac', '-encoding', 'UTF-8', '-d', classes, file],
              [
                ...['jar', '--create', '--file', jar, '--main-class', mainClass],
                ...[`--date=${zipTime(created)}`, '-C', classes, '.'],
              ],
            ],
            cwd: places.source,
            env: {},
            artifact: jar,
            kind: 'jar',
            caches: [],
            tools: ['javac', 'jar'],
            images: ['eclipse-temurin:21-jdk'],
            writesSource: false,
            needsNetwork: false,
          });
        },
      },
    ];
  },
};

function packageName(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const [, name] = /^\s*package\s+([\w.]+)\s*;/.exec(line) ?? [];
    if (name !== undefined) return name;
  }
  return undefined;
}
