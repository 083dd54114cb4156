// Builds the package: the command line, its manual pages, the library, and the library's type declarations.
import { isAscii } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { build } from 'esbuild';
import { loadTypeScript } from './scripts/load-typescript.mjs';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, 'dist');
const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  // Less to read and to parse at each start; names stay, for what -v shows.
  minifyWhitespace: true,
  minifySyntax: true,
  // Native code, loaded where it is used and done without where it is not installed.
  external: ['@napi-rs/xattr'],
  define: { __OCISLIM_VERSION__: JSON.stringify(version) },
  logLevel: 'warning',
};

/** Packages that few commands need, each in a file of its own, which is read when it is asked for; of one the WebAssembly alone. */
const SELDOM = Object.keys(dependencies).filter(
  (name) => !['commander', 'p-map', 'smol-toml', 'valibot', '@bokuweb/zstd-wasm'].includes(name),
);

await webAssembly('src/layer/deflate', 48);
await webAssembly('src/layer/inflate', 14, ['--enable', 'simd']);
mkdirSync(dist, { recursive: true });
// The standalone executable is made by itself, and may be what tests are running.
for (const name of readdirSync(dist))
  if (name !== 'standalone') rmSync(join(dist, name), { recursive: true, force: true });
await Promise.all([commandLine(), seldomPackages(), library()]);

/**
 * The command line: one file, since finding and reading each of many takes longer than reading the code in it that is
 * not needed; modules run when they are asked for, which CommonJS allows.
 */
async function commandLine() {
  const asCommonJs = { ...shared, format: 'cjs', supported: { 'dynamic-import': false } };
  const cli = join(dist, 'cli.cjs');
  await build({
    ...asCommonJs,
    entryPoints: ['src/cli.ts'],
    outfile: cli,
    define: { ...shared.define, 'import.meta.url': '__moduleUrl' },
    banner: { js: "const __moduleUrl=require('node:url').pathToFileURL(__filename).href;" },
    plugins: [apart(Object.fromEntries(SELDOM.map((name) => [name, `./packages/${fileName(name)}.cjs`])))],
  });
  const code = readFileSync(cli);
  if (!isAscii(code)) throw new Error(`${cli}: start.ts reads it as ASCII, and it is not`);
  await build({
    ...asCommonJs,
    entryPoints: ['src/start.ts'],
    outfile: join(dist, 'start.cjs'),
    define: {
      ...shared.define,
      __OCISLIM_BUILD__: JSON.stringify(createHash('sha256').update(code).digest('hex').slice(0, 16)),
      'import.meta.dirname': '__dirname',
    },
  });
}

/** What is imported under these names is another file of the package, loaded where it is asked for. */
function apart(files) {
  const setup = ({ onResolve }) =>
    onResolve({ filter: /./ }, ({ path }) =>
      Object.hasOwn(files, path) ? { path: files[path], external: true } : undefined,
    );
  return { name: 'apart', setup };
}

async function seldomPackages() {
  await build({
    ...shared,
    entryPoints: Object.fromEntries(SELDOM.map((name) => [fileName(name), name])),
    outdir: join(dist, 'packages'),
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
  });
}

function fileName(packageName) {
  return packageName.replace(/^@/, '').replace('/', '-');
}

/** The library: modules, of which those that its user does not call are not loaded. */
async function library() {
  await build({
    ...shared,
    entryPoints: ['src/index.ts'],
    outdir: dist,
    format: 'esm',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    external: [...shared.external, ...Object.keys(dependencies)],
  });
}

cpSync(join(root, 'src/transports/static/ca-certificates.crt'), join(dist, 'ca-certificates.crt'));
cpSync(join(root, 'src/explain/page'), join(dist, 'page'), { recursive: true });
const zstd = createRequire(import.meta.url).resolve('@bokuweb/zstd-wasm');
cpSync(join(dirname(zstd), 'zstd.wasm'), join(dist, 'zstd.wasm'));
declarations();
await manuals();

/** Manual pages, from the program's own help. */
async function manuals() {
  const { manPages } = await loadTypeScript('scripts/reference/man.ts');
  const folder = join(root, 'man');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, page] of manPages(version)) writeFileSync(join(folder, name), page);
}

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

/**
 * Our WebAssembly as a module of text: the tests, the bundle and a single executable all have it without looking for a file.
 * @param pages of memory, 64 KiB each
 */
async function webAssembly(folder, pages, more = []) {
  const outputs = new Map();
  const { error, stderr } = await asc.main(
    [
      `${folder}/assembly/index.ts`,
      ...['--outFile', 'code.wasm', '--runtime', 'stub', '--initialMemory', String(pages)],
      ...['-O3', '--converge', '--noAssert', ...more],
    ],
    {
      readFile: (name, base) =>
        existsSync(join(base, name)) ? readFileSync(join(base, name), 'utf8') : null,
      writeFile: (name, contents) => outputs.set(name, contents),
      listFiles: () => [],
      baseDir: root,
    },
  );
  if (error) throw new Error(`${folder}: ${stderr}`, { cause: error });
  const bytes = Buffer.from(outputs.get('code.wasm')).toString('base64');
  const text = `/** Made by build.mjs from assembly/. */\nexport const WEBASSEMBLY =\n  '${bytes}';\n`;
  writeFileSync(join(root, folder, 'webassembly.generated.ts'), text);
}
