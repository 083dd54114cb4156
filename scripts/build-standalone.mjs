// Makes dist/standalone/ocislim: the command line and what it takes to run it in one file, for machines without Node.
// Bun's own executable is what it stands on, which npm brings and the lockfile beside it pins; its install runs nothing.
//
// Beside it goes what is within: the package.json and the licence of each package, as documentation to pass on (doc/).
//
//     npm run build:standalone
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'dist/standalone/ocislim');
const documentation = join(root, 'dist/standalone/doc');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const require = createRequire(import.meta.url);
/** Where the executable shows the files that were put into it. */
const INSIDE = '/$bunfs/root';

/**
 * Extended attributes by the C library itself. A native module would be looked for in the folder that the executable is
 * started in, whosever that is; one inside it would be written to a file of the temporary folder, and stay there.
 */
const XATTR = `
const { dlopen } = require('bun:ffi');
const { symbols } = dlopen('libc.so.6', {
  lsetxattr: { args: ['cstring', 'cstring', 'ptr', 'usize', 'i32'], returns: 'i32' },
});
const text = (value) => {
  if (value.includes('\\0')) throw new Error('lsetxattr: no name');
  return Buffer.from(value + '\\0');
};
exports.setAttributeSync = (path, name, value) => {
  if (symbols.lsetxattr(text(path), text(name), value, value.length, 0) !== 0) throw new Error('lsetxattr: refused');
};`;

const xattr = {
  name: 'xattr',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^@napi-rs\/xattr$/ }, () => ({ path: 'xattr', namespace: 'xattr' }));
    onLoad({ filter: /.*/, namespace: 'xattr' }, () => ({ contents: XATTR }));
  },
};

/** Of which the WebAssembly alone is within. */
const zstd = join(dirname(require.resolve('@bokuweb/zstd-wasm')), '../..');

const folder = mkdtempSync(join(tmpdir(), 'standalone-'));
try {
  const bun = installBun(join(folder, 'bun'));
  const source = join(folder, 'source');
  const assets = [
    join(root, 'src/transports/static/ca-certificates.crt'),
    join(zstd, 'dist/common/zstd.wasm'),
    ...['app.js', 'style.css'].map((name) => join(root, 'src/explain/page', name)),
  ].map((path) => copied(path, source));
  const main = join(source, 'main.cjs');
  const packages = await bundle(main);
  mkdirSync(dirname(target), { recursive: true });
  // What lies about in the folder that it is started in is none of its business: Bun would read settings there.
  const settled = ['dotenv', 'bunfig', 'tsconfig', 'package-json'].map(
    (what) => `--no-compile-autoload-${what}`,
  );
  const compile = ['build', '--compile', '--bytecode', '--format=cjs', ...settled];
  const inside = assets.flatMap((path) => ['--asset', path]);
  execFileSync(bun, [...compile, ...inside, '--outfile', target, main], { cwd: source, stdio: 'inherit' });
  document([...packages, zstd, dirname(dirname(bun))]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stderr.write(`${target}: ${Math.round(statSync(target).size / 1e6)} MB\n`);

/** @returns the path of Bun's executable for this machine */
function installBun(prefix) {
  mkdirSync(prefix);
  for (const name of ['package.json', 'package-lock.json'])
    cpSync(join(root, 'scripts/standalone', name), join(prefix, name));
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], {
    cwd: prefix,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // npm has taken the one that is for this machine.
  const own = join(prefix, 'node_modules/@oven');
  return join(own, readdirSync(own)[0], 'bin/bun');
}

/**
 * One script, in which everything is still loaded when it is first asked for.
 * @returns the folders of the packages that are in it
 */
async function bundle(outfile) {
  const { metafile } = await build({
    absWorkingDir: root,
    stdin: {
      contents: `
        import { start } from './src/start.ts';
        void start(process.argv.slice(2), () => import('./src/cli.ts'));`,
      resolveDir: root,
      loader: 'ts',
    },
    outfile,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    minifyWhitespace: true,
    minifySyntax: true,
    define: {
      __OCISLIM_VERSION__: JSON.stringify(version),
      __dirname: JSON.stringify(INSIDE),
      'import.meta.url': JSON.stringify(`file://${INSIDE}/main.cjs`),
      // For the command line as a file of its own, which there is none of.
      'import.meta.dirname': JSON.stringify(INSIDE),
      __OCISLIM_BUILD__: 'undefined',
    },
    // Bun's own writes U+FFFD for the halves of pairs that stand for bytes which are not UTF-8 (src/layer/byte-text.ts).
    alias: { 'node:path': require.resolve('path-browserify') },
    plugins: [xattr],
    external: ['bun:ffi'],
    logLevel: 'warning',
    metafile: true,
  });
  const found = Object.keys(metafile.inputs).map(
    (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0],
  );
  return [...new Set(found.filter((path) => path !== undefined))].sort().map((path) => join(root, path));
}

/** Who passes the executable on passes on the packages in it, and most licences ask for their text to go with them. */
function document(packages) {
  rmSync(documentation, { recursive: true, force: true });
  mkdirSync(documentation, { recursive: true });
  for (const name of ['package.json', 'LICENSE', 'NOTICE'])
    cpSync(join(root, name), join(documentation, name));
  for (const from of packages) {
    const to = join(documentation, from.slice(from.lastIndexOf('/node_modules/')));
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from))
      if (/^(?:package\.json|(?:licen[cs]e|notice|copying)(?:\.\w+)?)$/i.test(name))
        cpSync(join(from, name), join(to, name));
  }
}

function copied(path, to) {
  mkdirSync(to, { recursive: true });
  const copy = join(to, path.slice(dirname(path).length + 1));
  cpSync(path, copy);
  return copy;
}
