import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type Descriptor, MediaType, parseDigest, sha256 } from '#oci-spec-types';
import { type BlobSource, loadArtifact } from '../../src/image/load.ts';
import type { Artifact } from '../../src/image/model.ts';

/** A source of documents, which counts what is opened. */
function sourceOf(documents: readonly object[]) {
  const contents = new Map(
    documents.map((document) => [sha256(JSON.stringify(document)), JSON.stringify(document)]),
  );
  const opened: string[] = [];
  const source: BlobSource = {
    name: 'here',
    open: async ({ digest }) => {
      opened.push(digest);
      return Readable.from([Buffer.from(contents.get(digest) ?? '')]);
    },
  };
  return { source, opened };
}

function descriptorOf(document: object, mediaType: string): Descriptor {
  const text = JSON.stringify(document);
  return { mediaType, digest: sha256(text), size: text.length };
}

const CONFIG = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] as string[] } };
const manifestOf = (config: object, layers: readonly Descriptor[] = []) => ({
  schemaVersion: 2,
  mediaType: MediaType.Manifest,
  config: descriptorOf(config, MediaType.Config),
  layers,
});

/** An image at the bottom of so many indexes. */
function nested(depth: number) {
  const image = manifestOf(CONFIG);
  const documents: object[] = [CONFIG, image];
  let top = descriptorOf(image, MediaType.Manifest);
  for (let level = 0; level < depth; level++) {
    const index = { schemaVersion: 2, mediaType: MediaType.Index, manifests: [top] };
    documents.push(index);
    top = descriptorOf(index, MediaType.Index);
  }
  return { ...sourceOf(documents), top };
}

/** Goes down to the first thing that is no index. */
async function bottomOf({ source, top }: ReturnType<typeof nested>): Promise<Artifact> {
  let artifact = await loadArtifact(source, top);
  while (artifact.kind === 'index') {
    const [first] = artifact.index.manifests;
    if (first === undefined) break;
    artifact = await artifact.member(first);
  }
  return artifact;
}

describe('loadArtifact', () => {
  it('follows indexes in indexes, but not for ever', async () => {
    const few = nested(4);
    expect((await bottomOf(few)).kind).toBe('image');
    const many = nested(1000);
    await expect(bottomOf(many)).rejects.toThrow('indexes nested deeper than 4');
    expect(many.opened.length).toBe(5);
  });

  it('does not go round an index that claims to contain itself', async () => {
    const digest = sha256('any');
    const index = {
      schemaVersion: 2,
      mediaType: MediaType.Index,
      manifests: [{ mediaType: MediaType.Index, digest, size: 300 }],
    };
    const text = JSON.stringify(index).padEnd(300);
    let opened = 0;
    const source: BlobSource = {
      name: 'here',
      open: async () => {
        opened++;
        return Readable.from([Buffer.from(text)]);
      },
    };
    await expect(
      loadArtifact(source, { mediaType: MediaType.Index, digest, size: 300 }),
    ).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
    expect(opened).toBe(1);
  });

  it('refuses a config whose diffIDs are not as many as the layers', async () => {
    const layer = { mediaType: MediaType.LayerGzip, digest: sha256('layer'), size: 5 };
    const manifest = manifestOf(CONFIG, [layer]);
    const { source } = sourceOf([CONFIG, manifest]);
    await expect(loadArtifact(source, descriptorOf(manifest, MediaType.Manifest))).rejects.toThrow(
      '1 layers but 0 diff_ids',
    );
  });

  it('asks for nothing that claims to be larger than a document may be', async () => {
    const { source, opened } = sourceOf([]);
    for (const size of [4 * 1024 * 1024 + 1, Number.MAX_SAFE_INTEGER]) {
      const descriptor = { mediaType: MediaType.Manifest, digest: sha256('x'), size };
      await expect(loadArtifact(source, descriptor)).rejects.toThrow('more than a document may have');
    }
    expect(opened).toEqual([]);
  });

  it.each(['sha256:../../x', `sha256:${'A'.repeat(64)}`, 'sha256:abc', `md5:${'0'.repeat(32)}`])(
    'never opens what is called %s (CVE-2024-3727)',
    async (digest) => {
      expect(() => parseDigest(digest)).toThrow('not a digest');
      const manifest = { ...manifestOf(CONFIG), config: { mediaType: MediaType.Config, digest, size: 1 } };
      const { source, opened } = sourceOf([manifest]);
      const descriptor = descriptorOf(manifest, MediaType.Manifest);
      await expect(loadArtifact(source, descriptor)).rejects.toMatchObject({
        code: 'OCISLIM_DOCUMENT_INVALID',
      });
      expect(opened).toEqual([descriptor.digest]);
    },
  );
});
