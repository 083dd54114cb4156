import { describe, expect, it } from 'vitest';
import { type Descriptor, MediaType, sha256 } from '#oci-spec-types';
import { parseReference } from '../../src/registry/reference.ts';
import { nextPage } from '../../src/registry/referrers.ts';
import { type FakeOptions, fakeRegistry, putImage } from '../support/fake-registry.ts';
import { registryClient } from '../support/registry-client.ts';

async function setup(options: FakeOptions = {}) {
  const registry = await fakeRegistry(options);
  const { digest } = putImage(registry, 'me/app', '1');
  const subject = { mediaType: MediaType.Manifest, digest, size: 1 };
  const reference = parseReference(`${registry.host}/me/app:1`);
  const client = registryClient();
  const target = await client.target(reference);
  const attach = async (type: string): Promise<Descriptor> => {
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256('{}'), size: 2 };
    const annotations = { made: 'by a test' };
    const document = {
      schemaVersion: 2,
      mediaType: MediaType.Manifest,
      artifactType: type,
      config,
      layers: [],
    };
    const raw = Buffer.from(JSON.stringify({ ...document, subject, annotations }));
    const descriptor = { mediaType: MediaType.Manifest, digest: sha256(raw), size: raw.length };
    await target.pushManifest(raw, descriptor);
    return { ...descriptor, artifactType: type, annotations };
  };
  return { registry, digest, attach, list: () => client.referrers(reference, digest) };
}

const digests = (list: readonly Descriptor[]) => list.map(({ digest }) => digest).sort();

describe('referrers', () => {
  it('are listed by the registry', async () => {
    const { registry, digest, attach, list } = await setup();
    expect(await list()).toEqual([]);
    const [sbom, signature] = [await attach('application/spdx+json'), await attach('signature')];
    expect(digests(await list())).toEqual(digests([sbom, signature]));
    expect([...registry.manifests.keys()].filter((key) => key.includes(':sha256-'))).toEqual([]);
    expect(registry.lines()).toContain(`GET /v2/me/app/referrers/${digest}`);
  });

  it.each([400, 404, 405, 406])(
    'are listed under a tag where the API is answered with %i',
    async (status) => {
      const { registry, digest, attach, list } = await setup({
        quirks: { noReferrers: true },
        script: ({ path }) => (path.includes('/referrers/') ? { status } : undefined),
      });
      expect(await list()).toEqual([]);
      const sbom = await attach('application/spdx+json');
      const signature = await attach('signature');
      expect(await list()).toEqual([sbom, signature]);
      expect(registry.manifests.get(`me/app:${digest.replace(':', '-')}`)?.mediaType).toBe(MediaType.Index);
      // What is listed already is not listed twice.
      await attach('signature');
      expect(await list()).toHaveLength(2);
    },
  );

  it('are listed again when somebody else has written the list at the same time', async () => {
    let stolen = 0;
    const made = await setup({
      quirks: { noReferrers: true },
      script: ({ method, path, body }) => {
        if (method === 'PUT' && path.includes('/manifests/sha256-') && stolen++ === 0) {
          const theirs = { mediaType: MediaType.Manifest, digest: sha256('theirs'), size: 1 };
          const index = { schemaVersion: 2, mediaType: MediaType.Index, manifests: [theirs] };
          const tag = made.digest.replace(':', '-');
          made.registry.putManifest('me/app', tag, index, MediaType.Index);
          return { status: 201, headers: { 'docker-content-digest': sha256(body) } };
        }
        return undefined;
      },
    });
    const ours = await made.attach('signature');
    expect(digests(await made.list())).toEqual(digests([ours, { ...ours, digest: sha256('theirs') }]));
  });

  it('are read page by page, but not for ever', async () => {
    const index = { schemaVersion: 2, mediaType: MediaType.Index, manifests: [] };
    const { list, registry } = await setup({
      script: ({ path }) =>
        path.includes('/referrers/')
          ? { body: JSON.stringify(index), headers: { link: `<${path}>; rel="next"` } }
          : undefined,
    });
    await expect(list()).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_FAILED' });
    expect(registry.lines().filter((line) => line.includes('/referrers/'))).toHaveLength(100);
  });
});

it('a list of more than anybody attaches is refused before it has filled the memory', async () => {
  const manifests = Array.from({ length: 9000 }, (_, at) => {
    return { mediaType: MediaType.Manifest, digest: sha256(String(at)), size: 1 };
  });
  const index = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.Index, manifests });
  const { list, registry } = await setup({
    script: ({ path }) =>
      path.includes('/referrers/') ? { body: index, headers: { link: `<${path}>; rel="next"` } } : undefined,
  });
  await expect(list()).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_FAILED' });
  expect(registry.lines().filter((line) => line.includes('/referrers/'))).toHaveLength(3);
});

describe('the next page', () => {
  const base = new URL('https://r.example/');
  const from = new URL('https://r.example/v2/a/referrers/x');
  it.each([
    ['</v2/a/referrers/x?last=1>; rel="next"', 'https://r.example/v2/a/referrers/x?last=1'],
    ['<?n=2>;rel=next', 'https://r.example/v2/a/referrers/x?n=2'],
    ['<https://r.example/b>; title="a, b"; rel="next"', 'https://r.example/b'],
    ['</first>; rel="first", </second>; rel="next"', 'https://r.example/second'],
    ['<https://elsewhere.example/b>; rel="next"', undefined],
    ['</v2/b>; rel="prev"', undefined],
    ['</v2/b>', undefined],
    ['garbage', undefined],
    [undefined, undefined],
  ])('of %s is %s', (link, expected) => {
    expect(nextPage(link, from, base)?.href).toBe(expected);
  });
});
