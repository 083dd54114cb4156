import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestHex, sha256 } from '#oci-spec-types';
import { validateArtifact } from '../../src/image/validate.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { Store } from '../../src/store/store.ts';
import { prune, type Usage, type UsageKind, usageOf } from '../../src/store/usage.ts';
import { findInStore, keepInStore } from '../../src/transports/store.ts';
import { startChild } from '../support/children.ts';
import { testContext } from '../support/context.ts';
import { file } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';
import { streamOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';

const NAME = 'docker.io/library/hello:1';
const blobsOf = (store: Store) => readdirSync(join(store.root, 'blobs/sha256')).sort();

/** A store with one image, as another process sees it: nothing is in use. */
async function storeWithImage() {
  const context = await testContext();
  const image = await imageOf({ layers: [[file('a', 'aaa')], [file('b', 'bbb')]] });
  await keepInStore(image, [NAME], context);
  for (const layer of image.layers) await context.store.tocs.get(layer);
  await context.store.close();
  return { context, image, store: await Store.open(context.store.root) };
}

async function kinds(store: Store): Promise<Partial<Record<UsageKind, Usage>>> {
  return Object.fromEntries((await usageOf(store)).map((each) => [each.kind, each]));
}

describe('a clean-up', () => {
  it('keeps named images whole, and removes the rest', async () => {
    const { context, store } = await storeWithImage();
    const kept = blobsOf(store);
    const stray = await store.put(streamOf(Buffer.from('stray')));
    await store.close();
    expect(blobsOf(store)).toHaveLength(kept.length + 1);
    expect((await kinds(store)).unused).toEqual({ kind: 'unused', count: 1, size: 5, reclaimable: 5 });
    expect(await prune(store, { dryRun: true })).toEqual({ count: 1, size: 5 });
    expect(store.has(stray.digest)).toBe(true);
    expect(await prune(store)).toEqual({ count: 1, size: 5 });
    expect(blobsOf(store)).toEqual(kept);
    const found = await findInStore(parseReference('hello:1'), { ...context, store });
    if (found === undefined) throw new Error('the image is gone');
    expect(await validateArtifact(found)).toEqual([]);
  });

  it('removes an image that has lost its names, with what was noted of it', async () => {
    const { store } = await storeWithImage();
    await store.names.remove(NAME);
    await prune(store);
    expect(blobsOf(store)).toEqual([]);
    expect(readdirSync(join(store.root, 'tocs'))).toEqual([]);
    expect((await usageOf(store)).every(({ count }) => count === 0)).toBe(true);
  });

  it('keeps what was fetched as a base until it is told not to', async () => {
    const { store, image } = await storeWithImage();
    await store.names.remove(NAME);
    await store.resolved.set(NAME, image.descriptor);
    expect(await prune(store)).toEqual({ count: 0, size: 0 });
    expect((await kinds(store)).bases?.count).toBe(4);
    await prune(store, { bases: true });
    expect(blobsOf(store)).toEqual([]);
    expect(await store.resolved.list()).toEqual([]);
  });

  it('leaves alone what a run has taken in, or uses, until that run has ended', async () => {
    const { store, image } = await storeWithImage();
    const other = await Store.open(store.root);
    const stray = await other.put(streamOf(Buffer.from('being made')));
    await other.pins.pin(image.descriptor.digest);
    await store.names.remove(NAME);
    const before = blobsOf(store);
    expect(await prune(store)).toEqual({ count: 0, size: 0 });
    expect(blobsOf(store)).toEqual(before);
    await other.close();
    await prune(store);
    expect(store.has(stray.digest)).toBe(false);
    expect(blobsOf(store)).toEqual([]);
  });

  it('makes a run that begins to use something wait, and see what is left', async () => {
    const { store, image } = await storeWithImage();
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    const cleaning = await store.locks.acquire('clean-up');
    let ensured = false;
    let fetched = 0;
    const blob = {
      ...layer,
      open: () => {
        fetched++;
        return layer.open();
      },
    };
    const other = await Store.open(store.root);
    const waiting = other.ensure(blob).then(() => {
      ensured = true;
    });
    // What the clean-up does while the other waits: it has seen no pin, and removes the layer.
    await new Promise((resolve) => setImmediate(resolve));
    expect(ensured).toBe(false);
    const path = join(store.root, 'blobs/sha256', digestHex(layer.descriptor.digest));
    rmSync(path, { force: true });
    await cleaning?.release();
    await waiting;
    expect(fetched).toBe(1);
    expect(existsSync(path)).toBe(true);
    await other.close();
  });

  it('takes away what broken-off work has left, but not what is under way', async () => {
    const { store } = await storeWithImage();
    const write = (path: string) => {
      mkdirSync(join(store.root, path, '..'), { recursive: true });
      writeFileSync(join(store.root, path), 'left');
    };
    const hex = digestHex(sha256('being fetched'));
    const holder = await startChild('hold', join(store.root, 'locks'), `blob-${hex.slice(0, 24)}`);
    write(`partial/${hex}`);
    write(`partial/${digestHex(sha256('given up'))}`);
    write(`damaged/${digestHex(sha256('damaged'))}`);
    write('tmp/run.0123456789abcdef.0123456789abcdef');
    write('blobs/sha256/.of-an-older-version.tmp');
    write('pins/run.0123456789abcdef');
    const live = await store.temporaryFile();
    writeFileSync(live, 'live');
    expect((await kinds(store)).unfinished).toEqual({
      kind: 'unfinished',
      count: 6,
      size: 24,
      reclaimable: 16,
    });
    expect(await prune(store)).toEqual({ count: 4, size: 16 });
    expect(readdirSync(join(store.root, 'partial'))).toEqual([hex]);
    expect(readdirSync(join(store.root, 'damaged'))).toEqual([]);
    expect(existsSync(live)).toBe(true);
    expect(readdirSync(join(store.root, 'pins'))).toHaveLength(1);
    holder.child.kill('SIGKILL');
    await store.close();
  });

  it('of an empty store finds nothing', async () => {
    const store = await Store.open(tempDir());
    expect(await prune(store)).toEqual({ count: 0, size: 0 });
    expect((await usageOf(store)).map(({ size }) => size)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('keeps the layers of build steps, until caches are to go', async () => {
    const store = await Store.open(tempDir());
    const { digest: diffId, size } = await store.put(streamOf(Buffer.from('as a step made it')));
    const { digest } = await store.put(streamOf(Buffer.from('packed')));
    await store.steps.set(sha256('key'), Buffer.from(JSON.stringify({ diffId, size })));
    await store.steps.set(sha256('changed nothing'), Buffer.from('{}'));
    await store.compressed.set(sha256('key'), Buffer.from(JSON.stringify({ digest })));
    await store.close();
    const later = await Store.open(store.root);
    const { steps } = await kinds(later);
    expect(steps).toMatchObject({ count: 5, reclaimable: 0 });
    expect(await prune(later)).toEqual({ count: 0, size: 0 });
    expect(later.has(diffId)).toBe(true);
    expect(await prune(later, { caches: true })).toMatchObject({ count: 5 });
    expect([later.has(diffId), later.has(digest)]).toEqual([false, false]);
    expect(await later.steps.get(sha256('key'))).toBeUndefined();
  });
});
