import { extname, posix } from 'node:path';
import { cCompilers } from '../c-flags.ts';
import type { Recipe } from '../recipe.ts';
import type { SourceFolder } from '../source.ts';

const EXTENSIONS: Readonly<Record<string, 'c' | 'cc'>> = {
  '.c': 'c',
  '.cc': 'cc',
  '.cpp': 'cc',
  '.cxx': 'cc',
};

/** One file of C or C++, with the headers beside it. */
export const c: Recipe = {
  name: 'c',
  title: 'C or C++',
  signs: ['*.c', '*.cc', '*.cpp'],
  leavings: [],
  identify: [
    ['gcc', '--version'],
    ['gcc', '-dumpmachine'],
    ['ldd', '--version'],
  ],
  recognise: async (source) => {
    const { file } = source;
    const language = EXTENSIONS[extname(file ?? '')];
    if (file === undefined || language === undefined) return [];
    const files = await withHeaders(source, file);
    return [
      {
        name: file.slice(0, -extname(file).length),
        files,
        plan: (wish) => {
          const { places } = wish;
          const compilers = cCompilers(wish);
          const output = `${places.output}/program`;
          return {
            steps: [[...compilers[language], '-O2', '-s', '-o', output, file, '-lm']],
            cwd: places.source,
            env: {},
            artifact: output,
            kind: 'program',
            caches: [],
            tools: compilers[language].slice(0, 1),
            images: ['gcc:14'],
            writesSource: false,
            needsNetwork: false,
          };
        },
      },
    ];
  },
};

/** Headers that are followed. */
const HEADERS = 500;

/** The file, and what it includes from its own folder or below, in the order of names. */
async function withHeaders(source: SourceFolder, file: string): Promise<readonly string[]> {
  const found = new Set([file]);
  for (const path of found) {
    if (found.size > HEADERS) break;
    const text = (await source.read(path)) ?? '';
    for (const name of included(text)) {
      const header = posix.join(posix.dirname(path), name);
      if (!header.startsWith('..') && (await source.has(header))) found.add(header);
    }
  }
  return [...found].sort();
}

function included(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => /^\s*#\s*include\s*"([^"]+)"/.exec(line)?.[1] ?? []);
}
