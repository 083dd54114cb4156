import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { digestHex, MediaType, sha256 } from '#oci-spec-types';
import type { Blob } from '../../src/image/model.ts';
import { writeBytesAtomically } from '../../src/lib/atomic-file.ts';
import { Names } from '../../src/store/names.ts';
import { Store } from '../../src/store/store.ts';
import { file } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';
import { bytesOf, streamOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';

const content = Buffer.from('content of a blob');
const descriptor = { mediaType: MediaType.LayerGzip, digest: sha256(content), size: content.length };
const pathOf = (store: Store) => join(store.root, 'blobs/sha256', digestHex(descriptor.digest));
const temporary = (store: Store) => {
  const folder = join(store.root, 'tmp');
  return existsSync(folder) ? readdirSync(folder) : [];
};

describe('Store', () => {
  it('keeps content read-only under its digest', async () => {
    const store = await Store.open(tempDir());
    expect(await store.put(streamOf(content, 3))).toEqual({
      digest: descriptor.digest,
      size: content.length,
    });
    expect(readFileSync(pathOf(store))).toEqual(content);
    expect(statSync(pathOf(store)).mode & 0o777).toBe(0o444);
    expect(await bytesOf(await store.open(descriptor))).toEqual(content);
    expect(temporary(store)).toEqual([]);
  });

  it.each([
    ['another digest', { digest: sha256('other'), size: content.length }, 'OCISLIM_DIGEST_MISMATCH'],
    ['another size', { digest: descriptor.digest, size: 5 }, 'OCISLIM_SIZE_MISMATCH'],
  ])('keeps nothing that has %s than was announced', async (_, expected, code) => {
    const store = await Store.open(tempDir());
    await expect(store.put(streamOf(content), { expected })).rejects.toMatchObject({ code });
    expect(store.has(descriptor.digest)).toBe(false);
    expect(temporary(store)).toEqual([]);
  });

  it('leaves nothing behind when the source breaks off, or it is told to stop', async () => {
    const store = await Store.open(tempDir());
    const broken = Readable.from(
      (async function* () {
        yield content;
        throw new Error('lost');
      })(),
    );
    await expect(store.put(broken)).rejects.toThrow('lost');
    const controller = new AbortController();
    const aborting = Readable.from(
      (async function* () {
        yield content;
        controller.abort(new Error('enough'));
        yield content;
      })(),
    );
    await expect(store.put(aborting, { signal: controller.signal })).rejects.toThrow('enough');
    expect(temporary(store)).toEqual([]);
  });

  it('finds a flipped bit when it is read', async () => {
    const store = await Store.open(tempDir());
    await store.put(streamOf(content));
    await chmod(pathOf(store), 0o644);
    await writeFile(pathOf(store), Buffer.from('Content of a blob'));
    await expect(bytesOf(await store.open(descriptor))).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
  });

  it('fetches a blob once, however many ask for it at the same time', async () => {
    const store = await Store.open(tempDir());
    let opened = 0;
    const origins = [{ origin: 'https://registry.example.com', repository: 'library/alpine' }];
    const blob: Blob = {
      descriptor,
      origins,
      open: async () => {
        opened++;
        return streamOf(content, 2);
      },
    };
    const copies = await Promise.all([store.ensure(blob), store.ensure(blob), store.ensure(blob)]);
    expect(opened).toBe(1);
    for (const copy of copies) expect(await bytesOf(await copy.open())).toEqual(content);
    const linked = join(tempDir(), 'linked');
    expect(await copies[0]?.link?.(linked)).toBe(true);
    expect(readFileSync(linked)).toEqual(content);
    // What it learned is still known to the next process.
    const bare: Blob = { descriptor, open: blob.open };
    const next = await (await Store.open(store.root)).ensure(bare);
    expect(next.origins).toEqual(origins);
    await store.ensure(blob);
    expect(opened).toBe(1);
  });

  it('tries again after a fetch that failed', async () => {
    const store = await Store.open(tempDir());
    let tries = 0;
    const blob: Blob = {
      descriptor,
      open: async () => {
        if (++tries === 1) throw new Error('lost');
        return streamOf(content);
      },
    };
    await expect(store.ensure(blob)).rejects.toThrow('lost');
    await store.ensure(blob);
    expect(store.has(descriptor.digest)).toBe(true);
  });

  it('reads a layer once for its contents, and checks its diffID', async () => {
    const store = await Store.open(tempDir());
    const { layers } = await imageOf({ layers: [[file('a', 'aaa')]] });
    const [layer] = layers;
    if (layer === undefined) throw new Error('no layer');
    let opened = 0;
    const counted = {
      ...layer,
      open: () => {
        opened++;
        return layer.open();
      },
    };
    expect((await store.tocs.get(counted)).contentSize).toBe(3);
    expect((await store.tocs.get(counted)).members.map((member) => member.path)).toEqual(['a']);
    expect(opened).toBe(1);
    await expect(store.tocs.get({ ...layer, diffId: sha256('other') })).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
  });

  it('says that something is missing, and refuses a store of the future', async () => {
    const store = await Store.open(tempDir());
    await expect(store.open(descriptor)).rejects.toMatchObject({ code: 'OCISLIM_NOT_FOUND' });
    writeFileSync(join(store.root, 'version'), '2\n');
    await expect(Store.open(store.root)).rejects.toThrow('written by a newer ocislim');
  });
});

describe('Names', () => {
  it('sets, gets, lists and removes', async () => {
    const names = new Names(join(tempDir(), 'names'), writeBytesAtomically);
    expect(await names.list()).toEqual([]);
    await names.set('docker.io/b:1', descriptor);
    await names.set('docker.io/a:1', descriptor);
    await names.set('docker.io/a:1', { ...descriptor, size: 5 });
    expect((await names.list()).map(({ name, descriptor: { size } }) => [name, size])).toEqual([
      ['docker.io/a:1', 5],
      ['docker.io/b:1', content.length],
    ]);
    expect(await names.remove('docker.io/a:1')).toBe(true);
    expect(await names.remove('docker.io/a:1')).toBe(false);
    expect(await names.get('docker.io/a:1')).toBeUndefined();
  });

  it('loses no name to another that is set at the same time', async () => {
    const folder = join(tempDir(), 'names');
    const all = Array.from({ length: 20 }, (_, at) => `docker.io/n:${at}`);
    await Promise.all(all.map((name) => new Names(folder, writeBytesAtomically).set(name, descriptor)));
    expect((await new Names(folder, writeBytesAtomically).list()).map(({ name }) => name)).toEqual(
      [...all].sort(),
    );
  });

  it('takes any name for a name, not for a path', async () => {
    const folder = join(tempDir(), 'names');
    const names = new Names(folder, writeBytesAtomically);
    await names.set('../../escape', descriptor);
    expect(await names.get('../../escape')).toEqual(descriptor);
    expect(readdirSync(folder)).toEqual([
      `${createHash('sha256').update('../../escape').digest('hex')}.json`,
    ]);
  });
});
