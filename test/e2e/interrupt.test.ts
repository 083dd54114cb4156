import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, ftruncateSync, openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ocislim, ocislimCommand } from '../support/cli.ts';
import { elfProgram } from '../support/elf.ts';
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
