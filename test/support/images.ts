import { Readable } from 'node:stream';
import { type Compression, layerMediaType, type Platform, sha256 } from '#oci-spec-types';
import type { Image, Layer } from '../../src/image/model.ts';
import { buildImage, type ConfigChanges } from '../../src/image/mutate.ts';
import { layerStream } from '../../src/layer/build.ts';
import type { Entry } from '../../src/layer/entry.ts';
import { file } from './entries.ts';
import { bytesOf } from './streams.ts';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
export const ARM64: Platform = { os: 'linux', architecture: 'arm64' };

/** A layer held in memory. */
async function layerOf(entries: readonly Entry[], kind: Compression = 'gzip'): Promise<Layer> {
  const { stream, result } = layerStream(entries, { compression: { kind } });
  const bytes = await bytesOf(stream);
  return {
    descriptor: { mediaType: layerMediaType(kind), digest: sha256(bytes), size: bytes.length },
    diffId: result().diffId,
    open: async () => Readable.from([bytes], { objectMode: false }),
  };
}

export interface TestImage {
  readonly platform?: Platform;
  readonly layers?: readonly (readonly Entry[])[];
  readonly compression?: Compression;
  readonly base?: Image;
  readonly config?: ConfigChanges;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A small image held in memory. */
export async function imageOf(parts: TestImage = {}): Promise<Image> {
  const layers: Layer[] = [];
  for (const entries of parts.layers ?? [[file('hello', `for ${parts.platform?.architecture ?? 'amd64'}`)]])
    layers.push(await layerOf(entries, parts.compression));
  return buildImage({
    base: parts.base,
    layers,
    platform: parts.platform ?? AMD64,
    created: '1970-01-01T00:00:00Z',
    createdBy: 'test',
    config: parts.config ?? {},
    annotations: parts.annotations ?? {},
  });
}
