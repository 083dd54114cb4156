// Asks a store for a root of a layer that notes when it is read; with `hang` the layer never comes to its end.
import { appendFileSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { MediaType, sha256 } from '#oci-spec-types';
import { Store } from '../../../src/store/store.ts';

const [root = '', tar = '', log = '', hang] = process.argv.slice(2);
const bytes = readFileSync(tar);
async function* content() {
  yield bytes.subarray(0, 2048);
  if (hang !== undefined) {
    process.stdout.write('begun\n');
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  }
  yield bytes.subarray(2048);
}
const open = async () => {
  appendFileSync(log, 'read\n');
  return Readable.from(content());
};
const descriptor = { mediaType: MediaType.Layer, digest: sha256(bytes), size: bytes.length };
const store = await Store.open(root);
const { path } = await store.roots.ensure([{ descriptor, diffId: descriptor.digest, open }]);
process.stdout.write(path);
