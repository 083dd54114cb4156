import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { ocislim, ocislimCommand, type Ran, root, run, succeeded } from '../support/cli.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { openTempDir, USERS, type User, wrapFor } from '../support/users.ts';

describeWithPeers(
  '`ocislim run`',
  ['bwrap', 'proot', 'unshare', 'newuidmap'],
  () => {
    let folder: string;

    beforeAll(() => {
      folder = openTempDir();
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), alpine);
      copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
    });

    const stores = new Map<User, string>();
    /** Runs `ocislim` as a user with a store of their own. */
    function as(user: User, ...args: readonly string[]): Promise<Ran> {
      const store = stores.get(user) ?? openTempDir();
      stores.set(user, store);
      const env = { OCISLIM_HOME: join(store, 'store'), HOME: store };
      return ocislim(args, { cwd: folder, env, wrap: wrapFor(user) });
    }

    it.each(USERS)('as %s starts what pack has made', async (user) => {
      const output = join(openTempDir(), 'hello.oci');
      const packed = await as(user, 'pack', './hello', '--base', 'scratch', '-o', `oci:${output}`, '-q');
      expect(packed).toMatchObject({ code: 0 });
      expect(await as(user, 'run', '-q', 'hello')).toEqual({
        code: 0,
        signal: null,
        stdout: 'hello world\n',
        stderr: '',
      });
    });

    it.each(USERS)('as %s gives arguments, environment, folder, and the exit code', async (user) => {
      const script = 'echo "$0 $A $B $PWD $HOME"; cat; exit 7';
      const args = ['-e', 'A=a b', '-e', 'B=', '-w', '/srv/new', 'oci:alpine', 'sh', '-c', script, '-v'];
      const ran = await as(user, 'run', '-q', ...args);
      expect(ran).toMatchObject({ code: 7, stdout: '-v a b  /srv/new /root\n' });
    });

    it('passes on what it reads', async () => {
      const env = { OCISLIM_HOME: join(openTempDir(), 'store') };
      const ran = await ocislim(['run', '-q', 'oci:alpine', 'cat'], { cwd: folder, env, input: 'given' });
      expect(ran).toMatchObject({ code: 0, stdout: 'given' });
    });

    it.each(USERS)('as %s mounts volumes', async (user) => {
      const shared = openTempDir();
      writeFileSync(join(shared, 'in'), 'in');
      const script = 'cat /data/in && echo out > /data/out';
      const ran = await as(user, 'run', '-q', '-v', `${shared}:/data`, 'oci:alpine', 'sh', '-c', script);
      expect(ran).toMatchObject({ code: 0, stdout: 'in' });
      expect(readFileSync(join(shared, 'out'), 'utf8')).toBe('out\n');
    });

    it('runs as the user of the image, or another', async () => {
      const id = async (...args: string[]) =>
        (await as('root', 'run', '-q', ...args, 'oci:alpine', 'id')).stdout;
      expect(await id()).toMatch(/^uid=0\(root\) gid=0\(root\)/);
      expect(await id('-u', 'nobody')).toMatch(/^uid=65534\(nobody\) gid=65534\(nobody\)/);
      expect(await id('-u', '1000:7')).toMatch(/^uid=1000 gid=7\(lp\)/);
      expect(await as('root', 'run', '-u', 'stranger', 'oci:alpine', 'id')).toMatchObject({ code: 6 });
    });

    it('says what is not there', async () => {
      const ran = await as('root', 'run', '-q', 'oci:alpine', 'nothing');
      expect(ran.code).toBe(6);
      expect(ran.stderr).toMatch(/^ocislim: the command nothing is in no folder of PATH/);
      for (const args of [
        ['-v', 'here'],
        ['-v', './a:b'],
        ['--memory', 'much'],
        ['--timeout', '0'],
        ['-e', '=x'],
        ['-v', '/nonexistent:/x'],
      ])
        expect([args, (await as('root', 'run', ...args, 'oci:alpine', 'true')).code]).toEqual([args, 2]);
    });

    it('ends it when its time is up', async () => {
      const ran = await as('root', 'run', '--timeout', '1', 'oci:alpine', 'sleep', '7654321');
      expect(ran.code).toBe(124);
      expect(ran.stderr).toContain('was ended after 1 s');
    });

    it.each(['SIGTERM', 'SIGINT', 'SIGUSR1'] as const)(
      'passes %s on to the command, which decides',
      async (signal) => {
        const env = { ...process.env, OCISLIM_HOME: join(openTempDir(), 'store') };
        const name = signal.slice(3);
        const script = `trap "echo got ${name}; exit 9" ${name}; echo ready; while :; do sleep 0.05; done`;
        const [command, ...args] = [...ocislimCommand, 'run', '-q', 'oci:alpine', 'sh', '-c', script];
        const child = spawn(command, args, {
          cwd: folder,
          env,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let output = '';
        child.stdout.on('data', (chunk: Buffer) => {
          if (output === '') child.kill(signal);
          output += chunk.toString();
        });
        const [code] = await once(child, 'close');
        expect([code, output]).toEqual([9, `ready\ngot ${name}\n`]);
      },
    );

    it('is ended by the third interrupt where the command heeds none', async () => {
      const env = { ...process.env, OCISLIM_HOME: join(openTempDir(), 'store') };
      const script = 'trap "echo ignored" INT; while :; do echo ready; sleep 0.1; done';
      const [command, ...args] = [...ocislimCommand, 'run', '-q', 'oci:alpine', 'sh', '-c', script];
      const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
      let interrupts = 0;
      child.stdout.on('data', () => {
        if (interrupts++ < 3) child.kill('SIGINT');
      });
      const [code] = await once(child, 'close');
      expect(code).toBe(137);
    });

    it('takes a command from a volume', async () => {
      const ran = await as(
        'root',
        'run',
        '-q',
        '-v',
        `${folder}/hello:/opt/hello:ro`,
        'oci:alpine',
        '/opt/hello',
      );
      expect(ran).toMatchObject({ code: 0, stdout: 'hello world\n' });
    });

    const SLEEP = 'echo ready; exec sleep 7654321';
    it.each([
      ['root', 'stays who it is', [], ['sh', '-c', SLEEP]],
      ['root', 'is another user', ['-u', '1000'], ['sh', '-c', SLEEP]],
      ['root', 'becomes another user', [], ['su', 'nobody', '-s', '/bin/sh', '-c', SLEEP]],
      ['user without namespaces', 'stays who it is', [], ['sh', '-c', SLEEP]],
      ['user', 'stays who it is', [], ['sh', '-c', SLEEP]],
      ['user', 'is another user', ['-u', '1000'], ['sh', '-c', SLEEP]],
      ['user with a range of ids', 'is another user', ['-u', '1000'], ['sh', '-c', SLEEP]],
      [
        'user with a range of ids',
        'becomes another user',
        [],
        ['su', 'nobody', '-s', '/bin/sh', '-c', SLEEP],
      ],
    ] as const)(
      'of %s leaves nothing behind when it is killed and the command %s',
      async (user, _, options, words) => {
        const store = join(openTempDir(), 'store');
        const env = { ...process.env, OCISLIM_HOME: store };
        const ocislimRun = [...ocislimCommand, 'run', '-q', ...options, 'oci:alpine', ...words];
        const [command = '', ...args] = [...wrapFor(user), ...ocislimRun];
        const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
        child.stdout.once('data', () => child.kill('SIGKILL'));
        // Its output ends once the command has, too.
        await once(child, 'close');
        const listed = await run('ps', ['-eo', 'args']);
        expect(listed.stdout).not.toMatch(/^sleep 7654321$/m);
        await succeeded(['cache', 'prune'], { cwd: folder, env });
        expect(readdirSync(join(store, 'tmp'))).toEqual([]);
      },
    );

    it.each([
      ['too little room', 'cat /dev/zero > /filler'],
      ['room for too few files', 'i=0; while : > /filler$i; do i=$((i + 1)); done'],
    ])('ends what leaves %s in the store, and takes it away', async (what, fill) => {
      const store = openTempDir();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100m,nr_inodes=5000', 'tmpfs', store]);
      try {
        const env = { OCISLIM_HOME: join(store, 'store') };
        const ran = await ocislim(['run', '-q', 'oci:alpine', 'sh', '-c', `${fill}; sleep 7654321`], {
          cwd: folder,
          env,
        });
        expect(ran.code).toBe(1);
        expect(ran.stderr).toMatch(
          new RegExp(`^ocislim: the command was ended: it left ${what} on ${store}`, 'm'),
        );
        expect(readdirSync(join(store, 'store/tmp'))).toEqual([]);
        const listed = await run('ps', ['-eo', 'args']);
        expect(listed.stdout).not.toMatch(/^sleep 7654321$/m);
      } finally {
        execFileSync('umount', ['-l', store]);
      }
    });

    it('keeps the root of an image apart from what a run writes', async () => {
      const count = async () =>
        (await as('root', 'run', '-q', 'oci:alpine', 'sh', '-c', 'ls / | wc -l; touch /x')).stdout;
      expect(await count()).toBe(await count());
    });
  },
  asRoot,
);
