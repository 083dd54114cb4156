import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { shellWords } from '../../src/compile/c-flags.ts';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislimCommand } from '../support/cli.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { openTempDir, type User, wrapFor } from '../support/users.ts';

describeWithPeers(
  'Ctrl-C at a terminal',
  ['bwrap', 'proot', 'unshare', 'script'],
  () => {
    let folder: string;
    beforeAll(() => {
      folder = openTempDir();
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), alpine);
      writeFileSync(join(folder, 'source'), 'x');
    });

    /** Runs `ocislim` with a terminal of its own, and types Ctrl-C as often as `due` says, which is asked again and again. */
    async function interrupted(
      user: User,
      args: readonly string[],
      due: (shown: string) => number | Promise<number>,
    ) {
      const store = join(openTempDir(), 'store');
      // A shell that stays would get the Ctrl-C too, and its code would be what `script` ends with; which shell that is, $SHELL says.
      const command = shellWords(['exec', ...wrapFor(user), ...ocislimCommand, ...args]);
      const env = {
        ...process.env,
        SHELL: '/bin/sh',
        OCISLIM_HOME: store,
        HOME: openTempDir(),
        TERM: 'xterm',
        NO_COLOR: '1',
      };
      const child = spawn('script', ['-qefc', command, '/dev/null'], {
        cwd: folder,
        env,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let shown = '';
      child.stdout.on('data', (chunk: Buffer) => {
        shown += chunk.toString();
      });
      const ended = once(child, 'close');
      for (let typed = 0; child.exitCode === null; await new Promise((resolve) => setTimeout(resolve, 20)))
        for (const wanted = await due(shown); typed < wanted; typed++) child.stdin.write('\x03');
      const [code] = await ended;
      expect(await sleepers()).toEqual([]);
      expect(readdirSync(join(store, 'tmp'))).toEqual([]);
      return { code, shown: shown.replaceAll('\r', '') };
    }
    const countReady = (shown: string) => shown.split('ready').length - 1;

    const WAIT = 'while :; do sleep 5432167 & wait; done';
    it.each(['root', 'user'] as const)('as %s reaches the command of a run, which decides', async (user) => {
      const script = `trap 'echo got it; exit 9' INT; test -t 0 && test -t 1 && echo rea''dy; ${WAIT}`;
      const args = ['run', '-q', 'oci:alpine', 'sh', '-c', script];
      const { code, shown } = await interrupted(user, args, countReady);
      expect([code, shown]).toEqual([9, expect.stringMatching(/ready\n(?:\^C)?got it\n/)]);
    });

    it('ends a run that heeds it for the third time', async () => {
      const script = `trap 'echo rea""dy' INT; echo rea''dy; ${WAIT}`;
      const args = ['run', '-q', 'oci:alpine', 'sh', '-c', script];
      const { code } = await interrupted('root', args, countReady);
      expect(code).toBe(137);
    });

    it.each(['root', 'user', 'user without namespaces'] as const)(
      'as %s stops a compile, and leaves nothing behind',
      async (user) => {
        const build = ['--build', WAIT, '--artifact', 'x', '--toolchain', 'oci:alpine'];
        const args = ['pack', '.', ...build, '--base', 'scratch', '--progress', 'plain'];
        const { code, shown } = await interrupted(user, args, async () =>
          Math.min(1, (await sleepers()).length),
        );
        expect([code, shown]).toEqual([130, expect.stringContaining('ocislim: interrupted')]);
      },
    );
  },
  asRoot,
);

async function sleepers(): Promise<readonly string[]> {
  const listed = await must('ps', ['-eo', 'args']);
  return listed.split('\n').filter((line) => line === 'sleep 5432167');
}
