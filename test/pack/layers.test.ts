import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Layer } from '../../src/image/model.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { unpackedInStore } from '../../src/pack/layers.ts';
import { testContext } from '../support/context.ts';
import { contentsOf } from '../support/roots.ts';
import { noise } from '../support/scene.ts';
import { bytesOf } from '../support/streams.ts';
import { member, rawLayer } from '../support/tars.ts';

const lower = rawLayer([member('a', 'lower'), member('b', 'lower')]);
const upper = rawLayer([member('b', 'upper')]);

/** A layer whose content comes after something else. */
const delayed = (wait: () => Promise<void>, layer: Layer): Layer => ({
  ...layer,
  open: async (options) => {
    await wait();
    return layer.open(options);
  },
});

const list = (...path: string[]) => (existsSync(join(...path)) ? readdirSync(join(...path)) : []);

describe('layers that are fetched and unpacked', () => {
  it('are unpacked while those above them are on their way', async () => {
    const context = await testContext();
    const { root } = context.store;
    const isUnpacked = () =>
      list(root, 'tmp').some((name) => existsSync(join(root, 'tmp', name, 'rootfs/a')));
    const late = delayed(async () => {
      await expect.poll(isUnpacked, { timeout: 5000 }).toBe(true);
    }, upper);
    const unpacked = await unpackedInStore([lower, late], context);
    expect(contentsOf(unpacked.root.path)).toMatchObject({ a: 'lower', b: 'upper' });
    expect(unpacked.layers.map(({ diffId }) => diffId)).toEqual([lower.diffId, upper.diffId]);
    for (const { descriptor } of unpacked.layers) expect(context.store.has(descriptor.digest)).toBe(true);
  });

  it('leave no root where one of them cannot be fetched', async () => {
    const context = await testContext();
    const { root } = context.store;
    const failure = new OcislimError('OCISLIM_BLOB_UNKNOWN', 'gone');
    const lost = delayed(() => Promise.reject(failure), upper);
    await expect(unpackedInStore([lower, lost], context)).rejects.toBe(failure);
    expect([list(root, 'roots'), list(root, 'tmp')]).toEqual([[], []]);
  });

  describe('where they are large', () => {
    const content = noise(3 * 1024 * 1024);
    const large = rawLayer([member('first', 'first'), member('noise', content)], { gzip: true });

    /** The layer in two parts; what is done before the second may fail. */
    const inParts = (between: () => Promise<void>, change: (bytes: Buffer) => Buffer = (bytes) => bytes) => ({
      ...large,
      open: async () => {
        const bytes = change(await bytesOf(await large.open()));
        async function* parts() {
          yield bytes.subarray(0, bytes.length >> 1);
          await between();
          yield bytes.subarray(bytes.length >> 1);
        }
        return Readable.from(parts(), { objectMode: false });
      },
    });

    it('are unpacked while they come', async () => {
      const context = await testContext();
      const { root } = context.store;
      const isBegun = () =>
        list(root, 'tmp').some((name) => existsSync(join(root, 'tmp', name, 'rootfs/first')));
      const slow = inParts(() => expect.poll(isBegun, { timeout: 5000 }).toBe(true));
      const unpacked = await unpackedInStore([lower, slow, upper], context);
      expect(contentsOf(unpacked.root.path)).toMatchObject({ a: 'lower', b: 'upper', first: 'first' });
      expect(readFileSync(join(unpacked.root.path, 'noise')).equals(content)).toBe(true);
    });

    it('are fetched and unpacked once more where they come wrong', async () => {
      const context = await testContext();
      let tries = 0;
      const damaged = inParts(
        async () => {},
        (bytes) => (tries++ === 0 ? Buffer.from(bytes).fill(0, bytes.length - 100_000) : bytes),
      );
      const unpacked = await unpackedInStore([damaged], context);
      expect(tries).toBe(2);
      expect(readFileSync(join(unpacked.root.path, 'noise')).equals(content)).toBe(true);
      expect(list(context.store.root, 'tmp')).toEqual([]);
    });

    it('fail as their source does where that breaks off, and leave no root', async () => {
      const context = await testContext();
      const failure = new OcislimError('OCISLIM_REGISTRY_UNREACHABLE', 'the line is dead');
      const broken = inParts(() => Promise.reject(failure));
      await expect(unpackedInStore([broken], context)).rejects.toBe(failure);
      const { root } = context.store;
      expect([list(root, 'roots'), list(root, 'tmp')]).toEqual([[], []]);
    });

    it('say that the store is damaged where it is, and set that aside', async () => {
      const context = await testContext();
      const { store } = context;
      const stored = await store.ensure(large);
      const path = join(store.root, 'blobs/sha256', large.descriptor.digest.slice(7));
      chmodSync(path, 0o644);
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0, bytes.length - 100_000));
      await expect(store.roots.ensure([stored])).rejects.toMatchObject({
        code: 'OCISLIM_DIGEST_MISMATCH',
        hint: 'it was set aside: pull or pack the image again',
      });
      expect(store.has(large.descriptor.digest)).toBe(false);
    });
  });
});
