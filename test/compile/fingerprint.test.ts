import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { copySource } from '../../src/compile/copy.ts';
import { type FingerprintOptions, fingerprint } from '../../src/compile/fingerprint.ts';
import { sourceFolder } from '../support/sources.ts';
import { tempDir } from '../support/temp.ts';

const files = { 'a.c': 'a', 'b/c.h': 'c', link: '-> b', run: '#!/bin/sh\n' };

const leavings = [{ name: 'target', beside: 'a.c' }];

async function changes(
  change: (folder: string) => void,
  options: FingerprintOptions = {},
): Promise<'same' | 'other'> {
  const folder = sourceFolder(files);
  const before = await fingerprint(folder, options);
  change(folder);
  return (await fingerprint(folder, options)) === before ? 'same' : 'other';
}

describe('the fingerprint of a source', () => {
  it('is the same wherever the source is and whenever it was written', async () => {
    const other = sourceFolder(Object.fromEntries(Object.entries(files).reverse()));
    utimesSync(join(other, 'a.c'), 1, 1);
    expect(await fingerprint(other)).toBe(await fingerprint(sourceFolder(files)));
  });

  it.each<[string, (folder: string) => void]>([
    ['a content', (folder) => writeFileSync(join(folder, 'a.c'), 'b')],
    ['an executable bit', (folder) => chmodSync(join(folder, 'run'), 0o644)],
    ['a name', (folder) => renameSync(join(folder, 'a.c'), join(folder, 'd.c'))],
    ['a folder', (folder) => renameSync(join(folder, 'b'), join(folder, 'B'))],
    [
      'an empty folder',
      (folder) => sourceFolder({}, folder) && execFileSync('mkdir', [join(folder, 'empty')]),
    ],
    ['a file more', (folder) => writeFileSync(join(folder, 'e.c'), '')],
    ['a file less', (folder) => rmSync(join(folder, 'b/c.h'))],
    ['where a link leads', (folder) => execFileSync('ln', ['-sfn', 'a.c', join(folder, 'link')])],
  ])('changes with %s', async (_, change) => {
    expect(await changes(change)).toBe('other');
  });

  it.each<[string, (folder: string) => void]>([
    ['a time', (folder) => utimesSync(join(folder, 'a.c'), 1, 1)],
    ['the rights of others', (folder) => chmodSync(join(folder, 'a.c'), 0o600)],
    ['what git keeps', (folder) => sourceFolder({ '.git/HEAD': 'x', 'b/.git': 'x' }, folder)],
    ['what compiling leaves', (folder) => sourceFolder({ 'target/x.jar': 'x' }, folder)],
  ])('does not change with %s', async (_, change) => {
    expect(await changes(change, { leavings })).toBe('same');
  });

  it('changes with a folder of the name of one that is left out, elsewhere', async () => {
    const change = (folder: string) => sourceFolder({ 'b/target/x.rs': 'x' }, folder);
    expect(await changes(change, { leavings })).toBe('other');
  });

  it('changes with a file out of the source that a link leads to', async () => {
    const outside = sourceFolder({ file: 'a' });
    const folder = sourceFolder({ link: `-> ${outside}/file` });
    const before = await fingerprint(folder);
    writeFileSync(join(outside, 'file'), 'b');
    expect(await fingerprint(folder)).not.toBe(before);
  });

  it('is that of the files that are named, where some are', async () => {
    const change = (folder: string) => writeFileSync(join(folder, 'b/c.h'), 'other');
    expect(await changes(change, { files: ['a.c'] })).toBe('same');
    expect(await changes(change, { files: ['a.c', 'b/c.h'] })).toBe('other');
  });

  it('is refused where there is a FIFO or a name that is not UTF-8', async () => {
    const folder = sourceFolder(files);
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    await expect(fingerprint(folder)).rejects.toMatchObject({
      code: 'OCISLIM_INPUT_INVALID',
      message: 'fifo: neither file, folder nor link',
    });
    const other = sourceFolder(files);
    writeFileSync(Buffer.concat([Buffer.from(`${other}/`), Buffer.from([0xff, 0xfe])]), '');
    await expect(fingerprint(other)).rejects.toMatchObject({ code: 'OCISLIM_INPUT_INVALID' });
  });

  it('tells sources apart whatever their names and contents are', async () => {
    const name = fc.stringMatching(/^[a-c":,\n]{1,4}$/);
    const tree = fc.dictionary(name, fc.string({ maxLength: 3 }), { noNullPrototype: true, maxKeys: 3 });
    const plain = (each: Record<string, string>) =>
      Object.values(each).every((text) => !/^(->|#!)/.test(text));
    await fc.assert(
      fc.asyncProperty(tree.filter(plain), tree.filter(plain), async (a, b) => {
        const [one, two] = [await fingerprint(sourceFolder(a)), await fingerprint(sourceFolder(b))];
        const sorted = (each: object) => JSON.stringify(Object.entries(each).sort());
        expect(one === two).toBe(sorted(a) === sorted(b));
      }),
      { numRuns: 60 },
    );
  });
});

describe('the memo of a fingerprint', () => {
  async function remembered(): Promise<{ folder: string; memo: string }> {
    const folder = sourceFolder({ 'a.c': 'a' });
    const memo = join(tempDir(), 'memo.json');
    await fingerprint(folder, { memo });
    return { folder, memo };
  }

  function stampOf(path: string): string {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  }

  it('remembers nothing that was written a moment ago', async () => {
    const { memo } = await remembered();
    expect(() => statSync(memo)).toThrow();
  });

  it('remembers what was written a while ago', async () => {
    const { folder, memo } = await remembered();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
    await fingerprint(folder, { memo }).finally(() => vi.useRealTimers());
    const hash = createHash('sha256').update('a').digest('hex');
    expect(JSON.parse(readFileSync(memo, 'utf8'))).toEqual([['a.c', [stampOf(join(folder, 'a.c')), hash]]]);
  });

  it('spares the reading of what has not changed, and of nothing else', async () => {
    const { folder, memo } = await remembered();
    const path = join(folder, 'a.c');
    const known = 'f'.repeat(64);
    writeFileSync(memo, JSON.stringify([['a.c', [stampOf(path), known]]]));
    const read = await fingerprint(folder);
    expect(await fingerprint(folder, { memo })).not.toBe(read);
    writeFileSync(memo, JSON.stringify([['a.c', [stampOf(path), known]]]));
    chmodSync(path, 0o600);
    expect(await fingerprint(folder, { memo })).toBe(read);
  });

  it('is passed over when it is damaged', async () => {
    const { folder, memo } = await remembered();
    const read = await fingerprint(folder);
    const stamp = stampOf(join(folder, 'a.c'));
    for (const text of [
      '',
      '{',
      '7',
      '[["a.c",[1,2]]]',
      `[["a.c",["${stamp}","short"]]]`,
      '[null,["a.c"]]',
    ]) {
      writeFileSync(memo, text);
      expect(await fingerprint(folder, { memo }), text).toBe(read);
    }
  });
});

it('a copy has the fingerprint of its source', async () => {
  const source = { folder: sourceFolder({ ...files, '.git/HEAD': '', 'target/x': '', 'b/target/y': '' }) };
  const copy = join(tempDir(), 'copy');
  await copySource(source, { leavings }, {}, copy);
  expect(await fingerprint(copy)).toBe(await fingerprint(source.folder, { leavings }));
  expect(existsSync(join(copy, 'target'))).toBe(false);
  expect(existsSync(join(copy, 'b/target/y'))).toBe(true);
  const part = join(tempDir(), 'part');
  await copySource(source, { leavings: [] }, { files: ['b/c.h'] }, part);
  expect(await fingerprint(part)).toBe(await fingerprint(sourceFolder({ 'b/c.h': 'c' })));
});
