import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Descriptor } from '#oci-spec-types';
import { blobsOf } from '../../src/image/blob.ts';
import type { Image } from '../../src/image/model.ts';
import { parseReference } from '../../src/registry/reference.ts';
import type { RegistryOptions } from '../../src/registry/registry.ts';
import { openFromRegistry, pushToRegistry } from '../../src/transports/registry.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from './context.ts';
import { file } from './entries.ts';
import { type FakeOptions, type FakeRegistry, fakeRegistry } from './fake-registry.ts';
import type { Seen } from './http-server.ts';
import { imageOf } from './images.ts';
import { registryClient } from './registry-client.ts';
import { bytesOf } from './streams.ts';

/** Bytes that do not compress and are the same each time. */
export function noise(size: number, seed = 'noise'): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at * 32 < size; at++) parts.push(createHash('sha256').update(`${seed}${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

/** Puts an image into a scripted registry without any request. */
export async function putArtifact(registry: FakeRegistry, repository: string, tag: string, image: Image) {
  for (const blob of blobsOf(image)) registry.putBlob(repository, await bytesOf(await blob.open()));
  const stored = { raw: Buffer.from(image.raw), mediaType: image.descriptor.mediaType };
  registry.manifests.set(`${repository}:${tag}`, stored);
  registry.manifests.set(`${repository}@${image.descriptor.digest}`, stored);
}

/** What is in a store's folder; every blob is checked against its name. */
export function onDisk(root: string) {
  const list = (folder: string) => {
    const path = join(root, folder);
    return existsSync(path) ? readdirSync(path).sort() : [];
  };
  const blobs = list('blobs/sha256');
  for (const hex of blobs) {
    const bytes = readFileSync(join(root, 'blobs/sha256', hex));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(hex);
  }
  const partial = list('partial').map((hex) => readFileSync(join(root, 'partial', hex)).length);
  return { blobs: blobs.length, partial, damaged: list('damaged').length, tmp: list('tmp') };
}

/** A store in which everything is in order, with so many blobs. */
export const inOrder = (blobs: number) => ({ blobs, partial: [], damaged: 0, tmp: [] });

export interface SceneOptions extends FakeOptions {
  readonly client?: Partial<RegistryOptions>;
}

/** A registry with one image of one large layer, a client, a store, and what a pull and a push come to. */
export async function scene({ client: clientOptions = {}, ...options }: SceneOptions = {}) {
  const registry = await fakeRegistry(options);
  const image = await imageOf({ layers: [[file('big', noise(600_000))]], compression: 'none' });
  await putArtifact(registry, 'me/app', '1', image);
  const waits: number[] = [];
  const client = registryClient({
    onSleep: async (milliseconds) => void waits.push(milliseconds),
    ...clientOptions,
  });
  const context = await testContext({ registry: async () => client });
  const layer = image.layers[0]?.descriptor as Descriptor;
  const source = parseReference(`${registry.host}/me/app:1`);
  const target = parseReference(`${registry.host}/me/pushed:1`);
  return {
    registry,
    image,
    layer,
    client,
    context,
    waits,
    pull: async () =>
      keepInStore(await openFromRegistry(source, context), ['docker.io/library/pulled:1'], context),
    push: () => pushToRegistry(image, [target], context),
    /** The blob of the layer in the repository that is pushed to. */
    pushed: () => registry.blobs.get(`me/pushed@${layer.digest}`),
    /** Requests about the layer's content. */
    layerReads: () =>
      registry.seen.filter(({ method, path }) => method === 'GET' && path.endsWith(layer.digest)),
    /** Requests of uploads, without the config's. */
    uploads: () => registry.seen.filter((each) => isUpload(each) && !isSmall(each)),
    disk: () => onDisk(context.store.root),
  };
}

function isUpload({ path }: Seen): boolean {
  return path.includes('/blobs/uploads/');
}

function isSmall({ method, body }: Seen): boolean {
  return method === 'PUT' && body.length > 0 && body.length < 10_000;
}
