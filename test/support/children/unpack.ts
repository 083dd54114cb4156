// Unpacks a layer, a file, into a folder, and prints what could not be kept.
import { createReadStream } from 'node:fs';
import { type Digest, sha256 } from '#oci-spec-types';
import { unpackLayers } from '../../../src/rootfs/unpack.ts';

const [file = '', mediaType = '', diffId = '', folder = ''] = process.argv.slice(2);
const descriptor = { mediaType, digest: sha256(file), size: 0 };
const layer = { descriptor, diffId: diffId as Digest, open: async () => createReadStream(file) };
const { unkept } = await unpackLayers([layer], folder);
process.stdout.write(JSON.stringify(unkept));
