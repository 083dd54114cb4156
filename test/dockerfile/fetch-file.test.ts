import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { planCopy } from '../../src/dockerfile/copy.ts';
import { copyKey } from '../../src/dockerfile/copy-key.ts';
import type { CopyRequest } from '../../src/dockerfile/copy-request.ts';
import { fetchFile, fileNameOf } from '../../src/dockerfile/fetch-file.ts';
import { openRemotes } from '../../src/dockerfile/open-remotes.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { createTransport } from '../../src/registry/transport.ts';
import { Tree } from '../../src/rootfs/tree.ts';
import { testContext } from '../support/context.ts';
import { linesOf, treeOf } from '../support/file-trees.ts';
import { type Answer, deadHost, httpServer, type Script } from '../support/http-server.ts';
import { directory, END, member } from '../support/tars.ts';

const archive = gzipSync(Buffer.concat([directory('d'), member('d/f', 'F'), END]));

async function add(script: Script, path: string, more: Partial<CopyRequest> = {}) {
  const server = await httpServer(script);
  const context = await testContext();
  const transport = createTransport();
  const registry = async () => ({ send: transport.send }) as Registry;
  const remotes = openRemotes({ ...context, registry });
  const request: CopyRequest = {
    kind: 'add',
    sources: [`${server.url}${path}`],
    destination: '/n/',
    workdir: '/',
    created: 1,
    ...more,
  };
  const options = { remotes, temporaryFile: () => context.store.temporaryFile() };
  try {
    await copyKey(request, treeOf({}), options);
    return { lines: await linesOf(await planCopy(request, treeOf({}), new Tree(), options)), server };
  } finally {
    await remotes.close();
  }
}

const ok = (body: string | Buffer) => (): Answer => ({ body });

describe('ADD of a URL', () => {
  it('makes a file that is root’s alone, and asks once', async () => {
    const { lines, server } = await add(ok('content'), '/path/file.txt?query');
    expect(lines).toEqual(['d 755 0:0 n', 'f 600 0:0 n/file.txt = content']);
    expect(server.lines()).toEqual(['GET /path/file.txt?query']);
    expect(server.seen[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('takes a name, an owner and a mode', async () => {
    const { lines } = await add(ok('x'), '/f', { destination: '/m', chown: '1:2', chmod: '755' });
    expect(lines).toEqual(['f 755 1:2 m = x']);
  });

  it('does not unpack, unless it is told to', async () => {
    expect((await add(ok(archive), '/a.tgz')).lines[1]).toMatch(/^f 600 0:0 n\/a\.tgz = /);
    expect((await add(ok(archive), '/a.tgz', { unpack: true })).lines).toEqual([
      'd 755 0:0 n',
      'd 755 0:0 n/d',
      'f 644 0:0 n/d/f = F',
    ]);
  });

  it('checks the checksum', async () => {
    const checksum = sha256(Buffer.from('x'));
    expect((await add(ok('x'), '/f', { checksum })).lines).toHaveLength(2);
    const longer = `sha512:${createHash('sha512').update('x').digest('hex')}`;
    expect((await add(ok('x'), '/f', { checksum: longer })).lines).toHaveLength(2);
    await expect(add(ok('y'), '/f', { checksum: longer })).rejects.toThrow(longer);
    await expect(add(ok('y'), '/f', { checksum })).rejects.toMatchObject({ code: 'OCISLIM_DIGEST_MISMATCH' });
    for (const wrong of ['sha256:00', 'md5:00', 'x', checksum.toUpperCase()])
      await expect(add(ok('x'), '/f', { checksum: wrong })).rejects.toThrow(`--checksum=${wrong}`);
  });

  it.each([
    [404, 'OCISLIM_INPUT_NOT_FOUND'],
    [410, 'OCISLIM_INPUT_NOT_FOUND'],
    [401, 'OCISLIM_UNAUTHORIZED'],
    [403, 'OCISLIM_UNAUTHORIZED'],
    [418, 'OCISLIM_REGISTRY_FAILED'],
    [206, 'OCISLIM_REGISTRY_FAILED'],
  ])('fails at an answer of %d', async (status, code) => {
    await expect(add(() => ({ status, body: 'no' }), '/f')).rejects.toMatchObject({ code });
  });

  it('follows redirects, and names the file by what was asked for', async () => {
    const script: Script = ({ path }) =>
      path === '/f' ? { status: 302, headers: { location: '/other/place' } } : { body: 'there' };
    expect((await add(script, '/f')).lines[1]).toBe('f 600 0:0 n/f = there');
  });

  it('follows no redirect that goes on for ever, or to a file', async () => {
    await expect(add(() => ({ status: 302, headers: { location: '/f' } }), '/f')).rejects.toThrow(
      'redirects',
    );
    await expect(
      add(() => ({ status: 302, headers: { location: 'file:///etc/passwd' } }), '/f'),
    ).rejects.toThrow('redirects');
  });
});

describe('fetching', () => {
  const fetched = async (url: string, more: Partial<Parameters<typeof fetchFile>[1]> = {}) => {
    const { store } = await testContext();
    const transport = createTransport();
    try {
      return await fetchFile(url, { store, send: transport.send, sleep: async () => {}, ...more });
    } finally {
      await transport.close();
    }
  };

  it('begins again when an answer breaks off, and gives up in the end', async () => {
    let asked = 0;
    const flaky = await httpServer(() => ({ body: 'content', ...(asked++ === 0 ? { cutAfter: 3 } : {}) }));
    expect((await fetched(`${flaky.url}/f`)).size).toBe(7);
    const broken = await httpServer(() => ({ body: 'content', cutAfter: 3 }));
    await expect(fetched(`${broken.url}/f`)).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_UNREACHABLE' });
    expect(broken.seen).toHaveLength(3);
  });

  it('tries again what may pass', async () => {
    let asked = 0;
    const busy = await httpServer(() => (asked++ === 0 ? { status: 503 } : { body: 'x' }));
    expect((await fetched(`${busy.url}/f`)).size).toBe(1);
  });

  it('names a host that does not answer', async () => {
    const host = await deadHost();
    await expect(fetched(`http://${host}/f`)).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_UNREACHABLE',
      message: expect.stringContaining(host),
    });
  });

  it('stops at its limit', async () => {
    const server = await httpServer(ok('x'.repeat(100)));
    await expect(fetched(`${server.url}/f`, { sizeLimit: 99 })).rejects.toThrow('more than 99 bytes');
    expect((await fetched(`${server.url}/f`, { sizeLimit: 100 })).size).toBe(100);
  });

  it('shows a password to its own server alone, and in no message', async () => {
    const other = await httpServer(ok('x'));
    const own = await httpServer(({ path }) =>
      path === '/away' ? { status: 302, headers: { location: `${other.url}/f` } } : { status: 404 },
    );
    const url = (path: string) => `http://me:hush%21@${own.host}${path}`;
    await fetched(url('/away'));
    const pair = `Basic ${Buffer.from('me:hush!').toString('base64')}`;
    expect(own.seen[0]?.headers.authorization).toBe(pair);
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
    const error: Error = await fetched(url('/gone')).then(
      () => new Error('there'),
      (thrown) => thrown,
    );
    expect(error.message).toBe(`http://***@${own.host}/gone: not there (404)`);
  });

  it.each([
    ['http://h/a/b.txt', 'b.txt'],
    ['http://h/a/b.txt?x=/y/z#f', 'b.txt'],
    ['http://h/a%20b', 'a b'],
    ['http://h/a/', 'a'],
    ['http://h/', '__unnamed__'],
    ['http://h', '__unnamed__'],
    ['http://h/x%2f..', '__unnamed__'],
    ['http://h/x%2fy', 'y'],
    ['http://h/%00', '__unnamed__'],
    ['http://h/%zz', '%zz'],
  ])('calls the file of %s %s', (url, name) => {
    expect(fileNameOf(new URL(url))).toBe(name);
  });
});

it('fetches nothing offline', async () => {
  const remotes = openRemotes(await testContext({ offline: true }));
  await expect(remotes.file('http://127.0.0.1:1/f', {})).rejects.toThrow('--offline');
  await expect(remotes.git('http://127.0.0.1:1/f.git', {})).rejects.toThrow('--offline');
});
