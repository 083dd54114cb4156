// Benchmarks: whole commands, ours and those of other tools, in turns. The suite is TypeScript, which the oldest Node that
// ocislim runs on does not read: it is bundled first.
//
//     npm run build && npm run bench [-- --help]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const folder = mkdtempSync(join(tmpdir(), 'ocislim-bench-suite-'));
const outfile = join(folder, 'suite.mjs');
await build({
  entryPoints: [fileURLToPath(new URL('suite.ts', import.meta.url))],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  logLevel: 'warning',
});
const { runSuite } = await import(pathToFileURL(outfile).href);
rmSync(folder, { recursive: true });
process.exitCode = await runSuite(fileURLToPath(new URL('../..', import.meta.url)), process.argv.slice(2));
