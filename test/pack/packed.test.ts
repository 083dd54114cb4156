import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestHex } from '#oci-spec-types';
import { validateArtifact } from '../../src/image/validate.ts';
import type { CompressionChoice } from '../../src/layer/compression.ts';
import { type Progress, silent } from '../../src/lib/progress.ts';
import { storeLayer } from '../../src/pack/assemble.ts';
import { packedBefore } from '../../src/pack/packed.ts';
import { Store } from '../../src/store/store.ts';
import { prune } from '../../src/store/usage.ts';
import { testContext } from '../support/context.ts';
import { file, folder } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';

const GZIP: CompressionChoice = { kind: 'gzip' };

/** Packs layers into one store, and tells how each went. */
async function packer() {
  const ends: string[] = [];
  const progress: Progress = {
    ...silent,
    task: () => ({ advance: () => {}, done: (how) => ends.push(how ?? ''), fail: () => ends.push('failed') }),
  };
  const context = await testContext({ progress });
  const layer = (text: string, compression = GZIP) =>
    storeLayer([folder('app'), file('app/program', text)], compression, context, { label: 'layer' });
  const blob = (digest: string) =>
    join(context.store.root, 'blobs/sha256', digestHex(digest as `sha256:${string}`));
  return { context, ends, layer, blob };
}

describe('a layer of files that were packed before', () => {
  it('is taken as it is', async () => {
    const { ends, layer } = await packer();
    const first = await layer('one');
    expect(await layer('one')).toMatchObject({ descriptor: first.descriptor, diffId: first.diffId });
    expect(ends).toEqual(['packed', 'unchanged']);
  });

  it('is made again where they have other content of the same size', async () => {
    const { ends, layer } = await packer();
    const [first, second] = [await layer('one'), await layer('two')];
    expect(second.diffId).not.toBe(first.diffId);
    expect(second.diffId).toBe((await (await packer()).layer('two')).diffId);
    expect(ends).toEqual(['packed', 'packed']);
  });

  it('is read no further than to where it is seen that their content is new, for most at its beginning', async () => {
    const { context } = await packer();
    const piece = 64 * 1024;
    const content = Buffer.alloc(16 * piece);
    let read = 0;
    const entries = () => {
      const chunks = async function* () {
        for (let at = 0; at < content.length; at += piece) {
          read++;
          yield content.subarray(at, at + piece);
        }
      };
      return [file('program', content, { chunks })];
    };
    const { descriptor } = await storeLayer(entries(), GZIP, context);
    const look = async () => {
      read = 0;
      const found = await packedBefore(entries(), GZIP, context.store).find({});
      return { found: found?.descriptor, read };
    };
    expect(await look()).toEqual({ found: descriptor, read: 16 });
    content[content.length - 1] = 1;
    expect(await look()).toEqual({ found: undefined, read: 16 });
    content[0] = 1;
    // The header is before it, so that the beginning ends in the second piece.
    expect((await look()).read).toBeLessThanOrEqual(2);
  });

  it.each([[{ kind: 'gzip', level: 9 }], [{ kind: 'zstd' }]] as const)(
    'is made again for %j',
    async (other) => {
      const { ends, layer } = await packer();
      await layer('one');
      await layer('one', other);
      expect(ends).toEqual(['packed', 'packed']);
    },
  );

  it('is made again where the store lost it', async () => {
    const { ends, layer, blob } = await packer();
    const { descriptor } = await layer('one');
    rmSync(blob(descriptor.digest));
    expect((await layer('one')).descriptor).toEqual(descriptor);
    expect(ends).toEqual(['packed', 'packed']);
  });

  it('is made again where what the store has of it is damaged', async () => {
    const { context, layer, blob } = await packer();
    const { descriptor } = await layer('one');
    const path = blob(descriptor.digest);
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    chmodSync(path, 0o644);
    writeFileSync(path, bytes);
    const store = await Store.open(context.store.root);
    const again = await storeLayer([folder('app'), file('app/program', 'one')], GZIP, { ...context, store });
    expect(again.descriptor).toEqual(descriptor);
    const image = await imageOf({ layers: [[folder('app'), file('app/program', 'one')]] });
    expect(await validateArtifact({ ...image, layers: [again] })).toEqual([]);
  });

  it('does not keep it from a clean-up, and goes with it', async () => {
    const { context, layer, blob } = await packer();
    const { descriptor } = await layer('one');
    await context.store.close();
    const store = await Store.open(context.store.root);
    await prune(store);
    expect(existsSync(blob(descriptor.digest))).toBe(false);
    expect(readdirSync(join(store.root, 'packed'))).toEqual([]);
  });
});
