import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { planCopy } from '../../src/dockerfile/copy.ts';
import type { FileTree } from '../../src/dockerfile/file-tree.ts';
import { type GitOptions, openGitTree } from '../../src/dockerfile/git.ts';
import { parseGitUrl } from '../../src/dockerfile/git-url.ts';
import { openRemotes } from '../../src/dockerfile/open-remotes.ts';
import { remoteKind } from '../../src/dockerfile/remote.ts';
import { Tree } from '../../src/rootfs/tree.ts';
import { testContext } from '../support/context.ts';
import { linesOf, treeOf } from '../support/file-trees.ts';
import { httpServer } from '../support/http-server.ts';
import { sourceFolder } from '../support/sources.ts';
import { tempDir } from '../support/temp.ts';

describe('the URL of a repository', () => {
  it.each([
    ['https://h/a.git', { remote: 'https://h/a.git' }],
    ['https://h/a.git#v1', { remote: 'https://h/a.git', ref: 'v1' }],
    ['https://h/a.git#v1:b/c', { remote: 'https://h/a.git', ref: 'v1', folder: 'b/c' }],
    ['https://h/a.git#:b', { remote: 'https://h/a.git', folder: 'b' }],
    ['https://h/a.git#', { remote: 'https://h/a.git' }],
    ['https://h/a.git?branch=x&subdir=d', { remote: 'https://h/a.git', ref: 'refs/heads/x', folder: 'd' }],
    ['https://h/a.git?tag=x', { remote: 'https://h/a.git', ref: 'refs/tags/x' }],
    ['git@h:a/b.git#x', { remote: 'git@h:a/b.git', ref: 'x' }],
    ['git@h:a/b', { remote: 'git@h:a/b' }],
    ['ssh://git@h:22/a', { remote: 'ssh://git@h:22/a' }],
    ['git://h/a', { remote: 'git://h/a' }],
  ])('%s', (text, url) => {
    expect(parseGitUrl(text)).toEqual({ ref: undefined, folder: undefined, ...url });
    expect(remoteKind(text)).toBe('git');
  });

  it.each(['https://h/a', 'https://h/a.git/b', 'a.git', './a.git', 'a@b', 'a:b', 'C:\\a.git', ''])(
    'is not %j',
    (text) => {
      expect(parseGitUrl(text)).toBeUndefined();
    },
  );

  it.each([
    'https://h/a.git#--upload-pack=x',
    'https://h/a.git#-x',
    'https://h/a.git#a b',
    'https://h/a.git#a..b',
    'https://h/a.git#+a',
    'https://h/a.git#a^b',
    'git@-oProxyCommand:a',
    'ssh://-oProxyCommand=x/a',
    'git://h:port/a',
    'https://h/a.git?what=x',
  ])('is refused: %s', (text) => {
    expect(() => parseGitUrl(text)).toThrow(expect.objectContaining({ code: 'OCISLIM_INPUT_INVALID' }));
  });
});

const env = { PATH: process.env['PATH'] };

function git(folder: string, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'protocol.file.allow=always'];
  const settings = { ...env, HOME: folder, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  return execFileSync('git', [...who, ...args], { cwd: folder, env: settings, stdio: 'pipe' })
    .toString()
    .trim();
}

/** A repository with the tag `v1`, and two commits on `main`. */
function makeRepository(): { readonly folder: string; readonly first: string; readonly second: string } {
  const folder = sourceFolder({ a: 'one', 'd/b': 'B', 'd/run': '#!/bin/sh\n' });
  symlinkSync('d/b', join(folder, 'link'));
  symlinkSync('/etc', join(folder, 'out'));
  git(folder, 'init', '-q', '-b', 'main');
  git(folder, 'add', '.');
  git(folder, 'commit', '-qm', 'first');
  git(folder, 'tag', '-a', 'v1', '-m', 'v1');
  const first = git(folder, 'rev-parse', 'HEAD');
  writeFileSync(join(folder, 'a'), 'two');
  git(folder, 'commit', '-qam', 'second');
  return { folder, first, second: git(folder, 'rev-parse', 'HEAD') };
}

let made: ReturnType<typeof makeRepository>;
beforeAll(() => {
  made = makeRepository();
});

const open = (text: string, more: Partial<GitOptions> = {}) =>
  openGitTree(text, {
    env,
    temporaryFolder: async () => join(tempDir(), 'work'),
    allowsFiles: true,
    ...more,
  });

const all = async (tree: FileTree) => {
  const request = { kind: 'copy', sources: ['.'], destination: '/n/', workdir: '/', created: 0 } as const;
  return (await linesOf(await planCopy(request, tree, new Tree()))).slice(1);
};

describe('a repository', () => {
  it('gives the files of its branch, with two modes', async () => {
    chmodSync(join(made.folder, 'a'), 0o600);
    const tree = await open(`file://${made.folder}`);
    expect(await all(tree)).toEqual([
      'f 644 0:0 n/a = two',
      'd 755 0:0 n/d',
      'f 644 0:0 n/d/b = B',
      'f 755 0:0 n/d/run = #!/bin/sh\n',
      'l 0:0 n/link -> d/b',
      'l 0:0 n/out -> /etc',
    ]);
    expect(tree.identity).toContain(made.second);
  });

  it.each([
    ['a branch', () => 'main', 'two'],
    ['a branch by its full name', () => 'refs/heads/main', 'two'],
    ['a tag', () => 'v1', 'one'],
    ['a commit', () => made.first, 'one'],
    ['the beginning of a commit', () => made.first.slice(0, 10), 'one'],
  ])('at %s', async (_, ref, content) => {
    expect((await all(await open(`file://${made.folder}#${ref()}`)))[0]).toBe(`f 644 0:0 n/a = ${content}`);
  });

  it('gives a folder of it', async () => {
    expect(await all(await open(`file://${made.folder}#main:d`))).toEqual([
      'f 644 0:0 n/b = B',
      'f 755 0:0 n/run = #!/bin/sh\n',
    ]);
  });

  it.each(['no', 'a', 'out', '../..', '.git'])('has no folder %s', async (folder) => {
    const text = `file://${made.folder}#main:${folder}`;
    // Above its root is its root.
    if (folder === '../..') expect(await (await open(text)).list('')).toContain('a');
    else await expect(open(text)).rejects.toMatchObject({ code: 'OCISLIM_INPUT_NOT_FOUND' });
  });

  it('has .git where that is asked for, and only then', async () => {
    expect(await (await open(`file://${made.folder}`)).lookup('.git/HEAD')).toBeUndefined();
    const kept = await open(`file://${made.folder}`, { keepGitDir: true });
    expect(await kept.lookup('.git/HEAD')).toMatchObject({ type: 'file' });
  });

  it.each(['nothing', 'refs/heads/nothing', '0'.repeat(40)])('has no %s', async (ref) => {
    await expect(open(`file://${made.folder}#${ref}`)).rejects.toMatchObject({
      code: 'OCISLIM_INPUT_NOT_FOUND',
      message: expect.stringContaining(ref),
    });
  });

  it('is held to a checksum', async () => {
    await open(`file://${made.folder}`, { checksum: made.second });
    await open(`file://${made.folder}`, { checksum: made.second.slice(0, 12) });
    for (const checksum of [made.first, made.second.slice(0, 3), ''])
      await expect(open(`file://${made.folder}`, { checksum })).rejects.toMatchObject({
        code: 'OCISLIM_DIGEST_MISMATCH',
      });
  });

  it('on this machine is refused', async () => {
    await expect(open(`file://${made.folder}`, { allowsFiles: false })).rejects.toThrow(
      /transport 'file' not allowed/,
    );
  });

  it('brings its modules', async () => {
    const folder = sourceFolder({ x: 'X' });
    git(folder, 'init', '-q', '-b', 'main');
    git(folder, 'submodule', '--quiet', 'add', `file://${made.folder}`, 'module');
    git(folder, 'add', '.');
    git(folder, 'commit', '-qm', 'first');
    const tree = await open(`file://${folder}`);
    expect(await tree.list('module')).toEqual(['a', 'd', 'link', 'out']);
  });

  it('runs nothing, whatever the user has configured or it brings', async () => {
    const trap = join(tempDir(), 'trap');
    const home = sourceFolder({
      '.gitconfig': `[core]\n\tfsmonitor = touch ${trap}\n\thooksPath = hooks\n[filter "x"]\n\tsmudge = touch ${trap}\n`,
      'template/hooks/post-checkout': `#!/bin/sh\ntouch ${trap}\n`,
    });
    const folder = sourceFolder({
      '.gitattributes': '* filter=x\n',
      'hooks/post-checkout': `#!/bin/sh\ntouch ${trap}\n`,
      '.gitconfig': `[filter "x"]\n\tsmudge = touch ${trap}\n`,
    });
    git(folder, 'init', '-q', '-b', 'main');
    git(folder, 'add', '.');
    git(folder, 'commit', '-qm', 'first');
    const hostile = { ...env, HOME: home, XDG_CONFIG_HOME: home, GIT_TEMPLATE_DIR: join(home, 'template') };
    await open(`file://${folder}`, {
      env: { ...hostile, GIT_CONFIG_GLOBAL: join(home, '.gitconfig'), GIT_SSH_COMMAND: `touch ${trap}` },
    });
    expect(existsSync(trap)).toBe(false);
  });

  it('needs git', async () => {
    await expect(open('https://example.com/a.git', { env: { PATH: '/nowhere' } })).rejects.toMatchObject({
      code: 'OCISLIM_TOOLCHAIN_MISSING',
    });
  });

  it('gives its password to its own host alone, and to nobody else who looks', async () => {
    git(made.folder, 'update-server-info');
    const files = join(made.folder, '.git');
    const pair = `Basic ${Buffer.from('me:hush!').toString('base64')}`;
    const server = await httpServer(({ path, headers }) => {
      if (headers.authorization !== pair)
        return { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } };
      const file = join(files, path.replace(/^\/a\.git/, '').replace(/\?.*/, ''));
      return existsSync(file) && statSync(file).isFile() ? { body: readFileSync(file) } : undefined;
    });
    const base = tempDir();
    const url = `http://me:hush%21@${server.host}/a.git`;
    const tree = await open(url, { temporaryFolder: async () => join(base, 'work'), keepGitDir: true });
    expect((await all(tree)).at(-1)).toBeDefined();
    expect(readFileSync(join(base, 'work/repository/.git/config'), 'utf8')).not.toContain('hush');
    const error = await open(`http://me:wrong@${server.host}/a.git`).catch((thrown: Error) => thrown);
    expect(JSON.stringify([error, (error as Error).message])).not.toContain('wrong');
  });
});

it('puts a repository under the destination of ADD', async () => {
  const remotes = openRemotes(await testContext({ env }), { allowsFiles: true });
  const request = {
    kind: 'add',
    sources: [`file://${made.folder}#v1:d`],
    destination: '/n',
    workdir: '/',
    created: 0,
    chown: '5:5',
  } as const;
  const entries = await planCopy(request, treeOf({}), new Tree(), { remotes });
  expect(await linesOf(entries)).toEqual([
    'd 755 5:5 n',
    'f 644 5:5 n/b = B',
    'f 755 5:5 n/run = #!/bin/sh\n',
  ]);
});
