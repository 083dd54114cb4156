import { keepCompiled } from './lib/compile-cache.ts';
import { VERSION } from './version.ts';

/** The least that can be read at each start; the command line itself is a file of its own. */
export async function start(argv: readonly string[]): Promise<void> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  keepCompiled(argv, process.env);
  const { main } = await import('./cli.ts');
  await main(argv);
}
