import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestHex, sha256 } from '#oci-spec-types';
import type { Layer } from '../../src/image/model.ts';
import { silent } from '../../src/lib/progress.ts';
import { chainIdOf } from '../../src/store/roots.ts';
import { Store } from '../../src/store/store.ts';
import { prune, usageOf } from '../../src/store/usage.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { runChild, startChild } from '../support/children.ts';
import { testContext } from '../support/context.ts';
import { file as entry } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';
import { contentsOf } from '../support/roots.ts';
import { directory, END, member, rawLayer } from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';

const parts = [directory('d', { mode: 0 }), member('d/a', 'a'.repeat(3000)), member('b', 'b')];

/** A layer that counts how often it is read. */
function counted(layer: Layer = rawLayer(parts)) {
  const reads = { count: 0 };
  const open = (options = {}) => {
    reads.count++;
    return layer.open(options);
  };
  return { layer: { ...layer, open }, reads };
}

const list = (store: Store, folder: string) =>
  existsSync(join(store.root, folder)) ? readdirSync(join(store.root, folder)) : [];
const rootsUsage = async (store: Store) => (await usageOf(store)).find(({ kind }) => kind === 'roots');

describe('chainIdOf', () => {
  it('is the diffID of one layer, and the digest of the chain for more', () => {
    const [a, b, c] = [sha256('a'), sha256('b'), sha256('c')];
    expect(chainIdOf([a])).toBe(a);
    expect(chainIdOf([a, b, c])).toBe(sha256(`${sha256(`${a} ${b}`)} ${c}`));
  });
});

describe('a root in the store', () => {
  it('is unpacked once, and found by later runs', async () => {
    const { layer, reads } = counted();
    const upper = rawLayer([member('b', 'upper')]);
    const store = await Store.open(tempDir());
    const first = await store.roots.ensure([layer, upper]);
    expect(contentsOf(first.path)).toMatchObject({ b: 'upper' });
    const later = await Store.open(store.root);
    expect(await later.roots.ensure([layer, upper])).toEqual(first);
    expect(reads.count).toBe(1);
    const hex = digestHex(chainIdOf([layer.diffId, upper.diffId]));
    expect(list(store, 'roots')).toEqual([hex]);
    expect(readdirSync(join(store.root, 'roots', hex)).sort()).toEqual(['owners.json', 'rootfs']);
    expect(list(store, 'tmp')).toEqual([]);
    await store.close();
    await later.close();
  });

  it('makes known what is in its layers where that will be asked, so that each is read once', async () => {
    const script = member('run', `#!/bin/sh -e\n${'x'.repeat(9000)}`, { mode: 0o755 });
    const plain = rawLayer([...parts, script, member('d/.wh.a', '#!/hidden', { mode: 0o755 })]);
    const { layer, reads } = counted(plain);
    const store = await Store.open(tempDir());
    await store.roots.ensure([layer], { withTocs: true });
    const toc = await store.tocs.get(layer);
    expect(reads.count).toBe(1);
    const elsewhere = await Store.open(tempDir());
    expect(toc).toEqual(await elsewhere.tocs.get(plain));
    expect(toc.members.find(({ path }) => path === 'run')?.facts).toEqual({
      shebang: { interpreter: '/bin/sh', argument: '-e' },
    });
    await store.close();
    await elsewhere.close();
  });

  it('makes nothing known of a layer that is not what its image says', async () => {
    const layer = { ...rawLayer(parts), diffId: sha256('another') };
    const store = await Store.open(tempDir());
    await expect(store.roots.ensure([layer], { withTocs: true })).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
    expect(await store.tocs.known(layer)).toBeUndefined();
    expect(list(store, 'roots')).toEqual([]);
    await store.close();
  });

  it('is unpacked once when two ask for it together', async () => {
    const { layer, reads } = counted();
    const store = await Store.open(tempDir());
    const other = await Store.open(store.root);
    const notes: string[] = [];
    const progress = { ...silent, note: (line: string) => void notes.push(line) };
    const all = await Promise.all(
      [store, store, other, other].map(({ roots }) => roots.ensure([layer], { progress })),
    );
    expect(new Set(all.map(({ path }) => path)).size).toBe(1);
    expect(reads.count).toBe(1);
    expect(notes[0]).toMatch(/^root .*: another ocislim is unpacking it/);
    await store.close();
    await other.close();
  });

  it('is unpacked once when two processes ask for it together', async () => {
    const folder = tempDir();
    const [tar, log] = [join(folder, 'tar'), join(folder, 'log')];
    writeFileSync(tar, Buffer.concat([...parts, END]));
    const root = join(folder, 'store');
    const paths = await Promise.all([1, 2, 3].map(() => runChild('ensure-root', root, tar, log)));
    expect(new Set(paths).size).toBe(1);
    expect(readFileSync(log, 'utf8')).toBe('read\n');
    expect(readFileSync(join(paths[0] ?? '', 'b'), 'utf8')).toBe('b');
  });

  it('is there once where there are no locks, though two may unpack it', async () => {
    const { layer } = counted();
    const store = await Store.open(tempDir());
    writeFileSync(join(store.root, 'locks'), 'a file in the way');
    const other = await Store.open(store.root);
    const [first, second] = await Promise.all([store, other].map(({ roots }) => roots.ensure([layer])));
    expect(first).toEqual(second);
    expect(contentsOf(first?.path ?? '')).toMatchObject({ b: 'b' });
    expect([list(store, 'roots').length, list(store, 'tmp')]).toEqual([1, []]);
  });

  it('is not there after a run that was killed; a clean-up removes what it left', async () => {
    const folder = tempDir();
    const [tar, log, root] = [join(folder, 'tar'), join(folder, 'log'), join(folder, 'store')];
    writeFileSync(tar, Buffer.concat([...parts, END]));
    const { child } = await startChild('ensure-root', root, tar, log, 'hang');
    const store = await Store.open(root);
    expect(list(store, 'tmp')).toHaveLength(1);
    expect(await prune(store)).toEqual({ count: 0, size: 0 });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    expect(list(store, 'roots')).toEqual([]);
    expect(list(store, 'tmp')).toHaveLength(1);
    expect((await prune(store)).count).toBeGreaterThan(0);
    expect(list(store, 'tmp')).toEqual([]);
    expect(await runChild('ensure-root', root, tar, log)).toContain('/roots/');
  });

  it('is not there after layers that are not what they should be', async () => {
    const store = await Store.open(tempDir());
    const wrong = rawLayer(parts, { diffId: sha256('another') });
    await expect(store.roots.ensure([rawLayer(parts), wrong])).rejects.toMatchObject({
      code: 'OCISLIM_DIGEST_MISMATCH',
    });
    expect([list(store, 'roots'), list(store, 'tmp')]).toEqual([[], []]);
    await store.close();
  });

  it.each([
    ['was written before the machine was started', (note: string) => note.replace(/"boot":"\w/, '"boot":"-')],
    ['has a damaged note', (note: string) => note.slice(0, -2)],
    ['is of another form', (note: string) => note.replace('"form":1', '"form":0')],
  ])('is unpacked again where it %s', async (_, change) => {
    const { layer, reads } = counted();
    const store = await Store.open(tempDir());
    const { path } = await store.roots.ensure([layer]);
    const note = join(path, '../owners.json');
    const before = readFileSync(note, 'utf8');
    writeFileSync(note, change(before));
    writeFileSync(join(path, 'b'), 'half of it');
    await store.roots.ensure([layer]);
    expect(reads.count).toBe(2);
    expect(readFileSync(join(path, 'b'), 'utf8')).toBe('b');
    expect(readFileSync(note, 'utf8')).toBe(before);
    expect(list(store, 'tmp')).toEqual([]);
    await store.close();
  });

  it('stays while an image is made of its layers, or a run uses it, and goes then', async () => {
    const context = await testContext();
    const { store } = context;
    const image = await imageOf({ layers: [[entry('a', 'aaa')], [entry('b', 'bbb')]] });
    const name = 'docker.io/library/hello:1';
    await keepInStore(image, [name], context);
    await store.roots.ensure(image.layers);
    await store.close();
    expect(await rootsUsage(store)).toEqual({ kind: 'roots', count: 2, size: 6, reclaimable: 0 });
    await prune(store);
    expect(list(store, 'roots')).toHaveLength(1);

    await store.names.remove(name);
    const user = await Store.open(store.root);
    await user.roots.ensure(image.layers);
    await prune(store);
    expect(list(store, 'roots')).toHaveLength(1);
    await user.close();
    expect(await rootsUsage(store)).toMatchObject({ reclaimable: 6 });
    await prune(store);
    expect([list(store, 'roots'), list(store, 'tmp')]).toEqual([[], []]);
  });
});
