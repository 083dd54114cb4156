import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { run } from './cli.ts';
import { type Background, startProcess } from './processes.ts';
import { onTempRemoved, tempDir } from './temp.ts';

const bundles = new Map<string, Promise<string>>();
onTempRemoved(() => bundles.clear());

/** A program of `children/` as a file that every Node and every user runs. */
export function bundled(name: string): Promise<string> {
  let bundle = bundles.get(name);
  if (bundle === undefined) {
    const folder = tempDir();
    chmodSync(folder, 0o755);
    const outfile = join(folder, `${name}.mjs`);
    const entry = fileURLToPath(new URL(`./children/${name}.ts`, import.meta.url));
    bundle = build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['@napi-rs/xattr'],
      // For the parts that are CommonJS.
      banner: {
        js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
      },
    }).then(() => outfile);
    bundles.set(name, bundle);
  }
  return bundle;
}

/** Runs a program of `children/` to its end; it must succeed. */
export async function runChild(name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(process.execPath, [await bundled(name), ...args]);
  if (code !== 0) throw new Error(`${name}: exit ${code}\n${stderr}`);
  return stdout;
}

/** Starts a program of `children/`, and waits until it has printed something. */
export async function startChild(name: string, ...args: string[]): Promise<Background> {
  return startProcess(process.execPath, [await bundled(name), ...args], (output) => output !== '');
}
