import { join } from 'node:path';
import { VERSION } from './version.ts';

/** What changes with the command line's file; put in by build.mjs. */
declare const __OCISLIM_BUILD__: string;

type CommandLine = typeof import('./cli.ts');

/**
 * The least that can be read at each start; the command line itself is a file of its own.
 * @param load how that is loaded where it is no file: the standalone executable has it inside
 */
export async function start(
  argv: readonly string[],
  load: (argv: readonly string[]) => Promise<CommandLine> = loadFile,
): Promise<void> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  await (await load(argv)).main(argv);
}

async function loadFile(argv: readonly string[]): Promise<CommandLine> {
  const { compiledFolder, loadCompiled } = await import('./lib/compile-cache.ts');
  const file = join(import.meta.dirname, 'cli.cjs');
  return loadCompiled(file, __OCISLIM_BUILD__, compiledFolder(argv, process.env)) as CommandLine;
}
