import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { must, ocislim, type Ran, root } from '../support/cli.ts';
import { HTPASSWD, startRegistry } from '../support/docker-registry.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { httpServer } from '../support/http-server.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { freePort } from '../support/processes.ts';
import { proxyTo } from '../support/proxy.ts';
import { tempDir } from '../support/temp.ts';

let folder: string;
let store: string;
let env: NodeJS.ProcessEnv;

beforeEach(() => {
  folder = tempDir();
  store = join(tempDir(), 'store');
  env = { OCISLIM_HOME: store, HOME: tempDir() };
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
});

const pack = (...args: string[]) => ocislim(['pack', ...args], { cwd: folder, env });

/** One clear line and a hint at most on standard error, nothing on standard output, nothing left behind. */
function expectFailure(
  ran: Ran,
  code: number,
  line: RegExp | string,
  left: readonly string[] = ['hello'],
): void {
  expect(ran.stdout).toBe('');
  const lines = ran.stderr
    .trim()
    .split('\n')
    .filter((each) => !/^[0-9a-f]{12} {2}|^layer |^linux\//.test(each));
  expect(lines[0]).toMatch(line);
  expect(lines[0]).toMatch(/^ocislim: /);
  expect(lines.slice(1).every((each) => each.startsWith('hint: '))).toBe(true);
  expect(ran.code).toBe(code);
  expect(readdirSync(folder).sort()).toEqual([...left].sort());
  const temporary = join(store, 'tmp');
  expect(existsSync(temporary) ? readdirSync(temporary) : []).toEqual([]);
}

describe('bad input', () => {
  it('a file that is not there', async () => {
    expectFailure(await pack('./missing'), 2, /\.\/missing: no such file/);
  });

  it('an empty file', async () => {
    writeFileSync(join(folder, 'empty'), '');
    expectFailure(await pack('./empty'), 2, /\.\/empty: the file is empty/, ['hello', 'empty']);
  });

  it('a folder with nothing known in it', async () => {
    mkdirSync(join(folder, 'src'));
    expectFailure(await pack('./src'), 2, /\.\/src: a folder with nothing in it that ocislim knows/, [
      'hello',
      'src',
    ]);
  });

  it('a FIFO', async () => {
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    expectFailure(await pack('./fifo'), 2, /\.\/fifo: a FIFO, not a file/, ['hello', 'fifo']);
  });

  it('text, a macOS and a Windows program', async () => {
    writeFileSync(join(folder, 'a.txt'), 'just text');
    expectFailure(await pack('a.txt'), 6, /\/usr\/local\/bin\/a\.txt is not a program that Linux starts/, [
      'hello',
      'a.txt',
    ]);
    writeFileSync(join(folder, 'a.txt'), Buffer.from('cffaedfe0700000103000000', 'hex'));
    expectFailure(await pack('a.txt'), 6, /a macOS program/, ['hello', 'a.txt']);
    const windows = Buffer.alloc(0x80);
    windows.write('MZ');
    windows.writeUInt32LE(0x40, 0x3c);
    windows.write('PE', 0x40);
    writeFileSync(join(folder, 'a.txt'), windows);
    expectFailure(await pack('a.txt'), 6, /a Windows program/, ['hello', 'a.txt']);
  });

  it('an unknown option, with the one that was meant', async () => {
    const ran = await pack('./hello', '--platfrom', 'linux/amd64');
    expectFailure(ran, 2, /unknown option '--platfrom'/);
    expect(ran.stderr).toContain('--platform');
  });

  it('an unknown command, and none of what a command needs', async () => {
    expectFailure(await ocislim(['pakc', './hello'], { cwd: folder, env }), 2, /unknown command 'pakc'/);
    expectFailure(await ocislim(['pack'], { cwd: folder, env }), 2, /pack what\?/);
  });

  it('a malformed reference', async () => {
    expectFailure(
      await pack('./hello', '-t', 'Me/Hello'),
      2,
      /not an image reference: "Me\/Hello": .*lower case/,
    );
    expectFailure(await pack('./hello', '--base', 'alpine:'), 2, /not an image reference: "alpine:"/);
  });

  it('a push that has no name', async () => {
    expectFailure(await pack('./hello', '--push'), 2, /--push needs to know where/);
  });

  it('a program for another platform than asked for', async () => {
    expectFailure(
      await pack('./hello', '--platform', 'linux/arm64'),
      6,
      /is a program for linux\/amd64, not for linux\/arm64/,
    );
  });

  it('a registry that cannot be reached', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    expectFailure(await pack('./hello', '--base', `${host}/alpine`), 4, /: connection refused/);
  });

  it('a registry whose name nobody knows', async () => {
    expectFailure(
      await pack('./hello', '--base', 'registry.invalid/alpine'),
      4,
      /base registry\.invalid\/alpine: registry\.invalid: /,
    );
  });

  it('an output that exists and is no layout', async () => {
    mkdirSync(join(folder, 'hello.oci'));
    writeFileSync(join(folder, 'hello.oci/mine'), 'x');
    expectFailure(await pack('./hello'), 1, /hello\.oci: there is a folder that is not an OCI layout/, [
      'hello',
      'hello.oci',
    ]);
    expect(readdirSync(join(folder, 'hello.oci'))).toEqual(['mine']);
  });

  it('an output nobody knows', async () => {
    expectFailure(await pack('./hello', '-o', 'tarball:x'), 2, /-o tarball:x: no place that ocislim knows/);
  });

  it('a store that cannot be written', async () => {
    const blocked = join(folder, 'blocked');
    writeFileSync(blocked, 'a file where the store should be');
    store = join(blocked, 'store');
    env = { ...env, OCISLIM_HOME: store };
    expectFailure(await pack('./hello'), 1, /blocked.*in each other's way/, ['hello', 'blocked']);
  });

  it('with --json: one object with the code, and the same exit code', async () => {
    const ran = await pack('./missing', '--json');
    expect(ran).toMatchObject({ code: 2, stderr: '' });
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'OCISLIM_INPUT_NOT_FOUND' }, check: [] });
  });

  it('-v: says where the error comes from', async () => {
    expect((await pack('./missing', '-v')).stderr).toMatch(/\n\s+at /);
  });
});

describe('bad registries', () => {
  it('HTTP where HTTPS was expected', async () => {
    const server = await httpServer(() => ({ body: '{}' }));
    // Plain HTTP is tried on loopback, so the registry needs another name, which a proxy gives it.
    const proxy = await proxyTo(server.host);
    env = { ...env, https_proxy: proxy.url };
    const ran = await pack('./hello', '--base', 'registry.example/alpine');
    expectFailure(
      ran,
      4,
      /^ocislim: base registry\.example\/alpine: registry\.example: speaks plain HTTP where HTTPS/,
    );
    expect(ran.stderr).toContain('hint: if that is intended, allow it with --insecure registry.example');
  });

  it('an unknown tag', async () => {
    const { host } = await fakeRegistry();
    const ran = await pack('./hello', '--base', `${host}/alpine:nope`);
    expectFailure(ran, 4, /base .*alpine:nope: .*alpine.*nope/);
  });
});

describeWithPeers('no permission', ['docker-registry'], () => {
  it('says which credentials were used, from where, and for what', async () => {
    const htpasswd = join(tempDir(), 'htpasswd');
    writeFileSync(htpasswd, HTPASSWD);
    const registry = await startRegistry({ htpasswd });
    try {
      const push = () => pack('./hello', '-t', `${registry.host}/me/hello:1`, '--push', '-o', 'hello.tar');
      const anonymous = await push();
      expect(anonymous.code).toBe(5);
      expect(anonymous.stderr).toMatch(/ocislim: .*me\/hello.*not authori[sz]ed/);
      expect(anonymous.stderr).toMatch(/no credentials/);
      const login = ['login', registry.host, '-u', 'me', '--password-stdin'];
      const wrong = await ocislim(login, { env, input: 'wrong\n' });
      expect(wrong.code).toBe(5);
      const right = await ocislim(login, { env, input: 'right\n' });
      expect(right).toMatchObject({ code: 0 });
      expect((await push()).code).toBe(0);
      const config = join(env['HOME'] ?? '', '.docker/config.json');
      await must('sed', ['-i', 's/"auth": *"[^"]*"/"auth":"bWU6d3Jvbmc="/', config]);
      const refused = await pack('./hello', '-t', `${registry.host}/me/other:1`, '--push');
      expect(refused.code).toBe(5);
      expect(refused.stderr).toContain(config);
      expect(refused.stderr).toMatch(/\bme\b/);
      expect(refused.stderr).not.toMatch(/wrong|bWU6d3Jvbmc/);
      expect(await ocislim(['logout', registry.host], { env })).toMatchObject({ code: 0 });
    } finally {
      await registry.stop();
    }
  });
});

describeWithPeers(
  'a full disk',
  [],
  () => {
    it.each(['the output', 'the store'])('%s', async (where) => {
      const full = join(folder, 'full');
      mkdirSync(full);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', full]);
      try {
        const ran =
          where === 'the output'
            ? await pack('./hello', '-o', 'docker-archive:full/hello.tar')
            : await ocislim(['pack', './hello'], { cwd: folder, env: { ...env, OCISLIM_HOME: full } });
        expectFailure(ran, 1, /full.*: no space left to write \d+ bytes/, ['hello', 'full']);
        const left = execFileSync('find', [full, '-type', 'f', '-size', '+4k']).toString();
        expect(left).toBe('');
      } finally {
        execFileSync('umount', [full]);
      }
    });
  },
  asRoot,
);

describeWithPeers(
  'an ordinary user',
  [],
  () => {
    it('is told when the store or the output may not be written', async () => {
      chmodSync(folder, 0o755);
      const closed = join(folder, 'closed');
      mkdirSync(closed, { mode: 0o755 });
      const other = { cwd: folder, uid: 65_534, gid: 65_534 };
      const noStore = await ocislim(['pack', './hello'], {
        ...other,
        env: { ...env, OCISLIM_HOME: join(closed, 'store') },
      });
      expectFailure(noStore, 1, /closed.*cannot be written \(EACCES\)/, ['hello', 'closed']);
      const mine = tempDir();
      chmodSync(mine, 0o777);
      const noOutput = await ocislim(['pack', './hello'], {
        ...other,
        env: { ...env, OCISLIM_HOME: join(mine, 'store') },
      });
      expectFailure(noOutput, 1, /hello\.oci: cannot be written \(EACCES\)/, ['hello', 'closed']);
    });
  },
  asRoot,
);
