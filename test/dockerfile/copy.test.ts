import { describe, expect, it } from 'vitest';
import { planCopy } from '../../src/dockerfile/copy.ts';
import type { CopyRequest, InlineFile } from '../../src/dockerfile/copy-request.ts';
import type { FileTree } from '../../src/dockerfile/file-tree.ts';
import { tarStream } from '../../src/layer/tar-writer.ts';
import { imageOf, linesOf, treeOf } from '../support/file-trees.ts';

const context = treeOf({
  'a.txt': 'A',
  'b.txt': { content: 'B', mode: 0o600 },
  'run.sh': { content: 'R', mode: 0o755 },
  suid: { content: 'S', mode: 0o4755 },
  'dir/': { mode: 0o700 },
  'dir/x': 'X',
  'dir/sub/': { mode: 0o2750 },
  'dir/sub/y.md': 'Y',
  'dir/up': '-> ../a.txt',
  'other/x': 'OX',
  'other/z.md': 'Z',
  'more/sub/': { mode: 0o1777 },
  'empty/': {},
  link: '-> a.txt',
  dirlink: '-> dir',
  lost: '-> nowhere',
  escape: '-> ../../../etc/passwd',
  absolute: '-> /dir/x',
  'odd/[a].txt': 'O',
  'odd/a.txt': 'a',
  'odd/b.txt': 'b',
  'odd/\udcff': 'bytes',
  'bin/tool': { content: 'T', mode: 0o755 },
  'tmp/file': 'tmp',
  'clash/one/file/in': '',
  'clash/two/x': '',
  'clash/three/conf/in': '',
  'holder/x/': { mode: 0o700 },
});

const stage = treeOf(
  {
    'app/': { uid: 5, gid: 6, mode: 0o700 },
    'app/own': { content: 'own', uid: 1000, gid: 1001, mode: 0o640 },
    'app/deep/': { uid: 7, gid: 8, mode: 0o711 },
    'app/deep/l': { type: 'symlink', linkname: '/etc/passwd', uid: 9, gid: 9 },
    'etc/passwd': 'stage',
    out: '-> ../../../../etc/passwd',
    'h/1': { content: 'same', inode: '1' },
    'h/2': { content: 'same', inode: '1' },
    'h/3': { content: 'else', inode: '2' },
    cap: { content: 'c', xattrs: new Map([['security.capability', Buffer.from([1, 0, 0, 2])]]) },
  },
  { name: 'stage build' },
);

const image = imageOf({
  'etc/passwd': 'root:x:0:0::/root:/bin/sh\napp:x:1000:2000::/home/app:/bin/sh\n1234:x:77:88::/:/bin/sh\n',
  'etc/group': 'root:x:0:\nweb:x:33:\nhuge:x:4294967295:\n',
  'usr/bin/': {},
  bin: '-> usr/bin',
  'tmp/': { mode: 0o1777 },
  'home/app/': { mode: 0o750, uid: 1000, gid: 2000 },
  'app/': {},
  'app/file': 'old',
  'app/x/y': 'old',
  'app/conf': '-> /etc/passwd',
  'app/new': '-> /srv/new',
  lost: '-> /nowhere',
  up: '-> ../../../srv',
  loop: '-> loop',
});

type Row = readonly [title: string, request: Partial<CopyRequest>, lines: readonly string[]];

function requestOf(more: Partial<CopyRequest>): CopyRequest {
  return { kind: 'copy', sources: [], destination: '/', workdir: '/', created: 7, ...more };
}

async function plan(more: Partial<CopyRequest>, source: FileTree = context): Promise<string[]> {
  const entries = await planCopy(requestOf(more), source, image);
  expect(new Set(entries.map(({ mtime }) => mtime)).size).toBeLessThan(2);
  // Whatever comes out must be something that a layer can hold.
  tarStream(entries).destroy();
  return linesOf(entries);
}

function table(rows: readonly Row[], source?: FileTree): void {
  it.each(rows)('%s', async (_, request, lines) => {
    expect(await plan(request, source)).toEqual(lines);
  });
}

const f = (name: string, content = ''): InlineFile => ({ name, content });

describe('a file', () => {
  table([
    ['goes to a new path', { sources: ['a.txt'], destination: '/n' }, ['f 644 0:0 n = A']],
    ['keeps its mode', { sources: ['b.txt'], destination: '/n' }, ['f 600 0:0 n = B']],
    ['keeps set-id bits', { sources: ['suid'], destination: '/n' }, ['f 4755 0:0 n = S']],
    [
      'gets the parents that are missing',
      { sources: ['a.txt'], destination: '/p/q/n' },
      ['d 755 0:0 p', 'd 755 0:0 p/q', 'f 644 0:0 p/q/n = A'],
    ],
    [
      'goes into a folder of the image',
      { sources: ['a.txt'], destination: '/app' },
      ['f 644 0:0 app/a.txt = A'],
    ],
    [
      'goes into a new folder for a slash at the end',
      { sources: ['a.txt'], destination: '/n/' },
      ['d 755 0:0 n', 'f 644 0:0 n/a.txt = A'],
    ],
    [
      'goes into a new folder for a dot at the end',
      { sources: ['a.txt'], destination: '/n/.' },
      ['d 755 0:0 n', 'f 644 0:0 n/a.txt = A'],
    ],
    [
      'goes where the working folder says',
      { sources: ['a.txt'], destination: 'n', workdir: '/app' },
      ['f 644 0:0 app/n = A'],
    ],
    [
      'goes into the working folder, which is made',
      { sources: ['a.txt'], destination: '.', workdir: '/w' },
      ['d 755 0:0 w', 'f 644 0:0 w/a.txt = A'],
    ],
    [
      'goes into the working folder, said with a slash',
      { sources: ['a.txt'], destination: './', workdir: '/app' },
      ['f 644 0:0 app/a.txt = A'],
    ],
    [
      'goes beside the working folder',
      { sources: ['a.txt'], destination: '../n', workdir: '/app/x' },
      ['f 644 0:0 app/n = A'],
    ],
    [
      'goes no higher than the root',
      { sources: ['a.txt'], destination: '../../../n', workdir: '/app' },
      ['f 644 0:0 n = A'],
    ],
    ['goes into the root', { sources: ['a.txt'], destination: '/' }, ['f 644 0:0 a.txt = A']],
    ['replaces a file', { sources: ['a.txt'], destination: '/app/file' }, ['f 644 0:0 app/file = A']],
    [
      'is found from the root of the context',
      { sources: ['/a.txt'], destination: '/n' },
      ['f 644 0:0 n = A'],
    ],
    [
      'is not looked for above the context',
      { sources: ['../../a.txt'], destination: '/n' },
      ['f 644 0:0 n = A'],
    ],
    ['is found through dots', { sources: ['./dir/.././a.txt'], destination: '/n' }, ['f 644 0:0 n = A']],
    [
      'has a name of bytes',
      { sources: ['odd/\udcff'], destination: '/app/' },
      ['f 644 0:0 app/\udcff = bytes'],
    ],
    [
      'writes a folder of the image again that an engine would make otherwise',
      { sources: ['a.txt'], destination: '/tmp/' },
      ['d 1777 0:0 tmp', 'f 644 0:0 tmp/a.txt = A'],
    ],
    [
      'leaves owner and mode of such a folder',
      { sources: ['a.txt'], destination: '/home/app/', chown: '5:5', chmod: '600' },
      ['d 750 1000:2000 home/app', 'f 600 5:5 home/app/a.txt = A'],
    ],
  ]);
});

describe('a folder', () => {
  table([
    [
      'means its contents, and its own mode stays behind',
      { sources: ['dir'], destination: '/n' },
      [
        'd 755 0:0 n',
        'd 2750 0:0 n/sub',
        'f 644 0:0 n/sub/y.md = Y',
        'l 0:0 n/up -> ../a.txt',
        'f 644 0:0 n/x = X',
      ],
    ],
    [
      'means the same with a slash',
      { sources: ['other/'], destination: '/n/' },
      ['d 755 0:0 n', 'f 644 0:0 n/x = OX', 'f 644 0:0 n/z.md = Z'],
    ],
    [
      'leaves the folder it goes into alone',
      { sources: ['bin'], destination: '/home/app' },
      ['d 750 1000:2000 home/app', 'f 755 0:0 home/app/tool = T'],
    ],
    ['that is empty is made', { sources: ['empty'], destination: '/n' }, ['d 755 0:0 n']],
    ['that is empty and there already changes nothing', { sources: ['empty'], destination: '/app' }, []],
    [
      'changes the mode of a folder that is there, where it has one of that name',
      { sources: ['holder'], destination: '/app' },
      ['d 700 0:0 app/x'],
    ],
    [
      'keeps the sticky bit of folders in it',
      { sources: ['more'], destination: '/x' },
      ['d 755 0:0 x', 'd 1777 0:0 x/sub'],
    ],
    [
      'goes into a folder whose files it replaces',
      { sources: ['other'], destination: '/app/x' },
      ['f 644 0:0 app/x/x = OX', 'f 644 0:0 app/x/z.md = Z'],
    ],
    [
      'is merged with another',
      { sources: ['other', 'more'], destination: '/n' },
      ['d 755 0:0 n', 'd 1777 0:0 n/sub', 'f 644 0:0 n/x = OX', 'f 644 0:0 n/z.md = Z'],
    ],
    [
      'wins over one before it',
      { sources: ['dir', 'other'], destination: '/n/', exclude: ['sub', 'up'] },
      ['d 755 0:0 n', 'f 644 0:0 n/x = OX', 'f 644 0:0 n/z.md = Z'],
    ],
  ]);
});

describe('several sources', () => {
  table([
    [
      'go into a folder',
      { sources: ['a.txt', 'b.txt'], destination: '/n/' },
      ['d 755 0:0 n', 'f 644 0:0 n/a.txt = A', 'f 600 0:0 n/b.txt = B'],
    ],
    [
      'go into a folder of the image without a slash',
      { sources: ['a.txt', 'b.txt'], destination: '/app' },
      ['f 644 0:0 app/a.txt = A', 'f 600 0:0 app/b.txt = B'],
    ],
    [
      'of one name: the last counts',
      { sources: ['dir/x', 'other/x'], destination: '/n/' },
      ['d 755 0:0 n', 'f 644 0:0 n/x = OX'],
    ],
    [
      'may be a folder and then a file',
      { sources: ['empty', 'a.txt'], destination: '/n' },
      ['d 755 0:0 n', 'f 644 0:0 n/a.txt = A'],
    ],
  ]);
});

describe('wildcards', () => {
  table([
    [
      '* stays in a folder',
      { sources: ['*.txt'], destination: '/n/' },
      ['d 755 0:0 n', 'f 644 0:0 n/a.txt = A', 'f 600 0:0 n/b.txt = B'],
    ],
    ['* that matches one file may name it', { sources: ['a.*'], destination: '/n' }, ['f 644 0:0 n = A']],
    [
      '? is one character',
      { sources: ['?.txt'], destination: '/app', exclude: ['b*'] },
      ['f 644 0:0 app/a.txt = A'],
    ],
    [
      '[] is one of several',
      { sources: ['[ab].txt'], destination: '/app', exclude: ['a*'] },
      ['f 600 0:0 app/b.txt = B'],
    ],
    ['[^] is none of several', { sources: ['[^a].txt'], destination: '/n' }, ['f 600 0:0 n = B']],
    ['[[] is a bracket', { sources: ['odd/[[]a].txt'], destination: '/n' }, ['f 644 0:0 n = O']],
    ['\\ takes the meaning away', { sources: ['odd/\\[a*'], destination: '/n' }, ['f 644 0:0 n = O']],
    ['stand for folders on the way', { sources: ['o*r/x'], destination: '/n' }, ['f 644 0:0 n = OX']],
    ['** is no more than *', { sources: ['**/y.md'], destination: '/n' }, []],
    [
      'give the contents of folders',
      { sources: ['oth*'], destination: '/n/' },
      ['d 755 0:0 n', 'f 644 0:0 n/x = OX', 'f 644 0:0 n/z.md = Z'],
    ],
    ['that match nothing are no error, and make nothing', { sources: ['*.nothing'], destination: '/n/' }, []],
    [
      'that match nothing leave the rest',
      { sources: ['*.nothing', 'a.txt'], destination: '/n/' },
      ['d 755 0:0 n', 'f 644 0:0 n/a.txt = A'],
    ],
    [
      'match names that begin with a dot, and follow links',
      { sources: ['lin*'], destination: '/app/' },
      ['f 644 0:0 app/link = A'],
    ],
    ['go through a link before them', { sources: ['dirlink/x*'], destination: '/n' }, ['f 644 0:0 n = X']],
    ['go through no link behind them', { sources: ['*rlink/x'], destination: '/n' }, []],
  ]);
});

describe('links of the source', () => {
  table([
    ['a link itself is followed', { sources: ['link'], destination: '/n' }, ['f 644 0:0 n = A']],
    [
      'and keeps its name in a folder',
      { sources: ['link'], destination: '/app/' },
      ['f 644 0:0 app/link = A'],
    ],
    [
      'a link to a folder means its contents',
      { sources: ['dirlink'], destination: '/n', exclude: ['sub', 'up'] },
      ['d 755 0:0 n', 'f 644 0:0 n/x = X'],
    ],
    [
      'an absolute one begins at the root of the context',
      { sources: ['absolute'], destination: '/n' },
      ['f 644 0:0 n = X'],
    ],
    ['links on the way are followed', { sources: ['dirlink/x'], destination: '/n' }, ['f 644 0:0 n = X']],
  ]);
  table(
    [['a link out of a stage stays in it', { sources: ['out'], destination: '/n' }, ['f 644 0:0 n = stage']]],
    stage,
  );
});

describe('links of the image', () => {
  table([
    [
      'to a folder are followed',
      { sources: ['a.txt'], destination: '/bin/' },
      ['f 644 0:0 usr/bin/a.txt = A'],
    ],
    ['on the way are followed', { sources: ['a.txt'], destination: '/bin/n' }, ['f 644 0:0 usr/bin/n = A']],
    ['are followed for folders', { sources: ['bin'], destination: '/bin' }, ['f 755 0:0 usr/bin/tool = T']],
    [
      'are followed where a folder in the source has their name',
      { sources: ['.'], destination: '/', exclude: ['*', '!bin'] },
      ['f 755 0:0 usr/bin/tool = T'],
    ],
    [
      'to a file lead to the file',
      { sources: ['a.txt'], destination: '/app/conf' },
      ['f 644 0:0 etc/passwd = A'],
    ],
    [
      'to nothing lead to what is made',
      { sources: ['a.txt'], destination: '/app/new' },
      ['d 755 0:0 srv', 'f 644 0:0 srv/new = A'],
    ],
    [
      'to no folder lead to one that is made',
      { sources: ['a.txt'], destination: '/lost/n' },
      ['d 755 0:0 nowhere', 'f 644 0:0 nowhere/n = A'],
    ],
    [
      'lead nowhere above the root',
      { sources: ['a.txt'], destination: '/up/n' },
      ['d 755 0:0 srv', 'f 644 0:0 srv/n = A'],
    ],
    [
      'in a folder are replaced by a file of their name',
      { sources: [f('conf', 'C')], destination: '/app/' },
      ['f 644 0:0 app/conf = C'],
    ],
  ]);
});

describe('owners', () => {
  table([
    ['numbers', { sources: ['a.txt'], destination: '/n', chown: '5:6' }, ['f 644 5:6 n = A']],
    [
      'a number alone is the group too',
      { sources: ['a.txt'], destination: '/n', chown: '1000' },
      ['f 644 1000:1000 n = A'],
    ],
    [
      'a number is no name',
      { sources: ['a.txt'], destination: '/n', chown: '1234' },
      ['f 644 1234:1234 n = A'],
    ],
    [
      'a name with its own group',
      { sources: ['a.txt'], destination: '/n', chown: 'app' },
      ['f 644 1000:2000 n = A'],
    ],
    [
      'a name with a group',
      { sources: ['a.txt'], destination: '/n', chown: 'app:web' },
      ['f 644 1000:33 n = A'],
    ],
    [
      'a number with a group by name',
      { sources: ['a.txt'], destination: '/n', chown: '5:web' },
      ['f 644 5:33 n = A'],
    ],
    ['a group alone', { sources: ['a.txt'], destination: '/n', chown: ':web' }, ['f 644 0:33 n = A']],
    [
      'the highest number',
      { sources: ['a.txt'], destination: '/n', chown: '2147483647' },
      ['f 644 2147483647:2147483647 n = A'],
    ],
    [
      'hold for parents that are made, folders and links',
      { sources: ['dir'], destination: '/p/n', chown: '5:6', exclude: ['x'] },
      [
        'd 755 5:6 p',
        'd 755 5:6 p/n',
        'd 2750 5:6 p/n/sub',
        'f 644 5:6 p/n/sub/y.md = Y',
        'l 5:6 p/n/up -> ../a.txt',
      ],
    ],
  ]);
  table(
    [
      [
        'of what is in a folder of a stage stay; the folder itself becomes root’s',
        { sources: ['/app'], destination: '/n' },
        ['d 755 0:0 n', 'd 711 7:8 n/deep', 'l 9:9 n/deep/l -> /etc/passwd', 'f 640 1000:1001 n/own = own'],
      ],
      ['of a file of a stage stay', { sources: ['app/own'], destination: '/n' }, ['f 640 1000:1001 n = own']],
      [
        'of a stage are overruled',
        { sources: ['app/own'], destination: '/n', chown: '1' },
        ['f 640 1:1 n = own'],
      ],
      [
        'the working folder is none of a stage’s business',
        { sources: ['app/own'], destination: 'n', workdir: '/app' },
        ['f 640 1000:1001 app/n = own'],
      ],
    ],
    stage,
  );
});

describe('modes', () => {
  table([
    ['octal', { sources: ['a.txt'], destination: '/n', chmod: '0750' }, ['f 750 0:0 n = A']],
    [
      'octal with set-id and sticky',
      { sources: ['a.txt'], destination: '/n', chmod: '7777' },
      ['f 7777 0:0 n = A'],
    ],
    [
      'hold for parents that are made',
      { sources: ['a.txt'], destination: '/p/n', chmod: '4700' },
      ['d 700 0:0 p', 'f 4700 0:0 p/n = A'],
    ],
    [
      'hold for folders, not for links',
      { sources: ['dir'], destination: '/n', chmod: '711', exclude: ['x'] },
      ['d 711 0:0 n', 'd 711 0:0 n/sub', 'f 711 0:0 n/sub/y.md = Y', 'l 0:0 n/up -> ../a.txt'],
    ],
    ['symbolic, of one', { sources: ['b.txt'], destination: '/n', chmod: 'go+r' }, ['f 644 0:0 n = B']],
    ['symbolic, without users', { sources: ['b.txt'], destination: '/n', chmod: '+x' }, ['f 711 0:0 n = B']],
    [
      'X for what is executable',
      { sources: ['run.sh'], destination: '/n', chmod: 'u=rwX,go=X' },
      ['f 711 0:0 n = R'],
    ],
    [
      'X not for what is not',
      { sources: ['a.txt'], destination: '/n', chmod: 'u=rwX,go=X' },
      ['f 600 0:0 n = A'],
    ],
    [
      'X for folders',
      { sources: ['more'], destination: '/n', chmod: 'a=rX' },
      ['d 555 0:0 n', 'd 555 0:0 n/sub'],
    ],
    [
      'a copy of another’s',
      { sources: ['run.sh'], destination: '/n', chmod: 'g=u,o-rx' },
      ['f 770 0:0 n = R'],
    ],
    ['set-id', { sources: ['run.sh'], destination: '/n', chmod: 'u+s,g-x' }, ['f 4745 0:0 n = R']],
  ]);
});

describe('--exclude', () => {
  table([
    [
      'leaves files out',
      { sources: ['other'], destination: '/n', exclude: ['*.md'] },
      ['d 755 0:0 n', 'f 644 0:0 n/x = OX'],
    ],
    [
      '* does not reach deeper',
      { sources: ['dir'], destination: '/n', exclude: ['*.md', 'x', 'up'] },
      ['d 755 0:0 n', 'd 2750 0:0 n/sub', 'f 644 0:0 n/sub/y.md = Y'],
    ],
    [
      '** does',
      { sources: ['dir'], destination: '/n', exclude: ['**/*.md', 'x', 'up'] },
      ['d 755 0:0 n', 'd 2750 0:0 n/sub'],
    ],
    [
      'a folder with what is in it',
      { sources: ['dir'], destination: '/n', exclude: ['sub', 'up'] },
      ['d 755 0:0 n', 'f 644 0:0 n/x = X'],
    ],
    [
      '! takes back, with the folder it is in',
      { sources: ['dir'], destination: '/n', exclude: ['**', '!sub/*.md'] },
      ['d 755 0:0 n', 'd 2750 0:0 n/sub', 'f 644 0:0 n/sub/y.md = Y'],
    ],
    [
      'holds for what a wildcard finds',
      { sources: ['*.txt'], destination: '/n', exclude: ['b.*'] },
      ['f 644 0:0 n = A'],
    ],
    [
      'does not hold for a file by its name',
      { sources: ['a.txt'], destination: '/n', exclude: ['*'] },
      ['f 644 0:0 n = A'],
    ],
  ]);
});

describe('--parents', () => {
  table([
    [
      'keeps the folders with their modes',
      { sources: ['dir/sub/y.md'], destination: '/n/', parents: true },
      ['d 755 0:0 n', 'd 700 0:0 n/dir', 'd 2750 0:0 n/dir/sub', 'f 644 0:0 n/dir/sub/y.md = Y'],
    ],
    [
      'begins behind the pivot',
      { sources: ['dir/./sub/y.md'], destination: '/n/', parents: true },
      ['d 755 0:0 n', 'd 2750 0:0 n/sub', 'f 644 0:0 n/sub/y.md = Y'],
    ],
    [
      'takes wildcards, and the two stars',
      { sources: ['**/*.md'], destination: '/n/', parents: true },
      [
        'd 755 0:0 n',
        'd 700 0:0 n/dir',
        'd 2750 0:0 n/dir/sub',
        'f 644 0:0 n/dir/sub/y.md = Y',
        'd 755 0:0 n/other',
        'f 644 0:0 n/other/z.md = Z',
      ],
    ],
    [
      'takes wildcards before the pivot',
      { sources: ['o*r/./x'], destination: '/n/', parents: true },
      ['d 755 0:0 n', 'f 644 0:0 n/x = OX'],
    ],
    [
      'takes folders whole',
      { sources: ['other'], destination: '/n/', parents: true },
      ['d 755 0:0 n', 'd 755 0:0 n/other', 'f 644 0:0 n/other/x = OX', 'f 644 0:0 n/other/z.md = Z'],
    ],
    [
      'goes with --exclude',
      { sources: ['other'], destination: '/n/', parents: true, exclude: ['**/*.md'] },
      ['d 755 0:0 n', 'd 755 0:0 n/other', 'f 644 0:0 n/other/x = OX'],
    ],
    [
      'leaves folders of the image that are only on the way',
      { sources: ['tmp/file'], destination: '/', parents: true },
      ['d 1777 0:0 tmp', 'f 644 0:0 tmp/file = tmp'],
    ],
    [
      'with a wildcard that nothing matches takes nothing',
      { sources: ['dir/*.no'], destination: '/n/', parents: true },
      [],
    ],
    [
      'leaves links as they are',
      { sources: ['dir/up'], destination: '/n/', parents: true },
      ['d 755 0:0 n', 'd 700 0:0 n/dir', 'l 0:0 n/dir/up -> ../a.txt'],
    ],
  ]);
});

describe('--link', () => {
  table([
    [
      'writes all parents, whatever the image has',
      { sources: ['a.txt'], destination: '/tmp/n/', link: true },
      ['d 755 0:0 tmp', 'd 755 0:0 tmp/n', 'f 644 0:0 tmp/n/a.txt = A'],
    ],
    [
      'replaces links of the image',
      { sources: ['a.txt'], destination: '/bin/n', link: true },
      ['d 755 0:0 bin', 'f 644 0:0 bin/n = A'],
    ],
    [
      'does not know what is a folder',
      { sources: ['a.txt'], destination: '/app', link: true },
      ['f 644 0:0 app = A'],
    ],
    [
      'takes owners by number',
      { sources: ['a.txt'], destination: '/n', link: true, chown: '5' },
      ['f 644 5:5 n = A'],
    ],
    [
      'is none with --chmod',
      { sources: ['a.txt'], destination: '/app', link: true, chmod: '600' },
      ['f 600 0:0 app/a.txt = A'],
    ],
  ]);
});

describe('here-documents', () => {
  table([
    ['are files', { sources: [f('EOF', 'hi\n')], destination: '/n' }, ['f 644 0:0 n = hi\n']],
    [
      'have their name in a folder',
      { sources: [f('EOF', 'hi')], destination: '/app' },
      ['f 644 0:0 app/EOF = hi'],
    ],
    [
      'stand beside each other and paths',
      { sources: [f('one', '1'), 'a.txt', f('two', '2')], destination: '/n/', chown: '5:5' },
      ['d 755 5:5 n', 'f 644 5:5 n/a.txt = A', 'f 644 5:5 n/one = 1', 'f 644 5:5 n/two = 2'],
    ],
    ['may be empty', { sources: [f('EOF')], destination: '/n', chmod: '755' }, ['f 755 0:0 n = ']],
  ]);
});

describe('hard links and attributes', () => {
  table(
    [
      [
        'links of one file stay ones',
        { sources: ['h'], destination: '/n' },
        ['d 755 0:0 n', 'f 644 0:0 n/1 = same', 'h 644 0:0 n/2 -> n/1', 'f 644 0:0 n/3 = else'],
      ],
      [
        'a file whose link is not taken is a file',
        { sources: ['h'], destination: '/n', exclude: ['1'] },
        ['d 755 0:0 n', 'f 644 0:0 n/2 = same', 'f 644 0:0 n/3 = else'],
      ],
      [
        'a link whose file is replaced afterwards is the file',
        { sources: ['h', f('1', 'new')], destination: '/n/' },
        ['d 755 0:0 n', 'f 644 0:0 n/1 = new', 'f 644 0:0 n/2 = same', 'f 644 0:0 n/3 = else'],
      ],
      [
        'two sources are two files',
        { sources: ['h/1', 'h/2'], destination: '/n/' },
        ['d 755 0:0 n', 'f 644 0:0 n/1 = same', 'f 644 0:0 n/2 = same'],
      ],
    ],
    stage,
  );

  it('keeps extended attributes', async () => {
    const [entry] = await planCopy(requestOf({ sources: ['cap'], destination: '/n' }), stage, image);
    expect(entry?.xattrs?.get('security.capability')).toEqual(Buffer.from([1, 0, 0, 2]));
  });
});

type Refused = readonly [
  title: string,
  request: Partial<CopyRequest>,
  code: 'NOT_FOUND' | 'INVALID',
  message: RegExp,
];

describe('what is refused', () => {
  const refused: readonly Refused[] = [
    ['a file that is not there', { sources: ['a.tx'] }, 'NOT_FOUND', /^a\.tx: not in the build context$/],
    ['the same in other letters', { sources: ['dir/SUB/y.md'] }, 'NOT_FOUND', /dir\/SUB/],
    ['one that nothing resembles', { sources: ['quite/else'] }, 'NOT_FOUND', /quite\/else/],
    ['a link to nothing', { sources: ['lost'] }, 'NOT_FOUND', /it is a link to nowhere/],
    ['a link out of the context', { sources: ['escape'] }, 'NOT_FOUND', /it is a link to/],
    ['a wildcard in a folder that is not there', { sources: ['no/*'] }, 'NOT_FOUND', /no\/\*/],
    ['a wildcard that is none', { sources: ['[a'] }, 'INVALID', /not a pattern/],
    ['an exclusion that is none', { sources: ['a.txt'], exclude: ['[a'] }, 'INVALID', /--exclude \[a/],
    [
      'several files for one path',
      { sources: ['a.txt', 'b.txt'], destination: '/both' },
      'INVALID',
      /several sources, but \/both/,
    ],
    [
      'several files of a wildcard for one path',
      { sources: ['*.txt'], destination: '/both' },
      'INVALID',
      /several sources/,
    ],
    [
      'a file and a folder for one path',
      { sources: ['a.txt', 'dir'], destination: '/both' },
      'INVALID',
      /several sources/,
    ],
    [
      'a file in a folder’s place',
      { sources: [f('x', '')], destination: '/app/' },
      'INVALID',
      /\/app\/x is a folder/,
    ],
    [
      'a folder in a file’s place',
      { sources: ['dir'], destination: '/app/file' },
      'INVALID',
      /\/app\/file is a file/,
    ],
    [
      'a folder in the folder, in a file’s place',
      { sources: ['clash/one'], destination: '/app' },
      'INVALID',
      /\/app\/file is a file/,
    ],
    [
      'a file in the folder, in a folder’s place',
      { sources: ['clash/two'], destination: '/app' },
      'INVALID',
      /\/app\/x is a folder/,
    ],
    [
      'a folder in the folder, in the place of a link to a file',
      { sources: ['clash/three'], destination: '/app' },
      'INVALID',
      /\/app\/conf is a link to no folder/,
    ],
    [
      'a folder below a file',
      { sources: ['a.txt'], destination: '/app/file/n' },
      'INVALID',
      /\/app\/file is a file/,
    ],
    [
      'a slash behind a file',
      { sources: ['a.txt'], destination: '/app/file/' },
      'INVALID',
      /\/app\/file is a file/,
    ],
    ['links in a circle', { sources: ['a.txt'], destination: '/loop/n' }, 'INVALID', /links/],
    [
      'an owner that the image does not know',
      { sources: ['a.txt'], chown: 'nobody' },
      'INVALID',
      /no user "nobody"/,
    ],
    [
      'a group that the image does not know',
      { sources: ['a.txt'], chown: '1:nobody' },
      'INVALID',
      /no group "nobody"/,
    ],
    [
      'an owner beyond the highest',
      { sources: ['a.txt'], chown: '2147483648' },
      'INVALID',
      /beyond 2147483647/,
    ],
    ['a group beyond the highest', { sources: ['a.txt'], chown: '1:4294967296' }, 'INVALID', /beyond/],
    ['a group whose number is beyond', { sources: ['a.txt'], chown: '1:huge' }, 'INVALID', /huge/],
    ['an owner of three parts', { sources: ['a.txt'], chown: '1:2:3' }, 'INVALID', /--chown=1:2:3/],
    ['a name with --link', { sources: ['a.txt'], chown: 'app', link: true }, 'INVALID', /--link/],
    ['a mode that is too high', { sources: ['a.txt'], chmod: '10000' }, 'INVALID', /--chmod=10000/],
    ['a mode that is not octal', { sources: ['a.txt'], chmod: '888' }, 'INVALID', /--chmod=888/],
    ['a mode that means nothing', { sources: ['a.txt'], chmod: 'u=q' }, 'INVALID', /--chmod=u=q/],
    ['a mode without action', { sources: ['a.txt'], chmod: 'u' }, 'INVALID', /--chmod=u/],
    ['a URL in COPY', { sources: ['https://example.com/x'] }, 'INVALID', /URL/],
    ['a repository in COPY', { sources: ['https://example.com/x.git'] }, 'INVALID', /URL/],
    [
      'a checksum of a file',
      { kind: 'add', sources: ['a.txt'], checksum: 'sha256:00' },
      'INVALID',
      /--checksum/,
    ],
    ['no source', { sources: [] }, 'INVALID', /no source/],
    ['a here-document of no name', { sources: [f('..')] }, 'INVALID', /name/],
    ['--parents through a link', { sources: ['dirlink/x'], parents: true }, 'INVALID', /link/],
    ['--parents of what is not there', { sources: ['dir/no'], parents: true }, 'NOT_FOUND', /dir\/no/],
    [
      'a name that would remove files',
      { sources: [f('.wh.passwd')], destination: '/etc/' },
      'INVALID',
      /removes files/,
    ],
  ];
  it.each(refused)('%s', async (_, request, code, message) => {
    const error = await plan({ destination: '/n', ...request }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: `OCISLIM_INPUT_${code}`, message: expect.stringMatching(message) });
  });

  it.each(['device'] as const)('a %s', async (type) => {
    const source = treeOf({ 'd/odd': { type } });
    await expect(plan({ sources: ['d'], destination: '/n' }, source)).rejects.toMatchObject({
      code: 'OCISLIM_INPUT_INVALID',
      message: `d: /d/odd is a ${type}`,
    });
  });

  it.each([
    ['what a file may be called', { sources: ['a.tx'] }, 'did you mean a.txt?'],
    ['what a file is called in other letters', { sources: ['dir/SUB'] }, 'did you mean dir/sub?'],
    ['a slash for several files', { sources: ['a.txt', 'b.txt'] }, 'end the destination with a slash: /n/'],
  ])('tells %s', async (_, request, hint) => {
    await expect(plan({ destination: '/n', ...request })).rejects.toMatchObject({ hint });
  });

  it('says what .dockerignore hides', async () => {
    const source = treeOf({ a: '' }, { isLeftOut: async (path) => path === 'secret/key' });
    await expect(plan({ sources: ['secret/key'], destination: '/n' }, source)).rejects.toMatchObject({
      code: 'OCISLIM_INPUT_NOT_FOUND',
      message: expect.stringContaining('.dockerignore leaves it out'),
      hint: expect.stringContaining('!secret/key'),
    });
  });
});
