import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { layerMediaType } from '#oci-spec-types';
import { compress } from '../../src/layer/compression.ts';
import { readToc } from '../../src/layer/read-toc.ts';
import { tarStream } from '../../src/layer/tar-writer.ts';
import { decodeToc, encodeToc } from '../../src/layer/toc.ts';
import { file, folder, symlink } from '../support/entries.ts';
import { bytesOf, streamOf } from '../support/streams.ts';

const ENTRIES = [
  folder('bin'),
  file('bin/app', 'x'.repeat(1000), { mode: 0o755 }),
  { path: 'bin/same', type: 'hardlink', mode: 0o755, uid: 0, gid: 0, mtime: 0, linkname: 'bin/app' } as const,
  symlink('sh', 'bin/app'),
];

describe('readToc', () => {
  it.each(['gzip', 'zstd', 'none'] as const)('reads a layer in %s', async (kind) => {
    const tar = await bytesOf(tarStream(ENTRIES));
    const { diffId, toc } = await readToc(compress(streamOf(tar), { kind }), layerMediaType(kind));
    expect(diffId).toBe(`sha256:${createHash('sha256').update(tar).digest('hex')}`);
    expect(toc).toMatchObject({ tarSize: tar.length, ended: true });
    expect(toc.members.map((member) => member.path)).toEqual(['bin', 'bin/app', 'sh', 'bin/same']);
  });

  it('counts files and link targets, hard links once, as Docker does', async () => {
    const { toc } = await readToc(tarStream(ENTRIES), layerMediaType('none'));
    expect(toc.contentSize).toBe(1000 + 'bin/app'.length);
  });

  it('refuses what is no layer', async () => {
    await expect(readToc(streamOf(Buffer.from('{}')), 'application/vnd.in-toto+json')).rejects.toMatchObject({
      code: 'OCISLIM_DOCUMENT_INVALID',
    });
  });
});

describe('encodeToc', () => {
  it('comes back as it was', async () => {
    const { toc } = await readToc(tarStream(ENTRIES), layerMediaType('none'));
    expect(decodeToc(encodeToc(toc))).toEqual(toc);
    const [first, ...others] = toc.members;
    if (first === undefined) throw new Error('no member');
    const marked = { ...first, xattrs: new Map([['security.capability', Buffer.from([1, 0, 255])]]) };
    const whole = { ...toc, members: [marked, ...others] };
    expect(decodeToc(encodeToc(whole))).toEqual(whole);
  });

  it.each(['', 'null', '{}', '{"form":0,"members":[]}', '{"form":1,"members":[null]}', '{"form":1'])(
    'gives nothing for %j, so that the layer is read again',
    (text) => {
      expect(decodeToc(Buffer.from(text))).toBeUndefined();
    },
  );
});
