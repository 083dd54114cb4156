import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureStack, impliedIn, onlyAdds } from '../../src/build/stack.ts';
import type { Layer } from '../../src/image/model.ts';
import { readToc } from '../../src/layer/read-toc.ts';
import type { Toc } from '../../src/layer/toc.ts';
import { mergeTocs } from '../../src/rootfs/tree.ts';
import { OVER_LIMIT } from '../../src/sandbox/overlay.ts';
import { overName, rootName } from '../../src/store/roots.ts';
import { prune } from '../../src/store/usage.ts';
import { testContext } from '../support/context.ts';
import { contentsOf } from '../support/roots.ts';
import { device, directory, hard, member, rawLayer, symbolic } from '../support/tars.ts';

const OWN = { ids: 'root', entering: [] } as const;

async function tocOf(layer: Layer): Promise<Toc> {
  return (await readToc(await layer.open(), layer.descriptor.mediaType)).toc;
}
const tocsOf = (layers: readonly Layer[]) => Promise.all(layers.map(tocOf));

const base = rawLayer(
  [
    directory('etc', { mode: 0o711, uid: 3, gid: 4, mtime: 77 }),
    member('etc/a', 'a'),
    symbolic('bin', 'usr/bin'),
    member('file', 'f'),
  ],
  { gzip: true },
);

describe('a layer that only adds', () => {
  const judged = async (...parts: readonly Buffer[]) =>
    onlyAdds(await tocOf(rawLayer(parts)), mergeTocs([await tocOf(base)]));

  it('has files, folders and links in folders', async () => {
    expect(await judged(member('etc/b', ''), directory('new'), member('new/a', ''), hard('h', 'etc/b'))).toBe(
      true,
    );
    expect(await judged(member('implied/deep/a', ''), symbolic('s', '/anywhere'))).toBe(true);
    // In the place of what is there.
    expect(
      await judged(directory('bin'), member('bin/sh', ''), directory('file'), member('file/x', '')),
    ).toBe(true);
  });

  it.each([
    ['a whiteout', [member('etc/.wh.a', '')]],
    ['an opaque folder', [member('etc/.wh..wh..opq', '')]],
    ['a path through a link below', [member('bin/sh', '')]],
    ['a path through a link of its own', [symbolic('own', 'etc'), member('own/b', '')]],
    ['a path through a file below', [member('file/x', '')]],
    ['a link to a file below', [hard('h', 'etc/a')]],
    ['a device, which could be a whiteout', [device('etc/null')]],
  ])('has no %s', async (_, parts) => {
    expect(await judged(...parts)).toBe(false);
  });
});

describe('folders that a layer implies', () => {
  it('are as the layers below have them', async () => {
    const implied = impliedIn(await tocOf(rawLayer([member('etc/deep/b', ''), member('x', '')])), [
      await tocOf(base),
    ]);
    expect(implied.map(({ path }) => path)).toEqual(['', 'etc']);
    expect(implied[1]).toMatchObject({ type: 'directory', mode: 0o711, uid: 3, gid: 4, mtime: 77 });
  });
});

describe('a stack of layers', () => {
  const added = rawLayer([member('etc/b', 'b')]);
  const hiding = rawLayer([member('etc/.wh.a', '')]);

  it('is the base, and a folder for each layer that only adds', async () => {
    const context = await testContext();
    const layers = [base, added, rawLayer([member('etc/c', 'c')])];
    const { root, over } = await ensureStack(layers, await tocsOf(layers), OWN, context);
    expect(contentsOf(root)).toMatchObject({ 'etc/a': 'a' });
    expect(over.map(contentsOf)).toEqual([
      { etc: 'folder', 'etc/b': 'b' },
      { etc: 'folder', 'etc/c': 'c' },
    ]);
    const { mode, uid, mtimeMs } = statSync(join(over[0] ?? '', 'etc'));
    expect([mode & 0o7777, mtimeMs]).toEqual([0o711, 77_000]);
    if (process.getuid?.() === 0) expect(uid).toBe(3);
    await context.store.close();
  });

  it('is one root up to the last layer that hides something and was not kept', async () => {
    const context = await testContext();
    const layers = [base, hiding, added];
    const { root, over } = await ensureStack(layers, await tocsOf(layers), OWN, context);
    expect(contentsOf(root)).toEqual({ bin: '-> usr/bin', etc: 'folder', file: 'f' });
    expect(over.map(contentsOf)).toEqual([{ etc: 'folder', 'etc/b': 'b' }]);
    await context.store.close();
  });

  it('has the folder of a layer that was kept, for who can use it', async () => {
    const context = await testContext();
    const { roots } = context.store;
    const layers = [base, hiding];
    const made = await context.store.temporaryFile();
    mkdirSync(made);
    writeFileSync(join(made, 'kept'), 'as it is');
    await roots.keep(overName(layers, OWN), layers, made, { unkept: [], count: 1, size: 8 });
    const stack = await ensureStack(layers, await tocsOf(layers), OWN, context);
    expect(stack.over.map(contentsOf)).toEqual([{ kept: 'as it is' }]);
    const other = { ids: 'one', entering: [] } as const;
    expect((await ensureStack(layers, await tocsOf(layers), other, context)).over).toEqual([]);
    await context.store.close();
  });

  it('is no higher than a mount takes', async () => {
    const context = await testContext();
    const all = Array.from({ length: OVER_LIMIT + 1 }, (_, at) => rawLayer([member(`f${at}`, String(at))]));
    const layers = [base, ...all];
    const tocs = await tocsOf(layers);
    const highest = await ensureStack(layers.slice(0, -1), tocs.slice(0, -1), OWN, context);
    expect(highest.over).toHaveLength(OVER_LIMIT);
    const { root, over } = await ensureStack(layers, tocs, OWN, context);
    expect(over).toEqual([]);
    expect(readFileSync(join(root, `f${OVER_LIMIT}`), 'utf8')).toBe(String(OVER_LIMIT));
    await context.store.close();
  });

  it('goes with what it was made of', async () => {
    const context = await testContext();
    const { store } = context;
    const layers = [base, added];
    await ensureStack(layers, await tocsOf(layers), OWN, context);
    const list = () => readdirSync(join(store.root, 'roots')).sort();
    const names = [rootName([base]), overName(layers, OWN)].sort();
    expect(list()).toEqual(names);
    await prune(store);
    expect(list()).toEqual(names);
    await store.close();
    await prune(store);
    expect(list()).toEqual([]);
  });
});
