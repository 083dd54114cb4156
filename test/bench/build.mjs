// Benchmark: the two stages of hello.go, built for the first time, again with nothing changed, and with one line changed:
// `ocislim build` against `buildah bud --layers` on the same bases of a registry, in turns. Needs root, Go, docker-registry
// and buildah.
//
//     npm run build && node test/bench/build.mjs [RUNS-UNCHANGED] [RUNS-CHANGED]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** What is to be reached where nothing has changed, in milliseconds. */
const UNCHANGED = 150;
const unchangedRuns = Number(process.argv[2] ?? 9);
const changedRuns = Number(process.argv[3] ?? 3);
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const bin = path('../../bin/ocislim.js');
const folder = mkdtempSync(join(tmpdir(), 'ocislim-bench-'));
const context = join(folder, 'context');

/** Runs a command; gives milliseconds. */
function time(command, args, cwd = folder, store = join(folder, 'store')) {
  const started = performance.now();
  const env = { ...process.env, OCISLIM_HOME: store };
  const ran = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${ran.stdout}\n${ran.stderr}`);
  return performance.now() - started;
}

async function startRegistry() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, 'registry') } },
    http: { addr: `127.0.0.1:${port}` },
  };
  writeFileSync(join(folder, 'registry.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(folder, 'registry.yml')], { stdio: 'ignore' });
  const isUp = () =>
    fetch(`http://127.0.0.1:${port}/v2/`).then(
      (answer) => answer.ok,
      () => false,
    );
  for (let tries = 0; tries < 100 && !(await isUp()); tries++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  return { host: `127.0.0.1:${port}`, stop: () => child.kill() };
}

/** Debian with this machine's Go, and Alpine or what stands in for it, in the registry. */
async function pushImages(host) {
  const bundle = join(folder, 'support.mjs');
  const banner = {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  };
  const contents = "export * from './toolchains.ts'; export * from './bases.ts';";
  const stdin = { contents, resolveDir: path('../support'), loader: 'ts' };
  const external = ['vitest', '@napi-rs/xattr'];
  await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile: bundle, banner, external });
  const { debianWith, alpineBases, writeBaseLayout } = await import(bundle);
  writeBaseLayout(join(folder, 'debian'), debianWith([]));
  writeBaseLayout(join(folder, 'alpine'), alpineBases()[0]);
  const goroot = spawnSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).stdout.trim();
  const parts = ['src', 'pkg', 'go.env', 'VERSION'].filter((part) => existsSync(join(goroot, part)));
  const adds = parts.flatMap((part) => ['--add', `${join(goroot, part)}:/usr/local/go/${part}`]);
  const go = ['pack', join(goroot, 'bin/go'), '--base', 'oci:debian', '--dest', '/usr/local/go/bin/go'];
  const set = ['-e', 'PATH=/usr/local/go/bin:/usr/bin:/bin', '-e', 'GOTOOLCHAIN=local', '--check', 'off'];
  const where = ['--compression', 'gzip:1', '-t', `${host}/golang:1`, '--push', '-q'];
  const preparing = join(folder, 'preparing');
  time(process.execPath, [bin, ...go, ...adds, ...set, ...where], folder, preparing);
  const copy = ['copy', 'oci:alpine', `docker://${host}/alpine:3`, '-q'];
  time(process.execPath, [bin, ...copy], folder, preparing);
}

const HELLO = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hello world")\n}\n';
const change = (run) => writeFileSync(join(context, 'hello.go'), `${HELLO}\nvar changed${run} = ${run}\n`);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
function show(name, values) {
  const sorted = [...values].sort((a, b) => a - b).map((value) => value.toFixed(0));
  const range = values.length === 1 ? '' : ` (${sorted[0]} to ${sorted.at(-1)}, ${values.length} runs)`;
  console.log(`${name}: ${median(values).toFixed(0)} ms${range}`);
}

const registry = await startRegistry();
try {
  const { host } = registry;
  await pushImages(host);
  mkdirSync(context);
  writeFileSync(join(context, 'hello.go'), HELLO);
  writeFileSync(
    join(context, 'Dockerfile'),
    `FROM ${host}/golang:1 AS builder\nWORKDIR /go\nCOPY hello.go .\nRUN go build hello.go\nFROM ${host}/alpine:3\nCOPY --from=builder /go/hello /usr/local/bin/hello\n`,
  );
  const containers = join(folder, 'containers');
  mkdirSync(containers);
  const where = ['--root', join(containers, 'root'), '--runroot', join(containers, 'run')];
  const bud = ['bud', '--layers', '--tls-verify=false', '--isolation', 'chroot', '-t', 'hello', context];
  const builders = {
    ocislim: () => time(process.execPath, [bin, 'build', context, '-t', 'hello', '-q']),
    buildah: () => time('buildah', [...where, ...bud]),
  };
  const inTurns = (runs, before = () => {}) => {
    const times = { ocislim: [], buildah: [] };
    for (let run = 0; run < runs; run++) {
      before(run);
      for (const [name, builder] of Object.entries(builders)) times[name].push(builder());
    }
    return times;
  };
  const figures = {
    'first build, with what is pulled': inTurns(1),
    'nothing changed': inTurns(unchangedRuns),
    'one line changed': inTurns(changedRuns, change),
  };
  for (const [what, times] of Object.entries(figures))
    for (const [name, values] of Object.entries(times)) show(`${name}, ${what}`, values);
  const reached = median(figures['nothing changed'].ocislim);
  console.log(`nothing changed: to reach: ${UNCHANGED} ms`);
  process.exitCode = reached <= UNCHANGED ? 0 : 1;
} finally {
  registry.stop();
  spawnSync('sh', ['-c', 'umount "$1"/containers/root/overlay 2>/dev/null', 'sh', folder]);
  rmSync(folder, { recursive: true, force: true });
}
