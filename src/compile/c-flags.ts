import type { Argv } from '../lib/process.ts';
import { gnuPrefix } from './gnu.ts';
import type { Wish } from './recipe.ts';

/** Compilers with the flags that every call of them gets, whether it compiles or links. */
export interface CCompilers {
  readonly c: Argv;
  readonly cc: Argv;
}

/**
 * Programs that name no folder of the machine they were compiled on (`-ffile-prefix-map`: GCC manual, § Overall Options),
 * have no random or derived identity, and bring their libraries along unless asked otherwise.
 */
export function cCompilers(wish: Wish): CCompilers {
  const prefix = gnuPrefix(wish.platform, wish.host);
  const flags = cFlags(wish);
  return { c: [`${prefix}gcc`, ...flags], cc: [`${prefix}g++`, ...flags] };
}

export function cFlags({ places, link }: Wish): Argv {
  return [
    ...(link === 'static' ? ['-static'] : []),
    `-ffile-prefix-map=${places.source}=.`,
    `-ffile-prefix-map=${places.scratch}=.`,
    '-Wl,--build-id=none',
  ];
}

/** Words as a shell reads them again. */
export function shellWords(words: Argv): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
