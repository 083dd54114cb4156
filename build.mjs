// Builds the package: the command line and the library as one bundle with shared chunks, so that a command loads
// only the code on its path, and the library's type declarations.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Some dependencies are CommonJS: they call require for Node's own modules, and look beside themselves for data. */
const COMMONJS = [
  "import{createRequire as $r}from'node:module'",
  "import{dirname as $d}from'node:path'",
  "import{fileURLToPath as $f}from'node:url'",
  'const require=$r(import.meta.url),__dirname=$d($f(import.meta.url));',
].join(';');

mkdirSync(dist, { recursive: true });
// The standalone executable is made by itself, and may be what tests are running.
for (const name of readdirSync(dist))
  if (name !== 'standalone') rmSync(join(dist, name), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { cli: 'src/cli.ts', index: 'src/index.ts' },
  outdir: dist,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Less to read and to parse at each start; names stay, for what -v shows.
  minifyWhitespace: true,
  minifySyntax: true,
  // Native code, loaded where it is used and done without where it is not installed.
  external: ['@napi-rs/xattr'],
  chunkNames: 'chunks/[name]-[hash]',
  define: { __OCISLIM_VERSION__: JSON.stringify(version) },
  logLevel: 'warning',
});
for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name);
  if (!path.endsWith('.js')) continue;
  const text = readFileSync(path, 'utf8');
  if (/\brequire\b|\b__dirname\b/.test(text))
    writeFileSync(path, text.replace(/^(#!.*\n)?/, `$1${COMMONJS}`));
}
cpSync(join(root, 'src/transports/static/ca-certificates.crt'), join(dist, 'ca-certificates.crt'));
// The compressor's WebAssembly is looked for beside its code, which is a chunk.
const zstd = createRequire(import.meta.url).resolve('@bokuweb/zstd-wasm');
cpSync(join(dirname(zstd), 'zstd.wasm'), join(dist, 'chunks/zstd.wasm'));
declarations();

/** Type declarations, with the `#oci-spec-types` alias, which only this package knows, made relative. */
function declarations() {
  const types = join(dist, 'types');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  if (!existsSync(tsc)) return;
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
  const target = join(types, 'oci-spec-types/index.d.ts');
  for (const file of readdirSync(types, { recursive: true })) {
    const path = join(types, file);
    if (!path.endsWith('.d.ts')) continue;
    const text = readFileSync(path, 'utf8');
    const from = relative(dirname(path), target)
      .replaceAll('\\', '/')
      .replace(/\.d\.ts$/, '.js');
    const alias = from.startsWith('.') ? from : `./${from}`;
    const own = text
      .replaceAll("'#oci-spec-types'", `'${alias}'`)
      .replace(/(from '|import\(')(\.[^']*)\.ts'/g, "$1$2.js'");
    writeFileSync(path, own);
  }
}
