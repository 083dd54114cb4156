import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { must, ocislim, ocislimCommand, packed, root, succeeded } from '../support/cli.ts';
import { cosign, describeWithCosign, offlineSigning } from '../support/cosign.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { describeWithPeers } from '../support/peers.ts';
import { startProcess } from '../support/processes.ts';
import { tempDir } from '../support/temp.ts';

let source: DockerRegistry;
let mirror: DockerRegistry;
let folder: string;
let env: NodeJS.ProcessEnv;

async function start(): Promise<void> {
  source = await startRegistry();
  mirror = await startRegistry();
  folder = tempDir();
  env = { OCISLIM_HOME: join(tempDir(), 'store'), HOME: tempDir(), COSIGN_PASSWORD: 'pass' };
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  await succeeded(['keygen'], here());
}

async function stop(): Promise<void> {
  await source.stop();
  await mirror.stop();
}

const here = () => ({ cwd: folder, env });
/** Another machine, whose store has nothing. */
const elsewhere = () => ({ cwd: folder, env: { ...env, OCISLIM_HOME: join(tempDir(), 'store') } });
const DOCUMENTS = ['--sbom', 'spdx', '--provenance', '--sign', 'cosign.key'];

interface Copied {
  readonly digest: string;
  readonly attached: readonly {
    readonly artifactType: string;
    readonly digest: string;
    readonly subject: string;
  }[];
}

async function copied(from: string, to: string): Promise<Copied> {
  return JSON.parse(await succeeded(['copy', '--referrers', from, to, '--json'], elsewhere()));
}

async function signatures(image: string): Promise<readonly string[]> {
  const told = JSON.parse(await succeeded(['verify', '--key', 'cosign.pub', image, '--json'], elsewhere()));
  return told.signatures.map(({ format }: { readonly format: string }) => format);
}

/** A manifest as a registry gives it, recomputed from its bytes. */
async function manifest(registry: DockerRegistry, repository: string, name: string) {
  const accept = ['index', 'manifest'].map((kind) => `application/vnd.oci.image.${kind}.v1+json`).join(', ');
  const answer = await fetch(`http://${registry.host}/v2/${repository}/manifests/${name}`, {
    headers: { accept },
  });
  const raw = Buffer.from(await answer.arrayBuffer());
  return { status: answer.status, digest: sha256(raw), document: JSON.parse(raw.toString()) };
}

const typesOf = ({ attached }: Copied) => attached.map(({ artifactType }) => artifactType).sort();
const TYPES = [
  'application/spdx+json',
  'application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/vnd.in-toto+json',
];

describeWithPeers('copy --referrers', ['docker-registry', 'skopeo', 'umoci'], () => {
  beforeAll(start);
  afterAll(stop);

  it('gives a mirror that verifies, with its SBOM and provenance, and sends nothing the second time', async () => {
    const from = `${source.host}/me/app:1`;
    const to = `${mirror.host}/mirrored/app:1`;
    const { digest } = await packed(['pack', './hello', '-t', from, '--push', ...DOCUMENTS], here());
    const made = await copied(from, to);
    expect(made.digest).toBe(digest);
    expect(typesOf(made)).toEqual(TYPES);
    expect(await signatures(to)).toEqual(['bundle', 'tag']);
    // The list that the registry itself does not keep (distribution-spec § Referrers Tag Schema).
    const list = await manifest(mirror, 'mirrored/app', digest.replace(':', '-'));
    const listed = list.document.manifests.map((each: { readonly digest: string }) => each.digest);
    expect(listed.sort()).toEqual(made.attached.map((each) => each.digest).sort());
    for (const each of made.attached) {
      const there = await manifest(mirror, 'mirrored/app', each.digest);
      expect(there.digest).toBe(each.digest);
      expect(there.document.subject.digest).toBe(digest);
    }
    const before = mirror.requests().length;
    await copied(from, to);
    const sent = mirror.requests().slice(before);
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.filter(({ method }) => !['GET', 'HEAD'].includes(method))).toEqual([]);
  });

  it('goes over a folder and an archive, which others read', async () => {
    const from = `${source.host}/me/carried:1`;
    const to = `${mirror.host}/me/carried:1`;
    const { digest } = await packed(['pack', './hello', '-t', from, '--push', ...DOCUMENTS], here());
    expect(typesOf(await copied(from, 'oci:carried'))).toEqual(TYPES);
    expect(await signatures('oci:carried')).toEqual(['bundle', 'tag']);
    await copied('oci:carried', 'oci-archive:carried.tar');
    expect(await signatures('oci-archive:carried.tar')).toEqual(['bundle', 'tag']);
    expect((await copied('oci-archive:carried.tar', to)).digest).toBe(digest);
    expect(await signatures(to)).toEqual(['bundle', 'tag']);
    const seen = await must('skopeo', ['inspect', `oci:${join(folder, 'carried')}:1`]);
    expect(JSON.parse(seen).Digest).toBe(digest);
    const listed = await must('umoci', ['list', '--layout', join(folder, 'carried')]);
    expect(listed.split('\n')).toContain('1');
  });

  it('goes by the store', async () => {
    const from = `${source.host}/me/stored:1`;
    const to = `${mirror.host}/me/stored:1`;
    await packed(['pack', './hello', '-t', from, '--push', ...DOCUMENTS], here());
    const machine = elsewhere();
    await succeeded(['pull', '--referrers', from], machine);
    await succeeded(['push', '--referrers', from, to], machine);
    expect(await signatures(to)).toEqual(['bundle', 'tag']);
  });

  it.each([
    ['the store', []],
    ['a layout', ['LAYOUT']],
  ])('takes what the referrers API of a registry lists, which serves %s', async (_, place) => {
    const from = `${source.host}/me/served:1`;
    await packed(['pack', './hello', '-t', from, '--push', ...DOCUMENTS], here());
    const machine = elsewhere();
    await succeeded(['pull', '--referrers', from], machine);
    await succeeded(['copy', '--referrers', from, 'oci:served'], machine);
    const [command, ...words] = ocislimCommand;
    const sources = place.map(() => `oci:${join(folder, 'served')}`);
    const args = [...words, 'serve', ...sources, '--port', '0'];
    const server = await startProcess(command, args, (out) => out.includes('Ctrl-C'), machine);
    try {
      const host = /^127\.0\.0\.1:\d+$/m.exec(server.output())?.[0] ?? '';
      const to = `${mirror.host}/me/served:1`;
      expect(typesOf(await copied(`${host}/me/served:1`, to))).toEqual(TYPES);
      expect(await signatures(to)).toEqual(['bundle', 'tag']);
      expect(server.output()).not.toContain('sha256-');
    } finally {
      await server.stop();
    }
  });

  it('refuses a document whose bytes were changed, and leaves nothing', async () => {
    await packed(['pack', './hello', '-t', 'me/bad:1', '-o', 'oci:bad', '--sbom', 'spdx'], here());
    const { manifests } = JSON.parse(readFileSync(join(folder, 'bad/index.json'), 'utf8'));
    const [sbom] = manifests.filter(({ artifactType }: { readonly artifactType?: string }) => artifactType);
    const path = join(folder, 'bad/blobs/sha256', sbom.digest.slice(7));
    const bytes = readFileSync(path);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await must('chmod', ['u+w', path]);
    writeFileSync(path, bytes);
    const before = readdirSync(folder);
    for (const to of ['oci:worse', `${mirror.host}/me/bad:1`]) {
      const ran = await ocislim(['copy', '--referrers', 'oci:bad', to], elsewhere());
      expect(ran).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(sbom.digest) });
    }
    expect(readdirSync(folder)).toEqual(before);
    expect((await fetch(`http://${mirror.host}/v2/me/bad/tags/list`)).status).toBe(404);
  });

  it('says where there is no place for them', async () => {
    const ran = await ocislim(['copy', '--referrers', 'alpine', 'docker-archive:a.tar'], elsewhere());
    expect(ran).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('docker-archive: has no place for documents about its images'),
    });
  });
});

describeWithCosign('copy --referrers and cosign', () => {
  beforeAll(start);
  afterAll(stop);

  it.each([
    ['bundle', 'ocislim'],
    ['tag', 'ocislim'],
    ['bundle', 'cosign'],
  ])('cosign verifies a copy of what has a %s by %s', async (format, signer) => {
    const from = `${source.host}/me/${format}-${signer}:1`;
    const to = `${mirror.host}/me/${format}-${signer}:1`;
    const { digest } = await packed(['pack', './hello', '-t', from, '--push'], here());
    if (signer === 'ocislim')
      await succeeded(['sign', '--key', 'cosign.key', '--format', format, from], here());
    else {
      const sign = ['sign', '--yes', '--key', 'cosign.key', ...offlineSigning(folder), from];
      expect(await cosign(sign, folder, 'pass')).toMatchObject({ code: 0 });
    }
    await copied(from, to);
    const ran = await cosign(['verify', '--key', 'cosign.pub', '--insecure-ignore-tlog=true', to], folder);
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain(digest);
  });
});
