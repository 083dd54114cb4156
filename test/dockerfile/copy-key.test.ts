import { describe, expect, it } from 'vitest';
import { copyKey } from '../../src/dockerfile/copy-key.ts';
import type { CopyRequest } from '../../src/dockerfile/copy-request.ts';
import type { Remotes } from '../../src/dockerfile/remote.ts';
import { type Things, treeOf } from '../support/file-trees.ts';

const files: Things = {
  'd/a': 'A',
  'd/b': { content: 'B', mode: 0o755 },
  'd/l': '-> a',
  'd/e/': {},
  other: 'O',
};
const request: CopyRequest = {
  kind: 'copy',
  sources: ['d'],
  destination: '/n',
  workdir: '/w',
  created: 1,
};
const keyOf = (more: Partial<CopyRequest> = {}, things: Things = {}) =>
  copyKey({ ...request, ...more }, treeOf({ ...files, ...things }));

describe('the key of a copy', () => {
  it('is a sha256, and the same each time', async () => {
    expect(await keyOf()).toMatch(/^[0-9a-f]{64}$/);
    expect(await keyOf()).toBe(await keyOf());
  });

  it.each<[string, Things]>([
    ['a content', { 'd/a': 'a' }],
    ['a mode', { 'd/b': { content: 'B', mode: 0o700 } }],
    ['a set-id bit', { 'd/b': { content: 'B', mode: 0o4755 } }],
    ['an owner', { 'd/b': { content: 'B', mode: 0o755, uid: 1 } }],
    ['where a link leads', { 'd/l': '-> b' }],
    ['a type', { 'd/l': 'a' }],
    ['the mode of a folder', { 'd/e/': { mode: 0o700 } }],
    ['a file more', { 'd/e/x': '' }],
    ['an attribute', { 'd/a': { content: 'A', xattrs: new Map([['user.x', Buffer.from('1')]]) } }],
    ['two files that are one', { 'd/a': { content: 'A', inode: '1' }, 'd/b': { content: 'A', inode: '1' } }],
  ])('changes with %s', async (_, things) => {
    expect(await keyOf({}, things)).not.toBe(await keyOf());
  });

  it('tells two files of one content from one file', async () => {
    const one = { 'd/a': { content: 'A', inode: '1' }, 'd/b': { content: 'A', inode: '1' } };
    const two = { 'd/a': { content: 'A', inode: '1' }, 'd/b': { content: 'A', inode: '2' } };
    expect(await keyOf({}, one)).not.toBe(await keyOf({}, two));
  });

  it.each<[string, Things]>([
    ['what is not taken', { other: 'o', 'more/x': '' }],
    ['the mode of the folder whose contents are taken', { 'd/': { mode: 0o700 } }],
  ])('does not change with %s', async (_, things) => {
    expect(await keyOf({}, things)).toBe(await keyOf());
  });

  it('does not change with the numbers of inodes', async () => {
    const first = { 'd/a': { content: 'A', inode: '1' }, 'd/e/a': { content: 'A', inode: '1' } };
    const second = { 'd/a': { content: 'A', inode: '7' }, 'd/e/a': { content: 'A', inode: '7' } };
    expect(await keyOf({}, first)).toBe(await keyOf({}, second));
  });

  it.each<[string, Partial<CopyRequest>]>([
    ['the command', { kind: 'add' }],
    ['the destination', { destination: '/m' }],
    ['a slash', { destination: '/n/' }],
    ['the owner', { chown: '1' }],
    ['the mode', { chmod: '700' }],
    ['--link', { link: true }],
    ['--parents', { parents: true }],
    ['--exclude', { exclude: ['x'] }],
    ['the time', { created: 2 }],
    ['a source', { sources: ['d/'] }],
    ['a here-document', { sources: ['d', { name: 'EOF', content: '' }] }],
  ])('changes with %s', async (_, more) => {
    expect(await keyOf(more)).not.toBe(await keyOf());
  });

  it('does not depend on the working folder where the destination does not', async () => {
    expect(await keyOf({ workdir: '/x' })).toBe(await keyOf());
    expect(await keyOf({ workdir: '/x', destination: 'n' })).not.toBe(await keyOf({ destination: 'n' }));
  });

  it('reads nothing of a source that is known', async () => {
    const never = () => Promise.reject(new Error('read'));
    const tree = { ...treeOf(files), lookup: never, list: never, open: never, digest: never };
    const first = await copyKey(request, { ...tree, identity: 'one' });
    expect(first).toBe(await copyKey(request, { ...tree, identity: 'one' }));
    expect(first).not.toBe(await copyKey(request, { ...tree, identity: 'two' }));
    await expect(copyKey(request, tree)).rejects.toThrow('read');
  });

  it('changes with what a URL gives, and which commit a repository is at', async () => {
    const remotes = (digest: string, identity: string): Remotes => ({
      file: async () => ({ name: 'f', size: 1, digest, open: () => Promise.reject(new Error('read')) }),
      git: async () => treeOf(files, { identity }),
    });
    const key = (source: string, given: Remotes) =>
      copyKey({ ...request, kind: 'add', sources: [source] }, treeOf({}), { remotes: given });
    for (const source of ['https://example.com/f', 'https://example.com/f.git']) {
      expect(await key(source, remotes('1', '1'))).toBe(await key(source, remotes('1', '1')));
      expect(await key(source, remotes('1', '1'))).not.toBe(await key(source, remotes('2', '2')));
    }
  });

  it('fails as the copy would', async () => {
    await expect(keyOf({ sources: ['no'] })).rejects.toMatchObject({ code: 'OCISLIM_INPUT_NOT_FOUND' });
  });
});
