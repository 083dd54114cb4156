import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { planCopy } from '../../src/dockerfile/copy.ts';
import { treeOfLayers } from '../../src/dockerfile/layer-tree.ts';
import type { TocMember } from '../../src/layer/toc.ts';
import { mergeTocs, Tree } from '../../src/rootfs/tree.ts';
import { linesOf } from '../support/file-trees.ts';

type Member = Partial<TocMember> & { readonly path: string };

function layersOf(...layers: readonly (readonly Member[])[]) {
  return layers.map((members) => ({
    tarSize: 0,
    contentSize: 0,
    ended: true,
    members: members.map((member, at): TocMember => {
      const offset = 512 * (2 * at + 1);
      return { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 1, offset, ...member };
    }),
  }));
}

function stage(...layers: readonly (readonly Member[])[]) {
  const tocs = layersOf(...layers);
  const opened: string[] = [];
  const open = async ({ path }: { readonly path: string }) => {
    opened.push(path);
    return Readable.from([Buffer.from('x')]);
  };
  return { opened, tree: treeOfLayers({ name: 'stage build', tree: mergeTocs(tocs), open }) };
}

const copied = async ({ tree }: ReturnType<typeof stage>, source: string) => {
  const request = { kind: 'copy', sources: [source], destination: '/n', workdir: '/', created: 0 } as const;
  return linesOf(await planCopy(request, tree, new Tree()));
};

const hard = (path: string, linkname: string): Member => ({ path, type: 'hardlink', linkname, size: 0 });

describe('the files of a stage', () => {
  it('keep their owners, and their hard links', async () => {
    const from = stage([{ path: 'd/a', uid: 5, gid: 6 }, hard('d/b', 'd/a')]);
    expect(await copied(from, 'd')).toEqual(['d 755 0:0 n', 'f 644 5:6 n/a = x', 'h 644 5:6 n/b -> n/a']);
  });

  it('are no hard links any more when an upper layer writes one anew', async () => {
    const from = stage([{ path: 'd/a' }, hard('d/b', 'd/a')], [{ path: 'd/b', mode: 0o600 }]);
    expect(await copied(from, 'd')).toEqual(['d 755 0:0 n', 'f 644 0:0 n/a = x', 'f 600 0:0 n/b = x']);
  });

  it('are those that are left', async () => {
    const from = stage([{ path: 'd/a' }, { path: 'd/b' }], [{ path: 'd/.wh.a' }]);
    expect(await copied(from, 'd')).toEqual(['d 755 0:0 n', 'f 644 0:0 n/b = x']);
  });

  it('are opened when they are read, and hashed once', async () => {
    const from = stage([{ path: 'a' }]);
    const node = await from.tree.lookup('a');
    expect(from.opened).toEqual([]);
    if (node === undefined) throw new Error('not there');
    expect(`sha256:${await from.tree.digest(node)}`).toBe(sha256(Buffer.from('x')));
    await from.tree.digest(node);
    expect(from.opened).toEqual(['a']);
  });
});
