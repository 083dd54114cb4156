// Benchmarks: what a pack costs in time and memory. Prints figures; the bounds of memory and of the check are promises, and fail.
//
//     npm run build && npm run bench [-- MEGABYTES]
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MEMORY_LIMIT = 150e6;
const megabytes = Number(process.argv[2] ?? 1000);
const bin = fileURLToPath(new URL('../../bin/ocislim.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ocislim-bench-'));

/** A program of that size that compresses about as well as machine code does: Node's own, over and over, changed. */
function makeProgram(path, size) {
  const source = execFileSync('head', ['-c', String(64e6), process.execPath], { maxBuffer: 128e6 });
  const file = openSync(path, 'w', 0o755);
  for (let written = 0; written < size; ) {
    // Each copy differs, so that no window sees the one before.
    for (let at = 4096; at < source.length; at += 997) source[at] = (source[at] + 13) % 256;
    written += writeSync(file, source, 0, Math.min(source.length, size - written));
  }
  closeSync(file);
}

/** Runs the command line; gives seconds, and the most memory it ever held in bytes. */
function measure(args) {
  const report =
    "process.on('exit',()=>process.stderr.write('\\nmaxRSS='+process.resourceUsage().maxRSS+'\\n'))";
  const started = performance.now();
  const ran = spawnSync(process.execPath, ['--import', `data:text/javascript,${report}`, bin, ...args], {
    cwd: folder,
    env: { ...process.env, OCISLIM_HOME: join(folder, 'store') },
    encoding: 'utf8',
  });
  const seconds = (performance.now() - started) / 1000;
  if (ran.status !== 0) throw new Error(`ocislim ${args.join(' ')}: exit ${ran.status}\n${ran.stderr}`);
  return { seconds, memory: Number(/maxRSS=(\d+)/.exec(ran.stderr)?.[1]) * 1024 };
}

/** Enough files for a distribution, beside the libraries of the program. */
const BASE_FILES = 5000;
const RUNS = 15;
const CHECK_LIMIT = 0.03;

/**
 * What the check adds to a pack on a base that was packed on before: a dynamic program of this machine, on a base with
 * its libraries. Both read the headers of the program, which tell its platform.
 */
function benchCheck() {
  const program = '/bin/ls';
  const many = join(folder, 'many');
  mkdirSync(many);
  for (let at = 0; at < BASE_FILES; at++) writeFileSync(join(many, `${at}`), `${at}`, { mode: 0o755 });
  const base = ['--base', 'scratch', '--with-libs', '--add', `${many}:/usr/share/many`, '-o', 'oci:base'];
  measure(['pack', program, ...base, '-q']);
  const times = { error: [], off: [] };
  const pack = (check) =>
    measure(['pack', program, '--base', 'oci:base', '-q', '-o', 'oci:warm', '--check', check]).seconds;
  pack('error');
  for (let run = 0; run < RUNS; run++) for (const check of ['error', 'off']) times[check].push(pack(check));
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const [checked, unchecked] = [median(times.error), median(times.off)];
  const ms = (seconds) => (seconds * 1000).toFixed(0);
  console.log(
    `warm pack: ${ms(checked)} ms, ${ms(unchecked)} ms without its check, which takes ${ms(checked - unchecked)} ms`,
  );
  if (checked - unchecked <= CHECK_LIMIT) return false;
  console.log(`  more than ${ms(CHECK_LIMIT)} ms`);
  return true;
}

let failed = false;
try {
  makeProgram(join(folder, 'program'), megabytes * 1e6);
  const { size } = statSync(join(folder, 'program'));
  for (const compression of ['gzip', 'gzip:1', 'zstd', 'none']) {
    const args = [
      'pack',
      './program',
      '--base',
      'scratch',
      '-q',
      '--check',
      'warn',
      '--compression',
      compression,
    ];
    const { seconds, memory } = measure([...args, '-o', 'oci:out', '-o', 'out.tar']);
    const rate = (size / 1e6 / seconds).toFixed(0);
    const held = (memory / 1e6).toFixed(0);
    console.log(
      `pack ${megabytes} MB, ${compression}: ${seconds.toFixed(1)} s (${rate} MB/s), ${held} MB of memory`,
    );
    if (memory > MEMORY_LIMIT) {
      console.log(`  more than ${MEMORY_LIMIT / 1e6} MB`);
      failed = true;
    }
    rmSync(join(folder, 'store'), { recursive: true });
    rmSync(join(folder, 'out'), { recursive: true });
  }
  const { seconds } = measure(['--version']);
  console.log(`start-up: ${(seconds * 1000).toFixed(0)} ms`);
  failed = benchCheck() || failed;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
