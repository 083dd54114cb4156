// Benchmark: one changed line of a Go program, from the command to the pushed image, with warm caches: `ocislim pack` in a
// toolchain's image against `buildah bud` of the same two stages, in turns. Needs root, Go, docker-registry and buildah.
//
//     npm run build && node test/bench/change.mjs [RUNS]
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** What is to be reached: ocislim's time over buildah's. */
const RATIO = 0.2;
const runs = Number(process.argv[2] ?? 7);
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const bin = path('../../bin/ocislim.js');
const folder = mkdtempSync(join(tmpdir(), 'ocislim-bench-'));
const store = join(folder, 'store');

/** Runs a command; gives seconds. */
function time(command, args, cwd = folder) {
  const started = performance.now();
  const env = { ...process.env, OCISLIM_HOME: store };
  const ran = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${ran.stdout}\n${ran.stderr}`);
  return (performance.now() - started) / 1000;
}
const ocislim = (...args) => time(process.execPath, [bin, ...args, '-q']);

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
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(`http://127.0.0.1:${port}/v2/`).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
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
  const env = ['-e', 'PATH=/usr/local/go/bin:/usr/bin:/bin', '--check', 'off', '--compression', 'gzip:1'];
  const go = [
    'pack',
    join(goroot, 'bin/go'),
    '--base',
    'oci:debian',
    '--dest',
    '/usr/local/go/bin/go',
    ...adds,
  ];
  ocislim(...go, ...env, '-t', `${host}/golang:1`, '--push');
  ocislim('copy', 'oci:alpine', `docker://${host}/alpine:3`);
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const show = (name, values) => {
  const sorted = [...values].sort((a, b) => a - b).map((value) => (value * 1000).toFixed(0));
  console.log(`${name}: ${(median(values) * 1000).toFixed(0)} ms (${sorted[0]} to ${sorted.at(-1)})`);
};

const registry = await startRegistry();
try {
  const { host } = registry;
  await pushImages(host);
  const source = join(folder, 'hello');
  cpSync(path('../../testdata/hello-go'), source, { recursive: true });
  const [main = ''] = readdirSync(source).filter((name) => name.endsWith('.go'));
  const original = readFileSync(join(source, main), 'utf8');
  writeFileSync(
    join(folder, 'Dockerfile'),
    `FROM ${host}/golang:1 AS builder\nWORKDIR /src\nCOPY hello .\nRUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /hello .\nFROM ${host}/alpine:3\nCOPY --from=builder /hello /usr/local/bin/hello\nENTRYPOINT ["/usr/local/bin/hello"]\n`,
  );
  const containers = join(folder, 'containers');
  mkdirSync(containers);
  const buildah = (...args) =>
    time('buildah', ['--root', join(containers, 'root'), '--runroot', join(containers, 'run'), ...args]);
  const ours = () =>
    ocislim(
      'pack',
      './hello',
      '--toolchain',
      `${host}/golang:1`,
      '--base',
      `${host}/alpine:3`,
      '-t',
      `${host}/me/a:1`,
      '--push',
    );
  const theirs = () => {
    const options = ['--layers', '--tls-verify=false', '--isolation', 'chroot', '-t', `${host}/me/b:1`];
    return buildah('bud', ...options, '.') + buildah('push', '--tls-verify=false', `${host}/me/b:1`);
  };
  const change = (run) => writeFileSync(join(source, main), `${original}\nvar changed${run} = ${run}\n`);
  ours();
  theirs();
  const times = { ours: [], theirs: [] };
  for (let run = 0; run < runs; run++) {
    change(run);
    times.ours.push(ours());
    times.theirs.push(theirs());
  }
  show('ocislim, one line changed', times.ours);
  show('buildah, one line changed', times.theirs);
  const ratio = median(times.ours) / median(times.theirs);
  console.log(`ratio ${ratio.toFixed(2)} (to reach: ${RATIO})`);
  process.exitCode = ratio <= RATIO ? 0 : 1;
} finally {
  registry.stop();
  rmSync(folder, { recursive: true, force: true });
}
