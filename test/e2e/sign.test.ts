import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { must, ocislim, packed, root, succeeded } from '../support/cli.ts';
import { cosign, describeWithCosign, offlineSigning } from '../support/cosign.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

let registry: DockerRegistry;
let folder: string;
let env: NodeJS.ProcessEnv;

async function start(): Promise<void> {
  registry = await startRegistry();
  folder = tempDir();
  env = { OCISLIM_HOME: join(tempDir(), 'store'), HOME: tempDir(), COSIGN_PASSWORD: 'pass' };
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  for (const name of ['mine', 'other'])
    await succeeded(['keygen', '--output-key-prefix', name], { cwd: folder, env });
}

const here = () => ({ cwd: folder, env });
const pushed = (name: string, ...more: readonly string[]) =>
  packed(['pack', './hello', '-t', `${registry.host}/${name}`, '--push', ...more], here());
const verify = (name: string, key: string) =>
  ocislim(['verify', '--key', key, `${registry.host}/${name}`, '--json'], here());

describeWithPeers('signing', ['docker-registry'], () => {
  beforeAll(start);
  afterAll(() => registry.stop());

  it('goes with pack, push and by itself, and is verified', async () => {
    await pushed('me/packed:1', '--sign', 'mine.key');
    await pushed('me/later:1');
    await succeeded(['sign', '--key', 'mine.key', `${registry.host}/me/later:1`], here());
    await succeeded(
      ['push', `${registry.host}/me/later:1`, `${registry.host}/me/pushed:1`, '--sign', 'mine.key'],
      here(),
    );
    for (const name of ['me/packed:1', 'me/later:1', 'me/pushed:1']) {
      const ran = await verify(name, 'mine.pub');
      expect(JSON.parse(ran.stdout)).toMatchObject({
        signatures: [
          { format: 'bundle', key: 'mine.pub' },
          { format: 'tag', key: 'mine.pub', repository: `${registry.host}/${name.split(':')[0]}` },
        ],
      });
      expect(await verify(name, 'other.pub')).toMatchObject({ code: 6 });
    }
  });

  it('asks for a place before it packs, and for the right password', async () => {
    const archive = ['pack', './hello', '-o', 'hello.tar', '--sign', 'mine.key'];
    expect(await ocislim(archive, here())).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('none of the outputs has a place for signatures'),
    });
    const wrong = { cwd: folder, env: { ...env, COSIGN_PASSWORD: 'wrong' } };
    const signed = ['pack', './hello', '-o', 'oci:signed', '--sign', 'mine.key'];
    expect(await ocislim(signed, wrong)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('mine.key: the password does not open it'),
    });
    await succeeded(signed, here());
    await succeeded(['verify', '--key', 'mine.pub', 'oci:signed'], here());
  });

  it('is refused for an image with one byte of its layer changed in the layout', async () => {
    const { platforms } = await packed(['pack', './hello', '-o', 'oci:bad', '--sign', 'mine.key'], here());
    const [hex] = platforms.flatMap(({ layers }) => layers.slice(-1)).map(({ digest }) => digest.slice(7));
    const path = join(folder, 'bad/blobs/sha256', hex ?? '');
    const bytes = readFileSync(path);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await must('chmod', ['u+w', path]);
    writeFileSync(path, bytes);
    const ran = await ocislim(['verify', '--key', 'mine.pub', 'oci:bad', '--json'], here());
    expect(ran.code).toBe(6);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      error: { code: 'OCISLIM_VERIFY_FAILED' },
      check: [{ rule: 'claim-wrong', level: 'error' }, {}],
    });
  });

  it('does not overwrite a key', async () => {
    const before = readFileSync(join(folder, 'mine.key'));
    expect(await ocislim(['keygen', '--output-key-prefix', 'mine'], here())).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('a key that is overwritten is lost'),
    });
    expect(readFileSync(join(folder, 'mine.key'))).toEqual(before);
  });
});

describeWithCosign('signing, with cosign', () => {
  beforeAll(start);
  afterAll(() => registry.stop());

  const theirs = (name: string, key: string) =>
    cosign(['verify', '--key', key, '--insecure-ignore-tlog=true', `${registry.host}/${name}`], folder);

  it.each(['bundle', 'tag', 'both'])('cosign accepts what ocislim signs: %s', async (format) => {
    const { digest } = await pushed(`me/${format}:1`);
    await succeeded(
      ['sign', '--key', 'mine.key', '--format', format, `${registry.host}/me/${format}:1`],
      here(),
    );
    const ran = await theirs(`me/${format}:1`, 'mine.pub');
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain(digest);
    expect((await theirs(`me/${format}:1`, 'other.pub')).code).not.toBe(0);
  });

  it('ocislim accepts what cosign signs with a key of ocislim', async () => {
    await pushed('me/theirs:1');
    const image = `${registry.host}/me/theirs:1`;
    const signed = await cosign(
      ['sign', '--yes', '--key', 'mine.key', ...offlineSigning(folder), image],
      folder,
      'pass',
    );
    expect(signed).toMatchObject({ code: 0 });
    expect(JSON.parse((await verify('me/theirs:1', 'mine.pub')).stdout)).toMatchObject({
      signatures: [{ format: 'bundle', key: 'mine.pub' }],
    });
    expect(await verify('me/theirs:1', 'other.pub')).toMatchObject({ code: 6 });
  });

  it('ocislim signs with a key of cosign', async () => {
    expect(await cosign(['generate-key-pair', '--output-key-prefix', 'co'], folder, 'pass')).toMatchObject({
      code: 0,
    });
    await pushed('me/key:1', '--sign', 'co.key');
    expect(await theirs('me/key:1', 'co.pub')).toMatchObject({ code: 0 });
    expect(await verify('me/key:1', 'co.pub')).toMatchObject({ code: 0 });
  });

  it.each([
    ['Ed25519', ['genpkey', '-algorithm', 'ed25519']],
    ['ECDSA on P-384', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['RSA', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
  ])('cosign accepts what is signed with a plain key of %s', async (_, make) => {
    await must('openssl', [...make, '-out', 'plain.key'], { cwd: folder });
    await must('openssl', ['pkey', '-in', 'plain.key', '-pubout', '-out', 'plain.pub'], { cwd: folder });
    const name = `me/plain-${make
      .at(-1)
      ?.toLowerCase()
      .replace(/[^a-z0-9]/g, '')}:1`;
    await pushed(name, '--sign', 'plain.key');
    expect(await theirs(name, 'plain.pub')).toMatchObject({ code: 0 });
  });
});
