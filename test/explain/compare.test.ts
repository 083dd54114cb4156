import { describe, expect, it } from 'vitest';
import { type ComparedNode, compareConfigs, compareParts, compareTrees } from '../../src/explain/compare.ts';
import { largestFolders } from '../../src/explain/folders.ts';

function tree(...nodes: readonly (Partial<ComparedNode> & { readonly path: string })[]) {
  const plain = { type: 'file', mode: 0o644, uid: 0, gid: 0, size: 0, content: '' } as const;
  return new Map(nodes.map((node) => [node.path, { ...plain, ...node }]));
}

describe('two trees', () => {
  it('differ in what is new, gone, or another', () => {
    const found = compareTrees(
      tree(
        { path: 'same', size: 5 },
        { path: 'gone', size: 7 },
        { path: 'grown', size: 1, content: 'a' },
        { path: 'edited', size: 3, content: 'a' },
      ),
      tree(
        { path: 'same', size: 5 },
        { path: 'new', size: 9 },
        { path: 'grown', size: 4, content: 'b' },
        { path: 'edited', size: 3, content: 'b' },
      ),
    );
    expect(found).toEqual({
      added: [{ path: 'new', delta: 9, size: 9, what: [] }],
      removed: [{ path: 'gone', delta: -7, size: 7, what: [] }],
      changed: [
        { path: 'grown', delta: 3, size: 4, what: ['content'] },
        { path: 'edited', delta: 0, size: 3, what: ['content'] },
      ],
      unchanged: 1,
    });
  });

  it.each([
    [{ mode: 0o755 }, ['mode']],
    [{ uid: 1 }, ['owner']],
    [{ gid: 1 }, ['owner']],
    [{ type: 'directory' as const }, ['type']],
    [{ mode: 0o600, gid: 5 }, ['mode', 'owner']],
  ])('differ by %j', (change, what) => {
    const found = compareTrees(tree({ path: 'a' }), tree({ path: 'a', ...change }));
    expect(found.changed).toEqual([{ path: 'a', delta: 0, size: 0, what }]);
  });

  it('differ by where a link leads', () => {
    const link = (linkname: string) => tree({ path: 'l', type: 'symlink', size: linkname.length, linkname });
    expect(compareTrees(link('a'), link('bcd')).changed).toEqual([
      { path: 'l', delta: 2, size: 3, what: ['target'] },
    ]);
  });
});

it('two configurations differ by variable and label', () => {
  const from = { Env: ['A=1', 'B=2'], User: '0', Labels: { x: '1' }, Cmd: ['sh'], WorkingDir: '' };
  const to = { Env: ['B=3', 'A=1', 'C='], Labels: { x: '2' }, Cmd: ['sh'] };
  expect(compareConfigs(from, to)).toEqual([
    { key: 'Env.B', from: '2', to: '3' },
    { key: 'Env.C', from: undefined, to: '' },
    { key: 'Labels.x', from: '1', to: '2' },
    { key: 'User', from: '0', to: undefined },
  ]);
});

it('two programs differ by what has become larger or smaller in them', () => {
  const program = (sizes: Readonly<Record<string, number>>) => ({
    language: 'go' as const,
    debugBytes: 0,
    parts: Object.entries(sizes).map(([name, size]) => ({ name, size, isPackage: true })),
  });
  expect(
    compareParts(program({ main: 10, net: 50, data: 3 }), program({ main: 12, data: 3, os: 7 })),
  ).toEqual([
    { name: 'net', from: 50, to: 0 },
    { name: 'os', from: 0, to: 7 },
    { name: 'main', from: 10, to: 12 },
  ]);
});

it('folders are told where bytes part ways', () => {
  const files = [
    { path: 'usr/lib/a', size: 50 },
    { path: 'usr/lib/b', size: 40 },
    { path: 'usr/bin/c', size: 60 },
    { path: 'one/two/three/d', size: 30 },
    { path: 'top', size: 99 },
  ];
  expect(largestFolders(files, 4)).toEqual([
    { path: 'usr', size: 150 },
    { path: 'usr/lib', size: 90 },
    { path: 'usr/bin', size: 60 },
    { path: 'one/two/three', size: 30 },
  ]);
});
