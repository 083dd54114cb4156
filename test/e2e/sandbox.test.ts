import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type Order, ROOT, type Room } from '../../src/sandbox/room.ts';
import { alpineBases } from '../support/bases.ts';
import { bundled } from '../support/children.ts';
import { must } from '../support/cli.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { openTempDir, UID, USERS, type User, wrapFor } from '../support/users.ts';

interface Outcome {
  readonly driver: string;
  readonly works: boolean;
  readonly why: string;
  readonly code: number;
  readonly isOutOfTime: boolean;
  readonly error?: string;
  readonly output: string;
}

/** What has to work for whom, the better first. */
const DRIVERS: Readonly<Record<User, readonly string[]>> = {
  root: ['bubblewrap as root, with overlay', 'bubblewrap as root, with a copy for each run'],
  user: [
    'bubblewrap as a user with one id, with overlay',
    'bubblewrap as a user with one id, with a copy for each run',
    'proot',
  ],
  'user with a range of ids': [
    'bubblewrap as a user with a range of ids, with overlay',
    'bubblewrap as a user with one id, with overlay',
    'bubblewrap as a user with one id, with a copy for each run',
    'proot',
  ],
  'user without namespaces': ['proot'],
};

describeWithPeers(
  'the sandbox',
  ['bwrap', 'proot', 'unshare', 'newuidmap', 'gcc'],
  () => {
    /** Alpine, owned by root, and by an ordinary user. */
    const roots: Record<string, string> = {};
    let child: string;

    beforeAll(async () => {
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      for (const owner of [0, UID]) {
        const root = join(openTempDir(), 'root');
        mkdirSync(root);
        execFileSync('tar', ['-C', root, '--no-same-owner', '-xz'], { input: alpine.layer });
        execFileSync('chown', ['-R', `${owner}:${owner}`, root]);
        roots[owner] = root;
      }
      child = await bundled('sandbox');
    });

    const rootOf = (user: User) => roots[user === 'root' ? 0 : UID] ?? '';

    /** Runs a command of Alpine as a user, in each driver that works for them. */
    async function tryAs(
      user: User,
      script: string,
      more: { room?: Partial<Room>; order?: Partial<Order>; abortOn?: string; only?: string } = {},
    ): Promise<readonly Outcome[]> {
      const root = rootOf(user);
      const room: Room = { root, mounts: [], network: 'none', hostname: 'box', limits: {}, ...more.room };
      const order: Order = {
        args: ['/bin/sh', '-c', script],
        env: { PATH: '/bin:/usr/bin' },
        cwd: '/',
        identity: ROOT,
        ...more.order,
      };
      const runs = openTempDir();
      const { abortOn, only = '' } = more;
      const request = JSON.stringify({ room, order, abortOn, only });
      const [command = '', ...args] = [...wrapFor(user), process.execPath, child, runs, request];
      const env = { CANARY: 'secret-of-the-host' };
      const lines = (await must(command, args, { env })).trim().split('\n');
      expect(readdirSync(runs)).toEqual([]);
      const outcomes = lines.map((line) => JSON.parse(line) as Outcome).filter(({ works }) => works);
      expect(outcomes.map(({ driver }) => driver.replace(/^proot,.*/, 'proot'))).toEqual(
        DRIVERS[user].filter((driver) => driver.startsWith(only)),
      );
      return outcomes;
    }
    const each = (outcomes: readonly Outcome[], expected: object) => {
      for (const { driver, ...rest } of outcomes)
        expect({ driver, ...rest }).toMatchObject({ driver, ...expected });
    };
    const isolated = (outcomes: readonly Outcome[]) =>
      outcomes.filter(({ driver }) => driver.startsWith('bubblewrap'));

    it.each(USERS)('as %s shows its own files, user, name and environment alone', async (user) => {
      const script =
        'id -u; hostname; pwd; env | sort; ls /; cat /etc/alpine-release >/dev/null; ls -d /root';
      const outcomes = await tryAs(user, script, {
        order: { cwd: '/srv/new', env: { PATH: '/bin:/usr/bin', A: 'b' } },
      });
      each(outcomes, { code: 0, output: expect.stringMatching(/^0\n.*\n\/srv\/new\nA=b\n/) });
      for (const { output } of outcomes) expect(output).not.toContain('secret-of-the-host');
      each(isolated(outcomes), { output: expect.stringMatching(/^0\nbox\n/) });
      // Nothing of it is in the root, which the next run uses.
      expect(existsSync(join(rootOf(user), 'srv/new'))).toBe(false);
    });

    it.each(USERS)('as %s lets a command write, and forgets it', async (user) => {
      const script = 'echo x > /new && echo y >> /etc/passwd && rm /etc/motd && mkdir /tmp/a && cat /new';
      const root = rootOf(user);
      const before = readFileSync(join(root, 'etc/passwd'), 'utf8');
      each(await tryAs(user, script), { code: 0, output: 'x\n' });
      expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toBe(before);
      expect([existsSync(join(root, 'new')), existsSync(join(root, 'etc/motd'))]).toEqual([false, true]);
    });

    it.each(USERS)('as %s sets what loaders obey for the command alone', async (user) => {
      const place = openTempDir();
      const library = join(place, 'odd.so');
      const mark = join(place, 'mark');
      const code = `#include <fcntl.h>
__attribute__((constructor)) static void begin(void) { open("${mark}", O_CREAT | O_WRONLY, 0644); }`;
      await must('gcc', ['-shared', '-fPIC', '-x', 'c', '-o', library, '-'], { input: code });
      const env = { PATH: '/bin:/usr/bin', LD_PRELOAD: library, LD_LIBRARY_PATH: '/a b', PROOT_X: '1' };
      const outcomes = await tryAs(user, 'echo "$LD_PRELOAD $LD_LIBRARY_PATH $PROOT_X"', { order: { env } });
      expect(outcomes.length).toBeGreaterThan(0);
      for (const { code, output } of outcomes) {
        expect(code).toBe(0);
        expect(output).toContain(`${library} /a b 1\n`);
      }
      expect(existsSync(mark)).toBe(false);
    });

    it.each(USERS)('as %s mounts into what is mounted, and through no link of it', async (user) => {
      const [outer, inner, victim] = [openTempDir(), openTempDir(), openTempDir()];
      writeFileSync(join(inner, 'f'), 'inner');
      symlinkSync(`/oldroot${victim}`, join(outer, 'odd'));
      symlinkSync(victim, join(outer, 'plain'));
      // The order in which they are given does not matter.
      const mountsAt = (target: string) => [
        { source: inner, target, isWritable: false },
        { source: outer, target: '/a', isWritable: true },
      ];
      for (const { code, output } of await tryAs(user, 'cat /a/in/new/f', {
        room: { mounts: mountsAt('/a/in/new') },
      }))
        expect([code, output]).toEqual([0, 'inner']);
      for (const link of ['odd', 'plain']) {
        const outcomes = await tryAs(user, 'true', { room: { mounts: mountsAt(`/a/${link}/made`) } });
        expect(outcomes.length).toBeGreaterThan(0);
        for (const { error } of outcomes) expect(error).toContain('a link of another mount is in the way');
      }
      expect(readdirSync(victim)).toEqual([]);
    });

    it.each(USERS)('as %s gives what is mounted, and keeps what is written there', async (user) => {
      const shared = openTempDir();
      writeFileSync(join(shared, 'in'), 'given\n');
      const mounts = [
        { source: shared, target: '/deep/er/shared', isWritable: true },
        { source: join(shared, 'in'), target: '/etc/given', isWritable: false },
      ];
      const script = 'cat /deep/er/shared/in /etc/given && echo out > /deep/er/shared/out';
      each(await tryAs(user, script, { room: { mounts } }), { code: 0, output: 'given\ngiven\n' });
      expect(readFileSync(join(shared, 'out'), 'utf8')).toBe('out\n');
      each(isolated(await tryAs(user, 'echo x > /etc/given', { room: { mounts } })), { code: 1 });
      expect(readFileSync(join(shared, 'in'), 'utf8')).toBe('given\n');
    });

    it.each(USERS)('as %s gives exit codes, and those of signals', async (user) => {
      each(await tryAs(user, 'exit 7'), { code: 7 });
      each(isolated(await tryAs(user, 'kill -TERM $$')), { code: 143 });
    });

    it.each(USERS)('as %s ends with everything it started', async (user) => {
      const script = 'setsid sleep 1234567 & sleep 1234567 & echo started; sleep 1234567';
      each(await tryAs(user, script, { abortOn: 'started' }), { error: 'Error: stopped' });
      each(await tryAs(user, script, { room: { limits: { seconds: 1 } } }), { isOutOfTime: true });
      expect(await processes('1234567')).toEqual([]);
      each(await tryAs(user, 'setsid sleep 1234567 >/dev/null 2>&1 & exit 0'), { code: 0 });
      expect(await processes('1234567')).toEqual([]);
    });

    it.each(['root', 'user', 'user with a range of ids'] as const)(
      'as %s is not on the network',
      async (user) => {
        const outcomes = isolated(await tryAs(user, 'cat /proc/net/dev /etc/hosts'));
        each(outcomes, { code: 0, output: expect.stringContaining('127.0.0.1\tlocalhost box') });
        for (const { output } of outcomes) {
          const devices = [...output.matchAll(/^\s*([\w.-]+): /gm)].map(([, name]) => name);
          expect(devices).toEqual(['lo']);
        }
      },
    );

    it.each(['root', 'user', 'user with a range of ids'] as const)(
      'as %s sees no process but its own, gains no right, and reaches no folder of the host',
      async (user) => {
        const root = rootOf(user);
        const script = `ls -d /proc/[0-9]* | wc -l; grep -E 'NoNewPrivs|CapEff' /proc/self/status; ls ${root} /home /run/docker.sock; mknod /dev/sda b 8 0; mount -t tmpfs none /mnt; ls -l /proc/self/fd`;
        for (const { driver, output } of isolated(await tryAs(user, script))) {
          const [count = '', ...lines] = output.split('\n');
          expect([driver, Number(count) < 8]).toEqual([driver, true]);
          expect(lines.join('\n')).toMatch(/NoNewPrivs:\t1/);
          // No CAP_SYS_ADMIN (21), CAP_MKNOD (27), CAP_SYS_PTRACE (19), CAP_NET_ADMIN (12), CAP_SYS_MODULE (16).
          const capabilities = BigInt(`0x${/CapEff:\t(\w+)/.exec(output)?.[1]}`);
          for (const bit of [12n, 16n, 19n, 21n, 27n]) expect(capabilities & (1n << bit)).toBe(0n);
          expect(output).toContain(`ls: ${root}: No such file or directory`);
          expect(output).toMatch(/mknod: .*: Operation not permitted/);
          expect(output).toMatch(/mount: .*(permission denied|Operation not permitted)/);
          const links = output.split('\n').filter((line) => line.includes(' -> '));
          expect(links.length).toBeGreaterThan(2);
          for (const link of links) expect(link).toMatch(/-> (socket:|pipe:|\/dev\/null|\/proc\/\d+\/fd)/);
        }
      },
    );

    it.each(['root', 'user with a range of ids'] as const)(
      'as %s runs others, whose rights count',
      async (user) => {
        const identity = { uid: 1000, gid: 1000, gids: [] };
        const outcomes = await tryAs(user, 'id -u; id -g; echo x > /etc/passwd', { order: { identity } });
        each(isolated(outcomes).slice(0, 1), {
          code: 1,
          output: expect.stringMatching(/^1000\n1000\n.*denied/),
        });
      },
    );

    it.each(['root', 'user', 'user with a range of ids'] as const)('as %s bounds processes', async (user) => {
      const script = 'for i in $(seq 100); do sleep 2 & done; echo all';
      const outcomes = isolated(await tryAs(user, script, { room: { limits: { processes: 30 } } }));
      for (const { driver, output } of outcomes)
        expect([driver, output]).toEqual([driver, expect.stringMatching(/can't fork|Resource temporarily/)]);
    });

    it.each(['root', 'user', 'user with a range of ids'] as const)('as %s bounds memory', async (user) => {
      const script =
        'awk \'BEGIN { s = sprintf("%1000000s", ""); for (i = 0; i < 400; i++) a[i] = s i; print "all" }\'';
      each(isolated(await tryAs(user, script)), { code: 0, output: 'all\n' });
      const outcomes = isolated(await tryAs(user, script, { room: { limits: { memory: 100_000_000 } } }));
      for (const { driver, code, output } of outcomes)
        expect([driver, code === 0, output.includes('all')]).toEqual([driver, false, false]);
    });

    it.each(['user', 'user without namespaces'] as const)(
      'as %s lets a thread under proot open what another has named, and refuses calls that proot does not know',
      async (user) => {
        const shared = openTempDir();
        writeFileSync(join(shared, 'calls.c'), CALLS);
        await must('gcc', ['-static', '-pthread', '-o', join(shared, 'calls'), join(shared, 'calls.c')]);
        const room = { mounts: [{ source: shared, target: '/given', isWritable: false }] };
        const order = { args: ['/given/calls', '/etc/motd'] };
        const outcomes = await tryAs(user, '', { room, order, only: 'proot' });
        each(outcomes, { code: 0, output: 'opened\nENOSYS\n' });
      },
    );

    it('makes no mount point outside the root, wherever links lead', async () => {
      const [outside, hostile] = [openTempDir(), openTempDir()];
      execFileSync('cp', ['-a', `${rootOf('user')}/.`, hostile]);
      execFileSync('rm', ['-rf', join(hostile, 'dev'), join(hostile, 'etc/hosts')]);
      symlinkSync(join(outside, 'dev'), join(hostile, 'dev'));
      symlinkSync(`../../../../../..${outside}/hosts`, join(hostile, 'etc/hosts'));
      symlinkSync(outside, join(hostile, 'link'));
      const given = { source: join(rootOf('user'), 'etc/motd'), target: '/link/given', isWritable: false };
      for (const user of USERS) {
        const more = { room: { root: hostile, mounts: [given] }, order: { cwd: '/link/work' } };
        each(isolated(await tryAs(user, 'pwd; cat /link/given >/dev/null', more)), {
          code: 0,
          output: `${outside}/work\n`,
        });
      }
      expect(readdirSync(outside)).toEqual([]);
    });

    it.each(['/proc/self/fd/3', '/proc/self/root/tmp', '/dev/fd/3', '/link'])(
      'has no working folder and no mount at %s, which leads out of the root',
      async (path) => {
        for (const user of USERS) {
          const hostile = openTempDir();
          execFileSync('cp', ['-a', `${rootOf(user)}/.`, hostile]);
          symlinkSync('/proc/self/fd/3', join(hostile, 'link'));
          const error = expect.stringMatching(/leads into \/(?:proc|dev)/);
          each(await tryAs(user, 'pwd', { room: { root: hostile }, order: { cwd: path } }), { error });
          const mounts = [{ source: join(hostile, 'etc/motd'), target: path, isWritable: false }];
          each(await tryAs(user, 'pwd', { room: { root: hostile, mounts } }), { error });
        }
      },
    );

    it('makes no file of the host where a link of the image leads through /proc', async () => {
      const outside = openTempDir();
      for (const user of USERS) {
        const hostile = openTempDir();
        execFileSync('cp', ['-a', `${rootOf(user)}/.`, hostile]);
        execFileSync('rm', ['-f', join(hostile, 'etc/hosts')]);
        symlinkSync(`/proc/self/root/oldroot${outside}/made`, join(hostile, 'etc/hosts'));
        each(await tryAs(user, 'true', { room: { root: hostile } }), {
          error: expect.stringContaining('/proc'),
        });
      }
      expect(readdirSync(outside)).toEqual([]);
    });

    it('takes no further arguments from variables', async () => {
      const env = { PATH: '/bin', A: 'x\0--bind\0/\0/mnt' };
      for (const user of USERS)
        each(await tryAs(user, 'ls /mnt', { order: { env } }), { error: expect.stringContaining('NUL') });
    });

    it('does not let root change settings of the kernel', async () => {
      const script = 'cd /proc/sys/kernel; cat core_pattern > core_pattern; echo 1 > /proc/sysrq-trigger';
      for (const { driver, output } of isolated(await tryAs('root', script)))
        expect([driver, output.match(/^.*: can't create /gm)?.length]).toEqual([driver, 2]);
    });

    it('tells root nothing of the machine as a whole', async () => {
      const files = ['keys', 'timer_list', 'interrupts', 'kcore'].filter((name) =>
        existsSync(`/proc/${name}`),
      );
      expect(files).toContain('interrupts');
      const script = `cd /proc; for each in ${files.join(' ')}; do head -c 1 $each && echo read; done; ls fs`;
      for (const { driver, output } of isolated(await tryAs('root', script)))
        expect([driver, output.match(/ermission denied/g)?.length, output.includes('read')]).toEqual([
          driver,
          files.length,
          false,
        ]);
    });

    it.each(['root', 'user with a range of ids'] as const)(
      'as %s ends a command that has become another user',
      async (user) => {
        const args = ['/bin/su', 'nobody', '-s', '/bin/sh', '-c', 'exec sleep 1234567'];
        const more = { order: { args, isInit: true }, room: { limits: { seconds: 1 } }, only: 'bubblewrap' };
        const [first] = await tryAs(user, '', more);
        expect(first).toMatchObject({ isOutOfTime: true });
        expect(await processes('1234567')).toEqual([]);
      },
    );
  },
  asRoot,
);

async function processes(word: string): Promise<readonly string[]> {
  const listed = await must('ps', ['-eo', 'args']);
  return listed.split('\n').filter((line) => line.includes(`sleep ${word}`) && !line.includes('sh -c'));
}

/**
 * Opens, in a thread, a path in memory that was allocated after the thread had started; then tries system calls that
 * proot 5.1 does not know, the last by the numbers of 32-bit programs.
 */
const CALLS = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int named[2];
static void *start(void *unused) {
  char *path = NULL;
  if (read(named[0], &path, sizeof path) != sizeof path || open(path, O_RDONLY) < 0) perror("open");
  else puts("opened");
  return unused;
}
int main(int argc, char **argv) {
  pthread_t thread;
  char *path = argv[1];
  if (argc < 2 || pipe(named) || pthread_create(&thread, NULL, start, NULL)) return 1;
  // Below the size from which memory comes from elsewhere than the heap.
  for (int at = 0; at < 64; at++) path = strcpy(malloc(64 * 1024), argv[1]);
  if (write(named[1], &path, sizeof path) != sizeof path || pthread_join(thread, NULL)) return 1;
  static const int calls[] = {322, 332, 425, 428, 435, 437, 439, 452};
  for (unsigned at = 0; at < sizeof calls / sizeof *calls; at++)
    if (syscall(calls[at], 0, 0, 0, 0, 0) != -1 || errno != ENOSYS) return printf("%d: %m\\n", calls[at]), 1;
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(437), "b"(0), "c"(0), "d"(0), "S"(0) : "memory");
  if (result != -ENOSYS) return printf("32-bit openat2: %d\\n", result), 1;
  puts("ENOSYS");
  return 0;
}
`;
