import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pMap from 'p-map';
import { beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, ocislimCommand, packed, root, succeeded } from '../support/cli.ts';
import { startRegistry } from '../support/docker-registry.ts';
import { type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { Random } from '../support/random.ts';
import { onDisk } from '../support/scene.ts';
import { tempDir } from '../support/temp.ts';

// The faults of registry/faults.test.ts that need whole processes.

/** Two hundred are a campaign; some are made each time. */
const KILLS = Number(process.env['OCISLIM_TEST_KILLS'] ?? 10);

let folder: string;
let env: NodeJS.ProcessEnv;
let baseLayer: string;
beforeEach(() => {
  folder = tempDir();
  env = { OCISLIM_HOME: join(tempDir(), 'store'), HOME: tempDir() };
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  const [amd64] = alpineBases();
  if (amd64 === undefined) throw new Error('no base');
  baseLayer = writeBaseLayout(join(folder, 'alpine'), amd64);
});

/** Puts the base into a registry, as `HOST/alpine:3`. */
async function pushBase(host: string): Promise<string> {
  const own = { cwd: folder, env: { ...env, OCISLIM_HOME: tempDir() } };
  await succeeded(['copy', 'oci:alpine', `docker://${host}/alpine:3`], own);
  return `${host}/alpine:3`;
}

const storeOf = (number: number) => join(folder, `store-${number}`);

describe('18: killed at any point', () => {
  /** What the registry has under a tag is whole. */
  function expectWhole(registry: FakeRegistry, repository: string, digest: string) {
    const raw = registry.manifests.get(`${repository}:1`)?.raw ?? Buffer.from('{}');
    expect(sha256(raw)).toBe(digest);
    const { config, layers } = JSON.parse(raw.toString()) as Record<'config', { digest: string }> & {
      layers: { digest: string }[];
    };
    for (const each of [config, ...layers]) {
      const bytes = registry.blobs.get(`${repository}@${each.digest}`);
      expect(bytes && sha256(bytes)).toBe(each.digest);
    }
  }

  it(`${KILLS} times in mid-pack and mid-push, the next run succeeds and uses what was complete`, async () => {
    const registry = await fakeRegistry();
    const base = await pushBase(registry.host);
    const args = (number: number) => [
      'pack',
      './hello',
      '--base',
      base,
      '-t',
      `${registry.host}/kill-${number}:1`,
      '--push',
    ];
    const options = (number: number) => ({ cwd: folder, env: { ...env, OCISLIM_HOME: storeOf(number) } });
    const began = process.hrtime.bigint();
    const { digest } = await packed(args(0), options(0));
    const whole = Number(process.hrtime.bigint() - began) / 1e6;
    const random = new Random(1);
    const states: Record<string, number> = {};

    const killOnce = async (number: number, moment: number) => {
      const { cwd, env: own } = options(number);
      const [command, ...first] = ocislimCommand;
      const child = spawn(command, [...first, ...args(number)], {
        cwd,
        env: { ...process.env, ...own },
        stdio: 'ignore',
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), moment);
      await once(child, 'exit');
      clearTimeout(timer);
      const store = storeOf(number);
      const { blobs, partial, damaged } = onDisk(store);
      expect(damaged).toBe(0);
      const state = `${blobs} blobs${partial.length > 0 ? ' and a part' : ''}`;
      states[state] = (states[state] ?? 0) + 1;
      const complete = blobs === 0 ? [] : readdirSync(join(store, 'blobs/sha256'));
      expect((await packed(args(number), options(number))).digest).toBe(digest);
      expectWhole(registry, `kill-${number}`, digest);
      // Other runs go on at the same time, so that only the store tells what this one has fetched.
      const after = onDisk(store);
      expect(after.partial).toEqual([]);
      for (const hex of complete) expect(readdirSync(join(store, 'blobs/sha256'))).toContain(hex);
      await succeeded(['cache', 'prune'], options(number));
      expect(onDisk(store)).toEqual({ ...after, tmp: [] });
    };
    const moments = Array.from({ length: KILLS }, () => random.next() * whole);
    await pMap(moments, (moment, at) => killOnce(at + 1, moment), { concurrency: 2 });
    // Else they were all killed too early, or too late.
    expect(Object.keys(states).length, JSON.stringify(states)).toBeGreaterThan(1);
  }, 1_200_000);

  it('in mid-download, what was complete is not fetched again and the rest goes on', async () => {
    const registry: FakeRegistry = await fakeRegistry({
      script: ({ method, path, headers }) => {
        if (method !== 'GET' || !path.endsWith(baseLayer) || headers.range !== undefined) return undefined;
        const body = registry.blobs.get(`alpine@${baseLayer}`) ?? Buffer.alloc(0);
        return { body, cutAfter: 500_000, stalls: true };
      },
    });
    const base = await pushBase(registry.host);
    registry.blobs.delete('unrelated');
    const args = ['pack', './hello', '--base', base];
    const [command, ...first] = ocislimCommand;
    const child = spawn(command, [...first, ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
    const part = join(env['OCISLIM_HOME'] ?? '', 'partial', baseLayer.slice('sha256:'.length));
    const sizeOf = () => statSync(part, { throwIfNoEntry: false })?.size ?? 0;
    // It has the beginning, and waits for more.
    while (child.exitCode === null && sizeOf() < 400_000)
      await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const kept = sizeOf();
    const before = registry.seen.length;
    await packed(args, { cwd: folder, env });
    const fetched = registry.seen.slice(before).filter(({ path }) => path.includes('/blobs/'));
    expect(fetched.map(({ headers }) => headers.range)).toEqual([`bytes=${kept}-`]);
  });
});

describeWithPeers('20: eight processes at once', ['docker-registry'], () => {
  it('on a cold store fetch each blob once', async () => {
    const registry = await startRegistry();
    try {
      const base = await pushBase(registry.host);
      const before = registry.requests().length;
      const results = await Promise.all(
        Array.from({ length: 8 }, () =>
          packed(['pack', './hello', '--base', base, '-o', 'hello.tar'], { cwd: folder, env }),
        ),
      );
      expect(new Set(results.map(({ digest }) => digest)).size).toBe(1);
      const fetched = registry
        .requests()
        .slice(before)
        .filter(({ method, path }) => method === 'GET' && path.includes('/blobs/'))
        .map(({ path }) => path);
      // The config and the layer.
      expect(fetched).toHaveLength(2);
      expect(new Set(fetched).size).toBe(2);
      expect(onDisk(env['OCISLIM_HOME'] ?? '')).toMatchObject({ partial: [], damaged: 0, tmp: [] });
    } finally {
      await registry.stop();
    }
  });
});

it('20: a flipped bit in a cached blob is found, and the blob fetched again', async () => {
  const registry = await fakeRegistry();
  const base = await pushBase(registry.host);
  const pack = () =>
    ocislim(['pack', './hello', '--base', base, '-o', 'hello.tar', '--json'], { cwd: folder, env });
  const first = await pack();
  const path = join(env['OCISLIM_HOME'] ?? '', 'blobs/sha256', baseLayer.slice('sha256:'.length));
  const bytes = readFileSync(path);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  const second = await pack();
  expect(second).toMatchObject({ code: 0, stdout: first.stdout });
  expect(second.stderr).toMatch(/warning: [0-9a-f]{12} was damaged in the store .* and is fetched again/);
  expect(sha256(readFileSync(path))).toBe(baseLayer);
  const reads = registry.lines().filter((line) => line.startsWith('GET') && line.endsWith(baseLayer));
  expect(reads).toHaveLength(2);
});

describeWithPeers(
  '19: a disk',
  [],
  () => {
    it('that is full in mid-download keeps the store in order, and the next run succeeds', async () => {
      const registry = await fakeRegistry();
      const base = await pushBase(registry.host);
      const full = join(folder, 'full');
      mkdirSync(full);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', full]);
      try {
        const run = () =>
          ocislim(['pack', './hello', '--base', base, '-o', 'hello.tar'], {
            cwd: folder,
            env: { ...env, OCISLIM_HOME: full },
          });
        const failed = await run();
        expect(failed.code).toBe(1);
        const { size } = statSync(join(folder, 'alpine/blobs/sha256', baseLayer.slice('sha256:'.length)));
        expect(failed.stderr).toContain(`${full}/partial: no space left to write ${size} bytes`);
        expect(onDisk(full)).toMatchObject({ partial: [], damaged: 0, tmp: [] });
        const reads = () =>
          registry.lines().filter((line) => line.startsWith('GET') && line.endsWith(baseLayer));
        expect(reads()).toHaveLength(1);
        execFileSync('mount', ['-o', 'remount,size=100m', full]);
        expect(await run()).toMatchObject({ code: 0 });
        expect(reads()).toHaveLength(2);
      } finally {
        execFileSync('umount', [full]);
      }
    });

    it('that is read-only can be read from, and says that it cannot be written', async () => {
      const registry = await fakeRegistry();
      const base = await pushBase(registry.host);
      const store = join(folder, 'read-only');
      mkdirSync(store);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100m', 'tmpfs', store]);
      const own = { cwd: folder, env: { ...env, OCISLIM_HOME: store } };
      try {
        await packed(['pack', './hello', '--base', base, '-t', 'kept:1'], own);
        execFileSync('mount', ['-o', 'remount,ro', store]);
        expect(await succeeded(['images'], own)).toContain('kept');
        expect(await succeeded(['inspect', 'store:kept:1'], own)).toContain('linux/amd64');
        await succeeded(['copy', 'store:kept:1', 'oci:out.oci'], own);
        await succeeded(['push', 'kept:1', `${registry.host}/kept:1`], own);
        expect(await succeeded(['inspect', base], own)).toContain('linux/amd64');
        expect(await succeeded(['cache', 'du'], own)).toContain('images');
        for (const args of [
          ['pack', './hello', '--base', 'scratch'],
          ['tag', 'kept:1', 'other:1'],
          ['rmi', 'kept:1'],
          ['pull', base],
        ]) {
          const ran = await ocislim(args, own);
          expect(ran).toMatchObject({ code: 1 });
          expect(ran.stderr).toMatch(/^ocislim: .*read-only.*cannot be written \(EROFS\)\nhint: /m);
        }
      } finally {
        execFileSync('umount', [store]);
      }
    });
  },
  asRoot,
);

describe('a canary', () => {
  it('password appears nowhere but in requests to its registry', async () => {
    const secret = 'canary-4f1d7a2c';
    const encoded = Buffer.from(`me:${secret}`).toString('base64');
    const commandLines: string[] = [];
    const registry = await fakeRegistry({
      auth: { kind: 'token', username: 'me', password: secret },
      script: () => {
        for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
          try {
            commandLines.push(readFileSync(join('/proc', id, 'cmdline'), 'latin1'));
          } catch {
            // It has ended meanwhile.
          }
        }
        return undefined;
      },
    });
    const options = { cwd: folder, env };
    const ran = [
      await ocislim(['login', registry.host, '-u', 'me', '--password-stdin', '-v'], {
        ...options,
        input: secret,
      }),
    ];
    const tag = `${registry.host}/me/hello:1`;
    ran.push(await ocislim(['copy', 'oci:alpine', `docker://${registry.host}/alpine:3`, '-v'], options));
    ran.push(
      await ocislim(
        [
          'pack',
          './hello',
          '--base',
          `${registry.host}/alpine:3`,
          '-t',
          tag,
          '--push',
          '-o',
          'oci:out',
          '-v',
          '--metadata-file',
          'meta.json',
        ],
        options,
      ),
    );
    expect(ran.map(({ code }) => code)).toEqual([0, 0, 0]);
    ran.push(await ocislim(['pull', `${registry.host}/none:1`, '-v'], options));
    ran.push(await ocislim(['pull', `http://me:${secret}@${registry.host}/none:1`, '-v'], options));
    expect(ran.slice(3).every(({ code }) => code !== 0)).toBe(true);
    const config = join(env['HOME'] ?? '', '.docker/config.json');
    expect(readFileSync(config, 'utf8')).toContain(encoded);
    for (const { stdout, stderr } of ran)
      expect(stdout + stderr).not.toMatch(new RegExp(`${secret}|${encoded}`));
    for (const place of [env['OCISLIM_HOME'] ?? '', folder]) {
      for (const text of [secret, encoded]) {
        const found = await must('sh', ['-c', 'grep -rlF -- "$1" "$2" || true', 'sh', text, place]);
        expect(found).toBe('');
      }
    }
    // But for the one that was given it there by its user.
    const others = commandLines.filter((line) => !line.includes('none:1'));
    expect(others.length).toBeGreaterThan(10);
    expect(others.filter((line) => line.includes(secret) || line.includes(encoded))).toEqual([]);
  });
});
