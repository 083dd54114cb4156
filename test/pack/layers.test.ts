import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Layer } from '../../src/image/model.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { unpackedInStore } from '../../src/pack/layers.ts';
import { testContext } from '../support/context.ts';
import { contentsOf } from '../support/roots.ts';
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
    const unpacked = await unpackedInStore({ layers: [lower, late] }, context);
    expect(contentsOf(unpacked.root.path)).toMatchObject({ a: 'lower', b: 'upper' });
    expect(unpacked.layers.map(({ diffId }) => diffId)).toEqual([lower.diffId, upper.diffId]);
    for (const { descriptor } of unpacked.layers) expect(context.store.has(descriptor.digest)).toBe(true);
  });

  it('leave no root where one of them cannot be fetched', async () => {
    const context = await testContext();
    const { root } = context.store;
    const failure = new OcislimError('OCISLIM_BLOB_UNKNOWN', 'gone');
    const lost = delayed(() => Promise.reject(failure), upper);
    await expect(unpackedInStore({ layers: [lower, lost] }, context)).rejects.toBe(failure);
    expect([list(root, 'roots'), list(root, 'tmp')]).toEqual([[], []]);
  });
});
