// Makes ocislim's own image: the standalone executable packs itself, as scripts/image/ocislim.toml says.
//
//     npm run build:image -- [image|image-shell] [OPTION…]
//
// OPTION is any of `ocislim pack`: -t NAME --push --sign cosign.key, --libs-from IMAGE…
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const executable = join(root, 'dist/standalone/ocislim');
const files = join(root, 'dist/standalone/image/files');

const [first = '', ...rest] = process.argv.slice(2);
const [target, options] = first.startsWith('image') ? [first, rest] : ['image', process.argv.slice(2)];

if (!existsSync(executable))
  execFileSync(process.execPath, [join(root, 'scripts/build-standalone.mjs')], { stdio: 'inherit' });
rmSync(files, { recursive: true, force: true });
for (const name of ['etc', 'usr', 'var', 'work']) mkdirSync(join(files, name), { recursive: true });
if (!options.some((option) => option.startsWith('--libs-from'))) {
  requireWholeLibrary();
  recordLibraries();
}

const config = join(root, 'scripts/image/ocislim.toml');
const { status } = spawnSync(executable, ['pack', target, '--config', config, ...commit(), ...options], {
  stdio: 'inherit',
  env: {
    ...process.env,
    SOURCE_DATE_EPOCH: process.env.SOURCE_DATE_EPOCH ?? git('log', '-1', '--format=%ct'),
  },
});
process.exitCode = status ?? 1;

/** Before 2.34 the C library loaded others to look names up, which nothing in the program tells of. */
function requireWholeLibrary() {
  const [, minor] = /^glibc 2\.(\d+)/.exec(said('getconf', ['GNU_LIBC_VERSION'])) ?? [];
  if (minor === undefined || Number(minor) >= 34) return;
  process.stderr.write(
    'build-image: needs the C library of glibc 2.34 or newer, to look up names in the image\n',
  );
  process.stderr.write('hint: take that of an image: --libs-from debian:stable-slim\n');
  process.exit(1);
}

/**
 * Which package of Debian or Ubuntu the C library is of, so that the SBOM has it and scanners find it; and its licence. As
 * distroless images have it, a file for the package.
 */
function recordLibraries() {
  const record = said('dpkg-query', ['--status', `libc6:${said('dpkg', ['--print-architecture'])}`]);
  if (record === '') return;
  put('var/lib/dpkg/status.d/libc6', `${record}\n`);
  for (const path of ['usr/share/doc/libc6/copyright', 'etc/os-release']) {
    if (!existsSync(join('/', path))) continue;
    mkdirSync(dirname(join(files, path)), { recursive: true });
    cpSync(join('/', path), join(files, path), { dereference: true });
  }
}

function put(path, text) {
  mkdirSync(dirname(join(files, path)), { recursive: true });
  writeFileSync(join(files, path), text);
}

/** The commit, in a checkout where nothing differs from it, and where that is kept. */
function commit() {
  const revision = git('rev-parse', 'HEAD');
  if (revision === '' || git('status', '--porcelain', '--untracked-files=no') !== '') return [];
  const source = repositoryPage(git('config', 'remote.origin.url'));
  return Object.entries({ revision, ...(source && { source }) }).flatMap(([key, value]) =>
    ['--label', '--annotation'].flatMap((option) => [option, `org.opencontainers.image.${key}=${value}`]),
  );
}

/** Where people look at what Git fetches from there; undefined for what is no server's. */
function repositoryPage(remote) {
  const url = remote
    .replace(/^ssh:\/\/git@([^/:]+)(?::\d+)?\//, 'https://$1/')
    .replace(/^git@([^/:]+):/, 'https://$1/')
    // Credentials are nobody's business.
    .replace(/^https:\/\/[^@/]*@/, 'https://');
  return url.startsWith('https://') ? url.replace(/\.git$/, '') : undefined;
}

function git(...args) {
  return said('git', ['-C', root, ...args]);
}

/** What a command prints; nothing where it fails, or is not there. */
function said(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}
