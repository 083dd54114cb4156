import { cCompilers, shellWords } from '../c-flags.ts';
import type { Recipe } from '../recipe.ts';

/**
 * A Makefile of C or C++. The compilers are given as variables of the command line, which win over the Makefile's own,
 * and leave its flags as they are.
 */
export const make: Recipe = {
  name: 'make',
  title: 'a Makefile',
  signs: ['Makefile'],
  isFallback: true,
  leavings: [],
  // What else it calls, nobody knows.
  identify: [],
  recognise: async (source) => {
    if (source.file !== undefined) return [];
    const names = ['GNUmakefile', 'makefile', 'Makefile'];
    if (!(await Promise.all(names.map((name) => source.has(name)))).includes(true)) return [];
    return [
      {
        name: source.name,
        plan: (wish) => {
          const { places } = wish;
          const { c, cc } = cCompilers(wish);
          return {
            steps: [['make', `CC=${shellWords(c)}`, `CXX=${shellWords(cc)}`]],
            cwd: places.source,
            env: {},
            artifact: `${places.source}/**`,
            kind: 'program',
            caches: [],
            tools: ['make', ...c.slice(0, 1)],
            images: ['gcc:14'],
            writesSource: true,
            needsNetwork: false,
          };
        },
      },
    ];
  },
};
