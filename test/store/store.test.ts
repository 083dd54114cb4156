import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { digestHex, MediaType, sha256 } from '#oci-spec-types';
import type { Blob, LocalFile } from '../../src/image/model.ts';
import { writeBytesAtomically } from '../../src/lib/atomic-file.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { silent } from '../../src/lib/progress.ts';
import { Names } from '../../src/store/names.ts';
import { Store } from '../../src/store/store.ts';
import { runChild } from '../support/children.ts';
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

/** A blob that comes in pieces, as a registry gives it: from where it is asked for, and perhaps broken off. */
function remote(bytes: Buffer, breaks: readonly number[] = [], lies: readonly Buffer[] = []) {
  const asked: number[] = [];
  const openAt = async (offset: number): Promise<Readable> => {
    const content = lies[asked.length] ?? bytes;
    const end = breaks[asked.length];
    asked.push(offset);
    return Readable.from(
      (async function* () {
        yield content.subarray(offset, end);
        if (end !== undefined) throw new OcislimError('OCISLIM_REGISTRY_UNREACHABLE', 'broken off');
      })(),
    );
  };
  const blob: Blob = {
    descriptor: { mediaType: MediaType.LayerGzip, digest: sha256(bytes), size: bytes.length },
    open: () => openAt(0),
    openAt,
  };
  return { blob, asked };
}

const partial = (store: Store) => {
  const folder = join(store.root, 'partial');
  return existsSync(folder) ? readdirSync(folder) : [];
};

describe('a download', () => {
  it('that breaks off goes on there in a later run', async () => {
    const store = await Store.open(tempDir());
    const { blob, asked } = remote(content, [5, 9]);
    await expect(store.ensure(blob)).rejects.toThrow('broken off');
    expect(partial(store)).toEqual([digestHex(descriptor.digest)]);
    const next = await Store.open(store.root);
    await expect(next.ensure(blob)).rejects.toThrow('broken off');
    await (await Store.open(store.root)).ensure(blob);
    expect(asked).toEqual([0, 5, 9]);
    expect(readFileSync(pathOf(store))).toEqual(content);
    expect(statSync(pathOf(store)).mode & 0o777).toBe(0o444);
    expect(partial(store)).toEqual([]);
  });

  it('whose beginning was damaged meanwhile starts over', async () => {
    const store = await Store.open(tempDir());
    const { blob, asked } = remote(content, [5]);
    await expect(store.ensure(blob)).rejects.toThrow('broken off');
    writeFileSync(join(store.root, 'partial', digestHex(descriptor.digest)), 'Conte');
    await store.ensure(blob);
    expect(asked).toEqual([0, 5, 0]);
    expect(readFileSync(pathOf(store))).toEqual(content);
  });

  it('is complete when only its last step was missing', async () => {
    const store = await Store.open(tempDir());
    const { blob, asked } = remote(content);
    mkdirSync(join(store.root, 'partial'));
    writeFileSync(join(store.root, 'partial', digestHex(descriptor.digest)), content);
    await store.ensure(blob);
    expect(asked).toEqual([]);
    expect(store.has(descriptor.digest)).toBe(true);
  });

  it('starts over when more is there than there should be', async () => {
    const store = await Store.open(tempDir());
    const { blob, asked } = remote(content);
    mkdirSync(join(store.root, 'partial'));
    writeFileSync(join(store.root, 'partial', digestHex(descriptor.digest)), `${content}and more`);
    await store.ensure(blob);
    expect(asked).toEqual([0]);
  });

  it('that is wrong is tried once more, and never kept', async () => {
    const store = await Store.open(tempDir());
    const lie = Buffer.from('Content of a blob');
    const once = remote(content, [], [lie]);
    await store.ensure(once.blob);
    expect(once.asked).toEqual([0, 0]);
    const other = Buffer.from('another thing');
    const always = remote(other, [], [lie, lie, lie]);
    await expect(store.ensure(always.blob)).rejects.toMatchObject({ code: 'OCISLIM_SIZE_MISMATCH' });
    expect(always.asked).toEqual([0, 0]);
    expect(store.has(sha256(other))).toBe(false);
    expect(partial(store)).toEqual([]);
    expect(temporary(store)).toEqual([]);
  });

  it('ends as soon as there is more than there should be', async () => {
    const store = await Store.open(tempDir());
    let given = 0;
    const endless = async () =>
      Readable.from(
        (async function* () {
          for (;;) yield Buffer.alloc(++given && 1000);
        })(),
      );
    const blob: Blob = { descriptor, open: endless, openAt: endless };
    await expect(store.ensure(blob)).rejects.toMatchObject({ code: 'OCISLIM_SIZE_MISMATCH' });
    expect(given).toBeLessThan(100);
    expect(partial(store)).toEqual([]);
  });

  it('happens once for eight processes on a cold store', async () => {
    const store = await Store.open(tempDir());
    const log = join(tempDir(), 'fetched');
    writeFileSync(log, '');
    await Promise.all(Array.from({ length: 8 }, () => runChild('ensure', store.root, log)));
    expect(readFileSync(log, 'utf8')).toBe('fetched\n');
    expect(partial(store)).toEqual([]);
  });
});

describe('content that is read while it comes', () => {
  it.each(['from its start', 'from any byte on'])('and turns out wrong tells so: %s', async (how) => {
    const store = await Store.open(tempDir());
    const wrong = async () => streamOf(Buffer.from('CONTENT of a blob'));
    const blob: Blob = { descriptor, open: wrong, ...(how === 'from its start' ? {} : { openAt: wrong }) };
    const files: LocalFile[] = [];
    const fetched = store.ensure(blob, { onGrowing: (file) => void files.push(file) });
    await expect(fetched).rejects.toMatchObject({ code: 'OCISLIM_DIGEST_MISMATCH' });
    expect(files).toHaveLength(2);
    for (const file of files)
      expect(() => file.open()).toThrow(expect.objectContaining({ code: 'OCISLIM_DIGEST_MISMATCH' }));
  });
});

describe('large content for a reader that is done with each chunk', () => {
  const large = Buffer.concat(
    Array.from({ length: 50_000 }, (_, at) => createHash('sha256').update(`${at}`).digest()),
  );
  const expected = { mediaType: MediaType.LayerGzip, digest: sha256(large), size: large.length };

  it('is all there, in memory that is used again', async () => {
    const store = await Store.open(tempDir());
    await store.put(streamOf(large, 65_536));
    const places = new Set<string>();
    const buffers: ArrayBufferLike[] = [];
    const read: Buffer[] = [];
    for await (const chunk of await store.open(expected, { transient: true })) {
      const { buffer, byteOffset } = chunk as Buffer;
      if (!buffers.includes(buffer)) buffers.push(buffer);
      places.add(`${buffers.indexOf(buffer)} ${byteOffset}`);
      read.push(Buffer.from(chunk as Buffer));
    }
    expect(Buffer.concat(read).equals(large)).toBe(true);
    expect(read.length).toBeGreaterThan(4);
    expect(places.size).toBeLessThanOrEqual(4);
  });

  it('is verified, and set aside where it is damaged', async () => {
    const store = await Store.open(tempDir());
    await store.put(streamOf(large, 65_536));
    const path = join(store.root, 'blobs/sha256', digestHex(expected.digest));
    await chmod(path, 0o644);
    for (const damaged of [Buffer.from(large).fill(0, 100, 200), large.subarray(0, large.length - 1)]) {
      await writeFile(path, damaged);
      const read = async () => bytesOf(await store.open(expected, { transient: true }));
      await expect(read()).rejects.toMatchObject({
        code: expect.stringMatching(/^OCISLIM_(DIGEST|SIZE)_MISMATCH$/),
        message: expect.stringContaining(`store: ${expected.digest} is damaged`),
      });
      expect(store.has(expected.digest)).toBe(false);
    }
  });

  it('ends where it is told to stop', async () => {
    const store = await Store.open(tempDir());
    await store.put(streamOf(large, 65_536));
    const controller = new AbortController();
    const stream = await store.open(expected, { transient: true, signal: controller.signal });
    controller.abort(new Error('stop'));
    await expect(bytesOf(stream)).rejects.toThrow('stop');
  });
});

describe('content that is damaged', () => {
  async function damaged() {
    const store = await Store.open(tempDir());
    await store.put(streamOf(content));
    await chmod(pathOf(store), 0o644);
    await writeFile(pathOf(store), 'Content of a blob');
    // As the next run sees it.
    return Store.open(store.root);
  }

  it('is set aside and fetched again', async () => {
    const store = await damaged();
    const warnings: string[] = [];
    const { blob, asked } = remote(content);
    const progress = { ...silent, warn: (message: string) => void warnings.push(message) };
    const copy = await store.ensure(blob, { progress });
    expect(await bytesOf(await copy.open())).toEqual(content);
    expect(asked).toEqual([0]);
    expect(warnings).toEqual([expect.stringContaining('was damaged in the store')]);
    expect(readdirSync(join(store.root, 'damaged'))).toEqual([digestHex(descriptor.digest)]);
  });

  it('is not linked to', async () => {
    const store = await damaged();
    expect(await store.link(descriptor, join(tempDir(), 'linked'))).toBe(false);
    expect(store.has(descriptor.digest)).toBe(false);
  });

  it('is set aside when it is read, and the error says what to do', async () => {
    const store = await damaged();
    const read = bytesOf(await store.open(descriptor));
    await expect(read).rejects.toMatchObject({
      message: expect.stringContaining(`store: ${descriptor.digest} is damaged`),
      hint: 'it was set aside: pull or pack the image again',
    });
    expect(await readdir(join(store.root, 'damaged'))).toEqual([digestHex(descriptor.digest)]);
  });

  it('is written again when it is a document', async () => {
    const store = await damaged();
    await store.putBytes(content, descriptor.digest);
    expect(readFileSync(pathOf(store))).toEqual(content);
  });

  it('is no table of contents', async () => {
    const store = await Store.open(tempDir());
    const { layers } = await imageOf({ layers: [[file('a', 'aaa')]] });
    const [layer] = layers;
    if (layer === undefined) throw new Error('no layer');
    await store.tocs.get(layer);
    const path = join(store.root, 'tocs', digestHex(layer.diffId));
    writeFileSync(path, readFileSync(path, 'utf8').replace('"a"', '"b"'));
    expect(await store.tocs.known(layer)).toBeUndefined();
    expect((await store.tocs.get(layer)).members.map((member) => member.path)).toEqual(['a']);
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
