import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ocislim, ocislimCommand } from '../support/cli.ts';
import { elfProgram } from '../support/elf.ts';
import { startProcess } from '../support/processes.ts';
import { tempDir } from '../support/temp.ts';

/** A sparse program that takes many seconds to pack. */
function bigProgram(folder: string): void {
  const file = openSync(join(folder, 'big'), 'w', 0o755);
  writeSync(file, elfProgram());
  ftruncateSync(file, 4 * 1024 ** 3);
  closeSync(file);
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  '%s in mid-pack stops with 130 and leaves no temporary file',
  async (signal) => {
    const folder = tempDir();
    const store = join(tempDir(), 'store');
    bigProgram(folder);
    const env = { ...process.env, OCISLIM_HOME: store };
    const [command, ...first] = ocislimCommand;
    const child = spawn(command, [...first, 'pack', './big', '--base', 'scratch'], { cwd: folder, env });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = once(child, 'exit');
    // The layer's temporary file shows that it is under way.
    const temporary = join(store, 'tmp');
    while (child.exitCode === null && !(existsSync(temporary) && readdirSync(temporary).length > 0))
      await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill(signal);
    expect((await ended)[0]).toBe(130);
    expect(said).toContain('ocislim: interrupted');
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(folder)).toEqual(['big']);
    // The store is as usable as before.
    expect(await ocislim(['images'], { env: { OCISLIM_HOME: store } })).toMatchObject({ code: 0 });
  },
);

it.each([
  ['', []],
  [' as JSON', ['--json']],
])('says so%s where what it runs takes no heed, and ends that', async (_, options) => {
  const folder = tempDir();
  writeFileSync(join(folder, 'source'), '');
  const started = join(tempDir(), 'started');
  const build = `trap '' INT TERM; echo $$ > ${started}; while :; do sleep 1; done`;
  const [command, ...first] = ocislimCommand;
  const args = ['pack', folder, '--build', build, '--artifact', 'x', '--base', 'scratch', ...options];
  const isReady = () => existsSync(started) && readFileSync(started, 'utf8').endsWith('\n');
  const env = { OCISLIM_HOME: join(tempDir(), 'store') };
  const { child, output } = await startProcess(command, [...first, ...args], isReady, { env });
  child.kill('SIGINT');
  expect((await once(child, 'close'))[0]).toBe(130);
  const told = output().match(/ocislim: interrupted|"OCISLIM_INTERRUPTED"/g);
  expect(told).toEqual([options.length === 0 ? 'ocislim: interrupted' : '"OCISLIM_INTERRUPTED"']);
  // It is killed; whoever inherits it may not have waited for it yet, which leaves it without a command line (proc(5)).
  const commandLine = `/proc/${readFileSync(started, 'utf8').trim()}/cmdline`;
  await expect.poll(() => (existsSync(commandLine) ? readFileSync(commandLine, 'utf8') : '')).toBe('');
});
