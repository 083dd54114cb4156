import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documentsOf } from '../../src/commands/document-options.ts';
import { silent } from '../../src/lib/progress.ts';
import { findReferrers } from '../../src/pack/attach.ts';
import { pack } from '../../src/pack/pack.ts';
import type { PackRequest } from '../../src/pack/request.ts';
import type { Context } from '../../src/transports/context.ts';
import { openSource, writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { imageOf } from '../support/images.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';
import { bytesOf } from '../support/streams.ts';

const SPDX = 'application/spdx+json';
const STATEMENT = 'application/vnd.in-toto+json';
const both = { sbom: 'spdx', provenance: true } as const;

async function withProgram(more: Partial<Context> = {}): Promise<Context> {
  const context = await testContext(more);
  for (const name of ['hello', 'hello-arm64'])
    copyFileSync(join(root, 'testdata', name), join(context.cwd, name));
  return context;
}

/** The documents beside an image, by their types. */
async function beside(place: string, digest: string, context: Context) {
  const found = await findReferrers(context, parseLocation(place), digest as `sha256:${string}`);
  const documents = new Map<string | undefined, string>();
  for (const { manifest, blobs } of found) {
    const payload = blobs[1];
    if (payload !== undefined)
      documents.set(manifest.artifactType, (await bytesOf(await payload.open())).toString());
  }
  return documents;
}

function packed(more: Partial<PackRequest>, context: Context) {
  return pack(requestFor('hello', more), context);
}

describe('documents about a packed image', () => {
  it('are in a layout beside it, and in its registry', async () => {
    const registry = await fakeRegistry();
    const client = registryClient();
    const context = await withProgram({ registry: async () => client });
    const tag = `${registry.host}/me/hello:1`;
    const result = await packed({ tags: [tag], push: true, outputs: ['oci:out'], documents: both }, context);
    for (const place of ['oci:out', tag]) {
      const documents = await beside(place, result.digest, context);
      expect([...documents.keys()].sort()).toEqual([SPDX, STATEMENT]);
      expect(JSON.parse(documents.get(SPDX) ?? '').packages[0].versionInfo).toBe(result.digest);
      const statement = JSON.parse(documents.get(STATEMENT) ?? '');
      expect(statement.subject).toEqual([
        { name: `${registry.host}/me/hello`, digest: { sha256: result.digest.slice(7) } },
      ]);
    }
    expect(result.attached).toMatchObject([
      { artifactType: SPDX, subject: result.digest },
      { artifactType: STATEMENT, subject: result.digest },
    ]);
  });

  it('do not change it', async () => {
    const context = await withProgram();
    const plain = await packed({ outputs: ['oci:plain'] }, context);
    const more = await packed({ outputs: ['oci:more'], documents: both }, context);
    expect(more.digest).toBe(plain.digest);
    expect(plain).not.toHaveProperty('attached');
  });

  it('are in an OCI archive too, whose image is still found without a name', async () => {
    const context = await withProgram();
    const result = await packed({ outputs: ['oci-archive:out.tar'], documents: both }, context);
    const { artifact } = await openSource(parseLocation('oci-archive:out.tar'), context);
    expect(artifact.descriptor.digest).toBe(result.digest);
    for (const { digest } of result.attached ?? []) {
      const found = await openSource(parseLocation(`oci-archive:out.tar:${digest}`), context);
      expect(found.artifact.kind).toBe('opaque');
    }
    expect(result.attached).toHaveLength(2);
  });

  it('of several platforms are an SBOM for each, and one provenance that names all', async () => {
    const context = await withProgram();
    copyFileSync(join(root, 'testdata/hello'), join(context.cwd, 'hello-linux-amd64'));
    copyFileSync(join(root, 'testdata/hello-arm64'), join(context.cwd, 'hello-linux-arm64'));
    const request = requestFor('hello-{os}-{arch}', {
      outputs: ['oci:out'],
      documents: { ...both, sbomDir: 'sboms', provenanceFile: 'provenance.json' },
    });
    const result = await pack(request, context);
    for (const { digest } of result.platforms)
      expect([...(await beside('oci:out', digest, context)).keys()]).toEqual([SPDX]);
    const about = await beside('oci:out', result.digest, context);
    expect([...about.keys()]).toEqual([STATEMENT]);
    const { subject } = JSON.parse(about.get(STATEMENT) ?? '');
    const digests = [result.digest, ...result.platforms.map(({ digest }) => digest)];
    expect(subject.map(({ digest }: { digest: { sha256: string } }) => `sha256:${digest.sha256}`)).toEqual(
      digests,
    );
    expect(readdirSync(join(context.cwd, 'sboms'))).toEqual([
      'hello-linux-amd64.spdx.json',
      'hello-linux-arm64.spdx.json',
    ]);
    expect(readFileSync(join(context.cwd, 'provenance.json'), 'utf8')).toBe(about.get(STATEMENT));
  });

  it('name what it was made from: program, base, added files', async () => {
    const context = await withProgram();
    const base = await imageOf();
    await writeOutput(parseLocation('oci:base'), { artifact: base, references: [], created: 0 }, context);
    const result = await packed(
      { base: 'oci:base', outputs: ['oci:out'], add: ['hello-arm64:/more'], check: 'off', documents: both },
      context,
    );
    const statement = JSON.parse((await beside('oci:out', result.digest, context)).get(STATEMENT) ?? '');
    const { resolvedDependencies } = statement.predicate.buildDefinition;
    expect(resolvedDependencies).toMatchObject([
      { name: 'oci:base', digest: { sha256: base.descriptor.digest.slice(7) } },
      { name: 'hello' },
      { name: 'hello-arm64' },
    ]);
  });

  it('say nothing of secrets', async () => {
    const registry = await fakeRegistry();
    const client = registryClient();
    const env = { DEPLOY_TOKEN: 'canary-in-the-environment' };
    const context = await withProgram({ env, registry: async () => client });
    const result = await packed(
      {
        tags: [`${registry.host}/me/hello:1`],
        outputs: ['oci:out'],
        documents: { ...both, sbomDir: 'docs', provenanceFile: 'docs/provenance.json' },
        config: { env: { API_KEY: 'canary-in-env' }, labels: { note: 'canary-in-the-environment' } },
        annotations: { 'my.secret': 'canary-in-annotation', url: 'https://me:canary-in-url@example.com/' },
        compile: { ...requestFor('').compile, env: { TOKEN: 'canary-in-build-env' } },
      },
      context,
    );
    const documents = [...(await beside('oci:out', result.digest, context)).values()];
    expect(documents).toHaveLength(2);
    for (const document of documents) expect(document).not.toContain('canary');
    for (const name of readdirSync(join(context.cwd, 'docs')))
      expect(readFileSync(join(context.cwd, 'docs', name), 'utf8')).not.toContain('canary');
  });

  it('have no place in an archive for docker load, which is told', async () => {
    const warnings: string[] = [];
    const progress = { ...silent, warn: (message: string) => void warnings.push(message) };
    const context = await withProgram({ progress });
    await packed({ outputs: ['plain.tar'], documents: both }, context);
    expect(warnings).toEqual([expect.stringContaining('--sbom-dir')]);
    await packed({ outputs: ['plain.tar', 'oci:out'], documents: both }, context);
    expect(warnings).toHaveLength(1);
  });

  it('are not made where nothing is', async () => {
    const context = await withProgram();
    await packed({ dryRun: true, documents: { ...both, sbomDir: 'docs' } }, context);
    expect(existsSync(join(context.cwd, 'docs'))).toBe(false);
  });
});

describe('options about documents', () => {
  it('ask for none unless they say so', () => {
    expect(documentsOf({})).toBeUndefined();
    expect(documentsOf({ sbom: 'none' })).toBeUndefined();
    expect(documentsOf({ provenance: false })).toBeUndefined();
  });

  it('follow from each other', () => {
    expect(documentsOf({ sbomDir: 'd' })).toMatchObject({ sbom: 'spdx', sbomDir: 'd', provenance: false });
    expect(documentsOf({ provenanceFile: 'f' })).toMatchObject({ sbom: undefined, provenance: true });
  });

  it('refuse what makes no sense', () => {
    expect(() => documentsOf({ sbom: 'syft' })).toThrow('must be spdx or cyclonedx or none');
    expect(() => documentsOf({ sbom: 'none', sbomDir: 'd' })).toThrow('--sbom-dir');
  });
});
