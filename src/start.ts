import { join } from 'node:path';
import { VERSION } from './version.ts';

/** What changes with the command line's file; put in by build.mjs. */
declare const __OCISLIM_BUILD__: string;

/** The least that can be read at each start; the command line itself is a file of its own. */
export async function start(argv: readonly string[]): Promise<void> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  const { compiledFolder, loadCompiled } = await import('./lib/compile-cache.ts');
  const file = join(import.meta.dirname, 'cli.cjs');
  const loaded = loadCompiled(file, __OCISLIM_BUILD__, compiledFolder(argv, process.env));
  await (loaded as typeof import('./cli.ts')).main(argv);
}
