import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { must, ocislimCommand, root } from '../support/cli.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { type Background, startProcess } from '../support/processes.ts';
import { tempDir } from '../support/temp.ts';

/** Waits until what was printed has so many matches, and gives them. */
async function matches(running: Background, form: RegExp, count: number): Promise<readonly string[]> {
  for (;;) {
    const found = running.output().match(form) ?? [];
    if (found.length >= count) return found;
    if (running.child.exitCode !== null) throw new Error(`it ended:\n${running.output()}`);
    await new Promise<void>((resolve) => {
      const { child } = running;
      const done = () => {
        child.stdout?.off('data', done);
        child.off('exit', done);
        resolve();
      };
      child.stdout?.on('data', done);
      child.on('exit', done);
    });
  }
}

const DIGESTS = /^loop:1@sha256:[0-9a-f]{64}$/gm;
const ROUNDS = /^(?:packed in|failed after) .*; watching \d+ files?, Ctrl-C ends it$/gm;

/** Watches with everything on one stream, so that what is waited for cannot be on the other. */
async function watching(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Background> {
  const command = ['cd "$1" && shift && exec "$@" 2>&1', 'sh', cwd, ...ocislimCommand, 'pack'];
  return startProcess('sh', ['-c', ...command, ...args, '--watch'], (out) => out.match(ROUNDS) !== null, {
    env: { OCISLIM_HOME: tempDir(), ...env },
  });
}

describeWithPeers(
  'ocislim pack --watch',
  ['go', 'docker', 'dockerd'],
  () => {
    it('compiles and loads again when source changes, shows errors and goes on, and ends with 130', async () => {
      const docker: DockerEngine = await startDocker();
      const cwd = tempDir();
      cpSync(join(root, 'testdata/hello-go'), cwd, { recursive: true });
      const main = join(cwd, 'main.go');
      const source = readFileSync(main, 'utf8');
      // In its own folder, into which the layout is written, too.
      const args = ['.', '--toolchain', 'host', '-t', 'loop:1', '--load', '-o', 'oci:loop.oci'];
      const running = await watching(cwd, args, docker.env);
      try {
        const started = () => docker.docker(['run', '--rm', '--network', 'none', 'loop:1']);
        expect(await started()).toBe('hello from Go\n');

        // As editors write: a new file beside it, which takes its place.
        writeFileSync(`${main}~`, source.replace('hello from Go', 'hello again'));
        renameSync(`${main}~`, main);
        await matches(running, ROUNDS, 2);
        expect(await started()).toBe('hello again\n');
        expect(running.output()).toMatch(/^changed: main\.go$/m);

        writeFileSync(main, 'package main\n\nfunc main() { nothing() }\n');
        await matches(running, ROUNDS, 3);
        expect(running.output()).toMatch(/undefined: nothing/);
        expect(running.output()).toMatch(/^failed after /m);

        writeFileSync(main, source);
        await matches(running, ROUNDS, 4);
        expect(await started()).toBe('hello from Go\n');
        const digests = await matches(running, DIGESTS, 3);
        expect(new Set(digests).size).toBe(2);
        expect(digests[2]).toBe(digests[0]);
        expect(running.output().match(/^changed: /gm)).toHaveLength(3);

        const ended = new Promise((resolve) => running.child.once('exit', resolve));
        running.child.kill('SIGINT');
        expect(await ended).toBe(130);
      } finally {
        await running.stop();
        await docker.stop();
      }
    });

    it('waits for a program that is not there yet', async () => {
      const cwd = tempDir();
      const running = await watching(cwd, ['dist/hello', '-t', 'loop:1', '-o', 'oci:loop.oci'], {});
      try {
        expect(running.output()).toMatch(/^ocislim: dist\/hello: no such file$/m);
        await must('sh', ['-c', `mkdir dist && cp ${root}/testdata/hello dist`], { cwd });
        expect(await matches(running, DIGESTS, 1)).toHaveLength(1);
      } finally {
        await running.stop();
      }
    });

    it('ends where it is the command line that is wrong', async () => {
      const cwd = tempDir();
      await expect(watching(cwd, ['./hello', '--push'], {})).rejects.toThrow('--push needs to know where');
    });
  },
  asRoot,
);
