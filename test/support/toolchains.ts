import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RootFilesystem } from './bases.ts';
import { must, type RunOptions, succeeded } from './cli.ts';

/** What every Debian has, as far as compiling goes. */
const ESSENTIAL = [
  'base-files',
  'base-passwd',
  'dash',
  'coreutils',
  'grep',
  'sed',
  'mawk',
  'findutils',
  'tar',
];
/** What no program reads while it compiles. */
const LEFT_OUT = /^\/usr\/share\/(?:doc|man|info|locale|lintian|bug|doc-base|common-licenses)\//;

/**
 * A Debian with packages and all they depend on, from the files of this machine, which must be a Debian that has them.
 * @param folders further folders, which may have been changed since they were installed
 */
export function debianWith(packages: readonly string[], folders: readonly string[] = []): RootFilesystem {
  const names = closureOf([...ESSENTIAL, ...packages]);
  const listed = execFileSync('dpkg', ['-L', ...names], { maxBuffer: 1 << 28 })
    .toString()
    .split('\n');
  // Packages still list `/lib/…`, where `/lib` has long been a link into `/usr`.
  const files = listed
    .filter((path) => path.startsWith('/') && !LEFT_OUT.test(path) && existsSync(dirname(path)))
    .map((path) => join(realpathSync(dirname(path)), basename(path)));
  const kept = new Set(files.filter((path) => existsSync(path) && (isFolder(path) || isFileOrLink(path))));
  for (const path of [...alternatives(kept), ...folders.flatMap(below)]) kept.add(path);
  const config = ['/etc/passwd', '/etc/group', '/etc/ld.so.conf', '/etc/ld.so.cache', '/etc/ld.so.conf.d'];
  const links = ['/bin', '/sbin', '/lib', '/lib64', '/tmp', '/etc/alternatives'];
  const conf = readdirSync('/etc/ld.so.conf.d').map((name) => `/etc/ld.so.conf.d/${name}`);
  const all = [...new Set([...links, ...config, ...conf, ...kept])].filter(
    (path) => path !== '/' && existsSync(path),
  );
  const input = all.map((path) => path.slice(1)).join('\0');
  const options = ['-C', '/', '--no-recursion', '--null', '-T', '-', '-c'];
  const tar = execFileSync('tar', options, { input, maxBuffer: 1 << 30 });
  return { architecture: 'amd64', layer: execFileSync('gzip', ['-1'], { input: tar, maxBuffer: 1 << 30 }) };
}

function below(folder: string): readonly string[] {
  return execFileSync('find', [folder, '-print0'], { maxBuffer: 1 << 28 })
    .toString()
    .split('\0')
    .filter(Boolean);
}

function isFolder(path: string): boolean {
  return lstatSync(path).isDirectory();
}

function isFileOrLink(path: string): boolean {
  const found = lstatSync(path);
  return found.isFile() || found.isSymbolicLink();
}

/** Packages with what they depend on, as installed here. */
function closureOf(wanted: readonly string[]): readonly string[] {
  const field = (name: string) => `\${${name}}`;
  const format = `${field('binary:Package')}\t${field('Provides')}\t${field('Pre-Depends')}, ${field('Depends')}\n`;
  const rows = execFileSync('dpkg-query', ['-W', '-f', format], { maxBuffer: 1 << 28 })
    .toString()
    .split('\n');
  const depends = new Map<string, readonly string[]>();
  const providers = new Map<string, string>();
  for (const row of rows) {
    const [name = '', provides = '', needs = ''] = row.split('\t');
    const plain = name.replace(/:.*/, '');
    depends.set(plain, namesIn(needs));
    providers.set(plain, plain);
    for (const each of namesIn(provides)) if (!providers.has(each)) providers.set(each, plain);
  }
  const found = new Set<string>();
  const queue = [...wanted];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const name = providers.get(next);
    if (name === undefined || found.has(name)) continue;
    found.add(name);
    queue.push(...(depends.get(name) ?? []));
  }
  return [...found];
}

/** Names in a list of dependencies, alternatives included: those that are not installed lead nowhere. */
function namesIn(text: string): readonly string[] {
  return text
    .split(/[,|]/)
    .map((each) => each.trim().replace(/[ :(].*$/, ''))
    .filter((each) => each !== '');
}

/** Links that Debian's alternatives make to files that are taken. */
function alternatives(kept: ReadonlySet<string>): readonly string[] {
  const links: string[] = [];
  for (const folder of ['/usr/bin', '/usr/sbin'])
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!lstatSync(path).isSymbolicLink()) continue;
      const target = readlinkSync(path);
      if (!target.startsWith('/etc/alternatives/') || !existsSync(path)) continue;
      if (kept.has(realpathSync(path))) links.push(path, target);
    }
  return links;
}

/**
 * Packs this machine's Go onto `oci:debian` of a folder, as `golang` images have it.
 * @param delivery where it goes, as `pack` is told
 */
export async function packGo(
  folder: string,
  delivery: readonly string[],
  options: RunOptions,
): Promise<void> {
  const goroot = (await must('go', ['env', 'GOROOT'])).trim();
  const parts = ['src', 'pkg', 'go.env', 'VERSION'].filter((part) => existsSync(join(goroot, part)));
  await succeeded(
    [
      ...['pack', join(goroot, 'bin/go'), '--base', `oci:${folder}/debian`, '--dest', '/usr/local/go/bin/go'],
      ...parts.flatMap((part) => ['--add', `${join(goroot, part)}:/usr/local/go/${part}`]),
      ...['-e', 'PATH=/usr/local/go/bin:/usr/bin:/bin', '--compression', 'zstd:1', '--check', 'off', '-q'],
      ...delivery,
    ],
    options,
  );
}
