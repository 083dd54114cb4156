import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Linkage } from '../../src/elf/linkage.ts';
import type { Facility } from '../../src/elf/program.ts';
import type { FileSource } from '../../src/pack/file-source.ts';
import { BroughtFiles, bringLibraries, bringTimeZones } from '../../src/pack/libraries.ts';
import { type Files, linked, treeOf } from '../support/trees.ts';

const INTERPRETER = '/lib64/ld-linux-x86-64.so.2';
const MTIME = 7;
const debian = {
  'lib64/ld-linux-x86-64.so.2': '-> ../usr/lib/x86_64-linux-gnu/ld.so',
  'usr/lib/x86_64-linux-gnu/ld.so': {},
  'usr/lib/x86_64-linux-gnu/libc.so.6': {},
} as const;

function sourceOf(files: Files): FileSource {
  return { name: 'the source', view: treeOf(files), open: async (path) => Readable.from([path]) };
}

/** What comes into an image with `files` for `/usr/local/bin/app`, which is `/src/bin/app` at its source. */
async function brought(
  linkage: Partial<Linkage>,
  source: Files,
  present: Files = {},
  uses: readonly Facility[] = [],
) {
  const elf = { interpreter: INTERPRETER, linkage: linked(linkage), uses };
  const tree = treeOf({ ...present, 'usr/local/bin/app': linkage });
  const dependent = { dest: '/usr/local/bin/app', path: '/src/bin/app', elf };
  const whole = sourceOf({ ...source, 'src/bin/app': linkage });
  const files = new BroughtFiles(whole, MTIME);
  const findings = await bringLibraries(dependent, tree, {}, files);
  const entries = files.entries();
  const rows = entries.map(({ path, linkname }) =>
    linkname === undefined ? path : `${path} -> ${linkname}`,
  );
  return { rows: rows.sort(), rules: findings.map(({ rule }) => rule), entries };
}
const rows = async (...args: Parameters<typeof brought>) => (await brought(...args)).rows;

describe('libraries that are brought along', () => {
  it('are the loader and what is needed, where the loader looks for it', async () => {
    const source = { ...debian, 'usr/lib/x86_64-linux-gnu/libother.so': {} };
    const { rows, entries } = await brought({ needed: ['libc.so.6'] }, source);
    expect(rows).toEqual(['lib64/ld-linux-x86-64.so.2', 'usr/lib/x86_64-linux-gnu/libc.so.6']);
    for (const { type, mode, uid, gid, mtime } of entries)
      expect({ type, mode, uid, gid, mtime }).toEqual({
        type: 'file',
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: MTIME,
      });
  });

  it('include what libraries need', async () => {
    const source = {
      ...debian,
      'usr/lib/x86_64-linux-gnu/liba.so': { needed: ['libb.so'] },
      'lib/libb.so': {},
    };
    expect(await rows({ needed: ['liba.so'] }, source)).toEqual([
      'lib/libb.so',
      'lib64/ld-linux-x86-64.so.2',
      'usr/lib/x86_64-linux-gnu/liba.so',
    ]);
  });

  it('are none where the image has all', async () => {
    expect(await rows({ needed: ['libc.so.6'] }, debian, debian)).toEqual([]);
  });

  it('are only those that the image lacks, beside its own C library', async () => {
    const fedora = { 'lib64/ld-linux-x86-64.so.2': {}, 'lib64/libc.so.6': {} };
    const source = { ...debian, 'usr/lib/x86_64-linux-gnu/libz.so.1': {} };
    expect(await rows({ needed: ['libc.so.6', 'libz.so.1'] }, source, fedora)).toEqual(['lib64/libz.so.1']);
  });

  it('are not those that were added to the image, but what those need', async () => {
    const files = { 'usr/local/lib/libown.so': { needed: ['libz.so.1'] } };
    const source = { ...debian, 'usr/lib/x86_64-linux-gnu/libz.so.1': {} };
    expect(await rows({ needed: ['libown.so'], runpath: ['$ORIGIN/../lib'] }, source, files)).toEqual([
      'lib64/ld-linux-x86-64.so.2',
      'usr/lib/x86_64-linux-gnu/libz.so.1',
    ]);
  });

  it('that only the configuration of the source leads to go beside the C library', async () => {
    const source = { ...debian, 'etc/ld.so.conf': '/opt/vendor\n', 'opt/vendor/libv.so': {} };
    expect(await rows({ needed: ['libc.so.6', 'libv.so'] }, source)).toEqual([
      'lib64/ld-linux-x86-64.so.2',
      'usr/lib/x86_64-linux-gnu/libc.so.6',
      'usr/lib/x86_64-linux-gnu/libv.so',
    ]);
  });

  it('that are named by $ORIGIN move with the program, and those by a path stay', async () => {
    const source = {
      ...debian,
      'src/lib/liba.so': { needed: ['libb.so'], runpath: ['$ORIGIN/deep'] },
      'src/lib/deep/libb.so': {},
      'opt/here/libc.so': {},
    };
    const linkage = { needed: ['liba.so', 'libc.so'], runpath: ['$ORIGIN/../lib', '/opt/here'] };
    expect(await rows(linkage, source)).toEqual([
      'lib64/ld-linux-x86-64.so.2',
      'opt/here/libc.so',
      'usr/local/lib/deep/libb.so',
      'usr/local/lib/liba.so',
    ]);
  });

  it('that are one file under two names become a file and a link', async () => {
    const source = { ...debian, 'lib/libx.so.1': {}, 'lib/libx.so': '-> libx.so.1' };
    expect(await rows({ needed: ['libx.so.1', 'libx.so'] }, source)).toEqual([
      'lib/libx.so -> libx.so.1',
      'lib/libx.so.1',
      'lib64/ld-linux-x86-64.so.2',
    ]);
  });

  it('are all named where the source does not have them', async () => {
    await expect(rows({ needed: ['liba.so', 'libb.so'] }, debian)).rejects.toThrow(
      '/usr/local/bin/app needs liba.so, libb.so, which the source does not have',
    );
    await expect(rows({ needed: ['liba.so'] }, {})).rejects.toThrow(`needs ${INTERPRETER}, liba.so, which`);
  });

  it('come with a word about what may be loaded later', async () => {
    expect((await brought({ needed: ['libc.so.6'] }, debian, {}, ['dlopen'])).rules).toEqual([
      'loads-at-run-time',
    ]);
    expect((await brought({ needed: ['libc.so.6'] }, debian)).rules).toEqual([]);
  });
});

describe('time zones that are brought along', () => {
  it('are those of the source, without the other ways to count', async () => {
    const source = sourceOf({
      'usr/share/zoneinfo/UTC': 'x',
      'usr/share/zoneinfo/Zulu': '-> UTC',
      'usr/share/zoneinfo/Europe/Berlin': 'x',
      'usr/share/zoneinfo/right/UTC': 'x',
      'usr/share/zoneinfo/posix/UTC': 'x',
    });
    const files = new BroughtFiles(source, MTIME);
    await bringTimeZones(files);
    const entries = files.entries();
    expect(entries.map(({ path, linkname }) => [path, linkname]).sort()).toEqual([
      ['usr/share/zoneinfo/Europe/Berlin', undefined],
      ['usr/share/zoneinfo/UTC', undefined],
      ['usr/share/zoneinfo/Zulu', 'UTC'],
    ]);
  });

  it('are an error where the source has none', async () => {
    await expect(bringTimeZones(new BroughtFiles(sourceOf({}), MTIME))).rejects.toThrow(
      '--with-tzdata: the source has no time zones',
    );
  });
});
