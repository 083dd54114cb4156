import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { openFolderTree } from '../../src/dockerfile/context-tree.ts';
import { planCopy } from '../../src/dockerfile/copy.ts';
import type { FileTree } from '../../src/dockerfile/file-tree.ts';
import type { Ignore } from '../../src/dockerfile/ignore.ts';
import { Tree } from '../../src/rootfs/tree.ts';
import { linesOf } from '../support/file-trees.ts';
import { sourceFolder } from '../support/sources.ts';
import { tempDir } from '../support/temp.ts';

const name = 'the build context';

async function copied(source: FileTree, sources: readonly string[] = ['.']): Promise<string[]> {
  const request = { kind: 'copy', sources, destination: '/n/', workdir: '/', created: 0 } as const;
  const lines = await linesOf(await planCopy(request, source, new Tree()));
  return lines.slice(1).map((line) => line.replaceAll(' n/', ' '));
}

/** What paths are left out with what is in them, and what of it is taken back. */
function ignoring(left: readonly string[], kept: readonly string[] = []): Ignore {
  const isIn = (path: string, list: readonly string[]) =>
    list.some((each) => path === each || path.startsWith(`${each}/`));
  return {
    ignores: (path) => isIn(path, left) && !isIn(path, kept),
    mayHaveKept: (folder) => kept.some((each) => each.startsWith(`${folder}/`)),
  };
}

describe('a folder as build context', () => {
  it('gives its files as root’s, with their modes', async () => {
    const folder = sourceFolder({ a: 'A', 'd/b': 'B', l: '-> a' });
    chmodSync(join(folder, 'a'), 0o4750);
    chmodSync(join(folder, 'd'), 0o700);
    chmodSync(join(folder, 'd/b'), 0o600);
    expect(await copied(openFolderTree(folder, { name }))).toEqual([
      'f 4750 0:0 a = A',
      'd 700 0:0 d',
      'f 600 0:0 d/b = B',
      'l 0:0 l -> a',
    ]);
  });

  it('may be given by a link', async () => {
    const link = join(tempDir(), 'link');
    symlinkSync(sourceFolder({ a: '' }), link);
    expect(await openFolderTree(link, { name }).list('')).toEqual(['a']);
  });

  it('keeps hard links', async () => {
    const folder = sourceFolder({ a: 'A' });
    linkSync(join(folder, 'a'), join(folder, 'b'));
    expect(await copied(openFolderTree(folder, { name }))).toEqual(['f 644 0:0 a = A', 'h 644 0:0 b -> a']);
  });

  it.each([
    ['a relative link', '../outside/secret'],
    ['a relative link from deeper', '../../../../../../../../../../../etc/passwd'],
    ['an absolute link', '/etc/passwd'],
    ['a link to a folder', '..'],
    ['a link to the root', '/'],
  ])('lets nothing out by %s', async (_, target) => {
    const above = sourceFolder({ 'context/x': 'mine', 'outside/secret': 'secret', 'outside/x': 'theirs' });
    const folder = join(above, 'context');
    symlinkSync(target, join(folder, 'link'));
    const tree = openFolderTree(folder, { name });
    expect(await tree.lookup('link/secret')).toBeUndefined();
    expect(await tree.lookup('link/outside/secret')).toBeUndefined();
    const taken = await copied(tree, ['link']).catch((error: Error) => [error.message]);
    expect(taken.join()).not.toMatch(/secret =|root:|theirs/);
  });

  it('follows links that stay in it', async () => {
    const folder = sourceFolder({ 'd/a': 'A', 'e/up': '-> ../d', abs: '-> /d/a' });
    const tree = openFolderTree(folder, { name });
    expect(await tree.lookup('e/up/a')).toMatchObject({ path: 'd/a', type: 'file' });
    expect(await tree.lookup('abs')).toMatchObject({ path: 'd/a' });
    expect(await tree.lookup('abs', { followLast: false })).toMatchObject({
      type: 'symlink',
      linkname: '/d/a',
    });
    expect(await tree.list('e/up')).toEqual(['a']);
  });

  it.each(['a/b', 'no', 'no/x', 'circle', 'circle/x', 'a\0b', `${'x'.repeat(300)}`])(
    'has nothing at %j',
    async (path) => {
      const folder = sourceFolder({ a: '', circle: '-> circle' });
      expect(await openFolderTree(folder, { name }).lookup(path)).toBeUndefined();
    },
  );

  it('has names that are not UTF-8, and in the order of their bytes', async () => {
    const folder = sourceFolder({ é: 'u' });
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]), 'bytes');
    const tree = openFolderTree(folder, { name });
    expect(await tree.list('')).toEqual(['é', '\udcff']);
    expect(await copied(tree)).toEqual(['f 644 0:0 é = u', 'f 644 0:0 \udcff = bytes']);
  });

  it('does not see sockets', async () => {
    const folder = sourceFolder({ a: 'A' });
    const server = createServer();
    await new Promise<void>((ready) => {
      server.listen(join(folder, 'socket'), ready);
    });
    try {
      expect(await copied(openFolderTree(folder, { name }))).toEqual(['f 644 0:0 a = A']);
    } finally {
      server.close();
    }
  });

  it('refuses a FIFO that is copied, without waiting for it, and only then', async () => {
    const folder = sourceFolder({ 'd/a': 'A', b: 'B' });
    execFileSync('mkfifo', [join(folder, 'd/fifo')]);
    const tree = openFolderTree(folder, { name });
    expect(await copied(tree, ['b'])).toEqual(['f 644 0:0 b = B']);
    await expect(copied(tree, ['d'])).rejects.toMatchObject({
      code: 'OCISLIM_INPUT_INVALID',
      message: 'd: /d/fifo is a fifo',
    });
  });
});

describe('.dockerignore', () => {
  const files = { a: 'A', 'd/b': 'B', 'd/sub/c': 'C', 'd/sub/e': 'E', 'only/x': '', l: '-> d/b' };

  it('leaves files and folders out', async () => {
    const tree = openFolderTree(sourceFolder(files), { name, ignore: ignoring(['d', 'only', 'l']) });
    expect(await copied(tree)).toEqual(['f 644 0:0 a = A']);
    expect(await tree.lookup('d/b')).toBeUndefined();
    expect(await tree.list('d')).toEqual([]);
  });

  it('keeps the folders of what is taken back, and no others', async () => {
    const ignore = { ...ignoring(['d', 'only', 'l'], ['d/sub/c']), mayHaveKept: () => true };
    const tree = openFolderTree(sourceFolder(files), { name, ignore });
    expect(await copied(tree)).toEqual([
      'f 644 0:0 a = A',
      'd 755 0:0 d',
      'd 755 0:0 d/sub',
      'f 644 0:0 d/sub/c = C',
    ]);
  });

  it('hides what a link leads to, and what a hidden link leads to', async () => {
    const folder = sourceFolder(files);
    const hidden = openFolderTree(folder, { name, ignore: ignoring(['d/b']) });
    expect(await hidden.lookup('l')).toBeUndefined();
    const link = openFolderTree(folder, { name, ignore: ignoring(['l']) });
    expect(await link.lookup('l')).toBeUndefined();
  });

  it('tells what it leaves out from what is not there', async () => {
    const tree = openFolderTree(sourceFolder(files), { name, ignore: ignoring(['d']) });
    await expect(copied(tree, ['d/b'])).rejects.toThrow('d/b: not in the build context: .dockerignore');
    await expect(copied(tree, ['d/no'])).rejects.toThrow(/^d\/no: not in the build context$/);
  });
});

describe('content', () => {
  const node = { path: 'a', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 1 } as const;

  it.each<[string, (path: string) => void]>([
    ['becomes another', (path) => renameSync(join(path, '../b'), path)],
    ['becomes longer', (path) => writeFileSync(path, 'more')],
    ['becomes a link', (path) => symlinkSync('b', path)],
    ['becomes a FIFO', (path) => execFileSync('mkfifo', [path])],
    ['becomes a folder', (path) => mkdirSync(path)],
    ['is removed', () => {}],
  ])('that %s after it was seen is an error', async (_, change) => {
    const folder = sourceFolder({ a: 'A', b: 'B' });
    const tree = openFolderTree(folder, { name });
    const seen = await tree.lookup('a');
    rmSync(join(folder, 'a'));
    change(join(folder, 'a'));
    await expect(tree.digest(seen ?? node)).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
    const read = async () => (await tree.open(seen ?? node)).toArray();
    await expect(read()).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
  });

  it('that changes while it is read is an error', async () => {
    const folder = sourceFolder({ a: 'x'.repeat(1_000_000) });
    const tree = openFolderTree(folder, { name });
    const stream = await tree.open((await tree.lookup('a')) ?? node);
    const read = async () => {
      for await (const _ of stream) appendFileSync(join(folder, 'a'), 'more');
    };
    await expect(read()).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
  });

  const rooted = process.geteuid?.() === 0;
  it.skipIf(rooted)('that this user may not read is told', async () => {
    const folder = sourceFolder({ a: 'A' });
    chmodSync(join(folder, 'a'), 0);
    const tree = openFolderTree(folder, { name });
    await expect(tree.digest((await tree.lookup('a')) ?? node)).rejects.toThrow(
      'a: this user may not read it',
    );
  });
});

describe('digests', () => {
  const digest = async (tree: FileTree, path: string) => {
    const node = await tree.lookup(path);
    return node && tree.digest(node);
  };
  const old = (path: string) => utimesSync(path, 1000, 1000);

  it.each([0, 1, 262_143, 262_144, 262_145, 1_000_000])('are those of %d bytes', async (size) => {
    const folder = sourceFolder({ a: 'x'.repeat(size) });
    expect(`sha256:${await digest(openFolderTree(folder, { name }), 'a')}`).toBe(
      sha256(Buffer.alloc(size, 'x')),
    );
  });

  /** A memo with one file, whose digest is not the right one: who uses it is found out by that. */
  async function remembered() {
    const folder = sourceFolder({ a: 'A', b: 'B' });
    const memo = join(tempDir(), 'memo');
    const tree = openFolderTree(folder, { name, memo });
    await digest(tree, 'a');
    await tree.remember();
    return { folder, memo };
  }

  it('of files that have just changed are not remembered', async () => {
    const { memo } = await remembered();
    expect(existsSync(memo) ? JSON.parse(readFileSync(memo, 'utf8')) : []).toEqual([]);
  });

  it('are remembered, and only for the file that was read', async () => {
    const { folder, memo } = await remembered();
    const path = join(folder, 'a');
    const wrong = 'f'.repeat(64);
    const stat = await import('node:fs').then(({ statSync }) => statSync(path, { bigint: true }));
    const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
    writeFileSync(memo, JSON.stringify([['a', [stamp, wrong]]]));
    expect(await digest(openFolderTree(folder, { name, memo }), 'a')).toBe(wrong);
    old(path);
    expect(await digest(openFolderTree(folder, { name, memo }), 'a')).not.toBe(wrong);
  });

  it('of other files stay in the memo', async () => {
    const { folder, memo } = await remembered();
    writeFileSync(memo, JSON.stringify([['other', ['stamp', 'f'.repeat(64)]]]));
    const tree = openFolderTree(folder, { name, memo });
    await digest(tree, 'a');
    await tree.remember();
    expect(JSON.parse(readFileSync(memo, 'utf8'))).toContainEqual(['other', ['stamp', 'f'.repeat(64)]]);
  });

  it.each(['', '{', '[1]', '[["a",["x","y"]]]', '[["a",null]]'])('survive a memo of %j', async (text) => {
    const { folder, memo } = await remembered();
    writeFileSync(memo, text);
    expect(`sha256:${await digest(openFolderTree(folder, { name, memo }), 'a')}`).toBe(
      sha256(Buffer.from('A')),
    );
  });
});
