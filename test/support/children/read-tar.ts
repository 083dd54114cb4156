// read-tar FILE SIZE: reads the tar in a gzip file of so many bytes, on another thread, and prints how many bytes it has.
import { openSync } from 'node:fs';
import { MediaType, sha256 } from '#oci-spec-types';
import { openTars } from '../../../src/layer/open-tars.ts';

const [path = '', size = ''] = process.argv.slice(2);
const digest = sha256('not looked at');
const layer = {
  descriptor: { mediaType: MediaType.LayerGzip, digest, size: Number(size) },
  diffId: digest,
  open: () => Promise.reject(new Error('it is a file')),
  file: async () => ({ open: () => openSync(path, 'r'), ready: async () => Number(size) }),
};
process.env['OCISLIM_WORKERS'] = '1';
for await (const { tar, meter } of openTars([layer])) {
  for await (const _ of tar);
  console.log(meter.size);
}
