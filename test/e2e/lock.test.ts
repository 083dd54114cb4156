import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import type { Image } from '../../src/image/model.ts';
import { ocislim, packed, root, succeeded } from '../support/cli.ts';
import { file } from '../support/entries.ts';
import { type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { imageOf } from '../support/images.ts';
import { putArtifact } from '../support/scene.ts';
import { tempDir } from '../support/temp.ts';

let registry: FakeRegistry;
let folder: string;
let env: NodeJS.ProcessEnv;
let base: string;
let old: Image;
let fresh: Image;
beforeEach(async () => {
  registry = await fakeRegistry();
  folder = tempDir();
  env = { OCISLIM_HOME: join(tempDir(), 'store'), HOME: tempDir() };
  base = `${registry.host}/base:1`;
  [old, fresh] = [
    await imageOf({ layers: [[file('etc/base', 'old')]] }),
    await imageOf({ layers: [[file('etc/base', 'new')]] }),
  ];
  await putArtifact(registry, 'base', '1', old);
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  writeFileSync(join(folder, 'ocislim.toml'), `base = "${base}"\nlocked = true\n`);
});

const here = () => ({ cwd: folder, env });

it('locks, packs on what is locked, tells what is outdated, and updates', async () => {
  const refused = await ocislim(['pack', './hello', '--json'], here());
  expect(refused.code).toBe(2);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    error: { code: 'OCISLIM_LOCK_MISSING', hint: expect.stringContaining(`ocislim lock ${base}`) },
  });
  expect(await succeeded(['lock'], here())).toBe(`${base}@${old.descriptor.digest}\n`);
  const lock = readFileSync(join(folder, 'ocislim.lock'), 'utf8');
  expect(lock).toMatch(/^# [^\n]+\nversion = 1\n\n\[images\]\n"[^"]+" = "sha256:[0-9a-f]{64}"\n$/);
  expect((await packed(['pack', './hello'], here())).base.digest).toBe(old.descriptor.digest);
  expect((await ocislim(['outdated'], here())).code).toBe(0);

  await putArtifact(registry, 'base', '1', fresh);
  const still = await packed(['pack', './hello'], here());
  expect(still.base).toEqual({ name: base, digest: old.descriptor.digest });
  expect(readFileSync(join(folder, 'ocislim.lock'), 'utf8')).toBe(lock);
  expect((await ocislim(['check', './hello'], here())).code).toBe(0);

  const moved = await ocislim(['outdated'], here());
  expect(moved.code).toBe(1);
  const [pinned, current] = [old, fresh].map(({ descriptor }) => descriptor.digest.slice(7, 19));
  expect(moved.stdout.split('\n').map((line) => line.split(/ {3,}/))).toEqual([
    ['NAME', 'PINNED', 'CURRENT', 'STATUS'],
    [base, pinned, current, 'outdated'],
    [''],
  ]);
  expect(await ocislim(['outdated', '-q'], here())).toMatchObject({ code: 1, stdout: `${base}\n` });
  const row = { name: base, pinned: old.descriptor.digest, current: fresh.descriptor.digest };
  const json = await ocislim(['outdated', '--json'], here());
  expect(JSON.parse(json.stdout)).toEqual({ images: [{ ...row, status: 'outdated' }] });
  const image = await ocislim(['outdated', 'hello.oci', '--json'], here());
  expect(image.code).toBe(1);
  expect(JSON.parse(image.stdout)).toEqual({ images: [{ image: 'hello.oci', ...row, status: 'outdated' }] });

  const updated = JSON.parse(await succeeded(['lock', '--update', '--json'], here()));
  expect(updated).toEqual({
    file: 'ocislim.lock',
    images: [
      {
        name: base,
        digest: fresh.descriptor.digest,
        status: 'updated',
        previous: old.descriptor.digest,
      },
    ],
  });
  expect((await packed(['pack', './hello'], here())).base.digest).toBe(fresh.descriptor.digest);
});

it('exits with the code of a registry that does not say, whatever else has moved', async () => {
  await succeeded(['lock', base], here());
  const file = join(folder, 'ocislim.lock');
  writeFileSync(
    file,
    readFileSync(file, 'utf8') + readFileSync(file, 'utf8').split('\n')[4]?.replace('base:1', 'gone:1'),
  );
  await putArtifact(registry, 'base', '1', fresh);
  const ran = await ocislim(['outdated'], here());
  expect(ran).toMatchObject({ code: 4, stderr: expect.stringContaining('gone:1: no such tag') });
  expect(ran.stdout).toContain('outdated');
  expect(ran.stdout).toContain('unknown');
});

it('has its lock beside ocislim.toml, and reads it from folders below', async () => {
  const deep = join(folder, 'deep');
  mkdirSync(deep);
  const below = { cwd: deep, env };
  expect(JSON.parse(await succeeded(['lock', '--json'], below))).toMatchObject({ file: '../ocislim.lock' });
  expect(existsSync(join(deep, 'ocislim.lock'))).toBe(false);
  expect((await packed(['pack', '../hello', '-o', 'oci:x'], below)).base.digest).toBe(old.descriptor.digest);
});

it('refuses a damaged lock where it counts, and only there', async () => {
  writeFileSync(join(folder, 'ocislim.lock'), `version = 1\n[images]\n"${base}" = "latest"\n`);
  for (const args of [['pack', './hello'], ['check', './hello'], ['lock'], ['outdated']])
    expect([args, await ocislim(args, here())]).toMatchObject([
      args,
      { code: 2, stderr: expect.stringContaining(`ocislim.lock: images: "${base}": is not set to a digest`) },
    ]);
  expect((await ocislim(['images'], here())).code).toBe(0);
});

it('asks what to lock where nothing says', async () => {
  const ran = await ocislim(['lock'], { cwd: tempDir(), env });
  expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining('lock what?') });
});

it('rebases an image on what its base has become, after which it is fresh', async () => {
  await packed(['pack', './hello', '--check', 'off', '-t', 'app:1'], { cwd: tempDirWithHello(), env });
  await putArtifact(registry, 'base', '1', fresh);
  expect((await ocislim(['outdated', 'app:1'], { cwd: tempDir(), env })).code).toBe(1);
  const elsewhere = { cwd: tempDirWithHello(), env };
  const rebased = await packed(['rebase', 'app:1', '-t', 'app:1'], elsewhere);
  const anew = await packed(['pack', './hello', '--base', base, '-t', 'anew:1'], elsewhere);
  expect(rebased.digest).toBe(anew.digest);
  expect((await ocislim(['outdated', 'app:1'], elsewhere)).code).toBe(0);
});

/** Where no lock and no project say anything; the base is the one of the options. */
function tempDirWithHello(): string {
  const elsewhere = tempDir();
  copyFileSync(join(root, 'testdata/hello'), join(elsewhere, 'hello'));
  writeFileSync(join(elsewhere, 'ocislim.toml'), `base = "${base}"\n`);
  return elsewhere;
}
