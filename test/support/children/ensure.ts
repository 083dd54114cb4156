// Asks a store for a blob whose source notes that it was read.
import { appendFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { MediaType, sha256 } from '#oci-spec-types';
import { Store } from '../../../src/store/store.ts';

const [root = '', log = ''] = process.argv.slice(2);
const content = Buffer.alloc(1_000_000, 'content');
const openAt = async (offset: number) => {
  appendFileSync(log, 'fetched\n');
  return Readable.from([content.subarray(offset)], { objectMode: false });
};
const store = await Store.open(root);
const descriptor = { mediaType: MediaType.LayerGzip, digest: sha256(content), size: content.length };
await store.ensure({ descriptor, open: () => openAt(0), openAt });
