import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Linkage, readLinkage } from '../../src/elf/linkage.ts';
import { elfLibrary } from '../support/elf-library.ts';

const LARGEST_READ = 256 * 1024;

/** Gives pieces of `bytes`, and fails the test on a request that no file can answer or that would fill the memory. */
const linkageOf = (bytes: Buffer) =>
  readLinkage(async (offset, length) => {
    expect(Number.isSafeInteger(offset) && offset >= 0, `offset ${offset}`).toBe(true);
    expect(length > 0 && length <= LARGEST_READ, `length ${length}`).toBe(true);
    return bytes.subarray(offset, offset + length);
  });

const LIBRARY: Linkage = {
  needed: ['libc.so.6', 'libz.so.1'],
  soname: 'libx.so.1',
  rpath: ['/opt/lib', '$ORIGIN/../lib'],
  runpath: ['/run'],
  versionsNeeded: { 'libc.so.6': ['GLIBC_2.34', 'GLIBC_2.2.5'], 'libz.so.1': ['ZLIB_1.2'] },
  versionsDefined: ['X_1.0', 'X_2.0'],
};

describe('what a library is linked with', () => {
  it.each([
    [32, 'little'],
    [32, 'big'],
    [64, 'little'],
    [64, 'big'],
  ] as const)('is read with %i bits, %s-endian', async (bits, endianness) => {
    expect(await linkageOf(elfLibrary(LIBRARY, { bits, endianness }))).toEqual(LIBRARY);
  });

  it('leaves out versions that may be missing', async () => {
    const weak = elfLibrary(LIBRARY, { weak: ['GLIBC_2.34'] });
    expect((await linkageOf(weak))?.versionsNeeded['libc.so.6']).toEqual(['GLIBC_2.2.5']);
  });

  it('is nothing in a static program, and in what is no ELF', async () => {
    expect(await linkageOf(Buffer.from('#!/bin/sh'))).toBeUndefined();
    expect(await linkageOf(readFileSync(new URL('../../testdata/hello', import.meta.url)))).toBeUndefined();
  });

  it('never fails and never reads much, whatever was changed', async () => {
    const bytes = elfLibrary(LIBRARY);
    const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.constantFrom(0, 1, 3, 0x7f, 0x80, 0xff));
    const numRuns = Number(process.env['OCISLIM_TEST_RANDOM'] ?? 500);
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 12 }),
        fc.nat({ max: bytes.length }),
        async (changes, cut) => {
          const changed = Buffer.from(cut % 4 === 0 ? bytes.subarray(0, cut) : bytes);
          for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
          const linkage = await linkageOf(changed);
          for (const each of linkage?.needed ?? []) expect(each.length).toBeLessThan(4096);
        },
      ),
      { numRuns, seed: 1 },
    );
  }, 600_000);
});

/** Programs and libraries that most Linux machines have. */
const REAL = [
  process.execPath,
  '/bin/sh',
  '/lib/x86_64-linux-gnu/libm.so.6',
  '/lib/x86_64-linux-gnu/libstdc++.so.6',
  '/usr/lib/libstdc++.so.6',
];
const hasReadelf = ['/usr/bin/readelf', '/usr/local/bin/readelf'].some(existsSync);

describe.skipIf(!hasReadelf)('what readelf (from binutils) says', () => {
  it.each(REAL.filter(existsSync))('of %s is what is read', async (path) => {
    const linkage = await linkageOf(readFileSync(path));
    const dynamic = execFileSync('readelf', ['-dW', path]).toString();
    const values = (tag: string) =>
      [...dynamic.matchAll(new RegExp(`\\(${tag}\\).*\\[(.*)\\]`, 'g'))].map(([, value]) => value);
    expect(linkage?.needed).toEqual(values('NEEDED'));
    expect(linkage?.soname).toBe(values('SONAME')[0]);
    const [, defined = '', needed = ''] =
      /^([\s\S]*?)(Version needs section[\s\S]*)?$/.exec(
        execFileSync('readelf', ['-VW', path], { maxBuffer: 64e6 })
          .toString()
          .replace(/^[\s\S]*?(?=Version (?:definition|needs) section)/, ''),
      ) ?? [];
    const definitions = [...defined.matchAll(/Flags: (\S+).*?Index:.*?Name: (\S+)/g)].filter(
      ([, flags]) => flags !== 'BASE',
    );
    expect(linkage?.versionsDefined).toEqual(definitions.map(([, , name]) => name));
    const files = [...needed.matchAll(/File: (\S+)/g)].map(([, file]) => file);
    expect(Object.keys(linkage?.versionsNeeded ?? {}).sort()).toEqual(files.sort());
    const names = [...needed.matchAll(/Name: (\S+)\s+Flags: (\S+)/g)].filter(
      ([, , flags]) => flags !== 'WEAK',
    );
    expect(
      Object.values(linkage?.versionsNeeded ?? {})
        .flat()
        .sort(),
    ).toEqual(names.map(([, name]) => name).sort());
  });
});
