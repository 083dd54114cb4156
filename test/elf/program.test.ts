import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { armVersion } from '../../src/elf/arm.ts';
import { openElf } from '../../src/elf/file.ts';
import { readGoBuildInfo } from '../../src/elf/go.ts';
import { describeElf } from '../../src/elf/program.ts';
import { readRustCrates } from '../../src/elf/rust.ts';
import { debugBytes, findTexts, readSections, type Section } from '../../src/elf/sections.ts';
import { elfProgram } from '../support/elf.ts';
import { elfLibrary } from '../support/elf-library.ts';
import { type AddedSection, armAttributes, goBuildInfo, withSections } from '../support/elf-sections.ts';

const LARGEST_READ = 4 * 1024 * 1024;

/** Gives pieces of `bytes`, and fails the test on a request that no file can answer or that would fill the memory. */
const readerOf = (bytes: Buffer) => async (offset: number, length: number) => {
  expect(Number.isSafeInteger(offset) && offset >= 0, `offset ${offset}`).toBe(true);
  expect(length >= 0 && length <= LARGEST_READ, `length ${length}`).toBe(true);
  return bytes.subarray(offset, offset + length);
};
const describeBytes = (bytes: Buffer) => describeElf(readerOf(bytes));
const withAll = (...sections: readonly AddedSection[]) => withSections(elfProgram(), sections);
const text = (name: string, content: string, more: Partial<AddedSection> = {}): AddedSection => {
  return { name, content: Buffer.from(content, 'latin1'), ...more };
};

async function sectionsOf(bytes: Buffer): Promise<readonly Section[]> {
  const file = await openElf(readerOf(bytes));
  if (file === undefined) throw new Error('no ELF');
  return readSections(readerOf(bytes), file);
}

const MODULES = [
  'path\texample.com/app/cmd/app',
  'mod\texample.com/app\t(devel)\t',
  'dep\tgolang.org/x/net\tv0.20.0\th1:abc=',
  'dep\texample.com/old\tv1.0.0',
  '=>\texample.com/new\tv1.1.0\th1:def=',
  'build\tGOARCH=arm',
  'build\tGOARM=6',
  'build\t-ldflags="-X main.version=1 -s"',
  '',
].join('\n');

describe('sections', () => {
  it('are found by name', async () => {
    const bytes = withAll(text('.rodata', 'abc', { isLoaded: true }), text('.debug_info', '12345'));
    const sections = await sectionsOf(bytes);
    expect(sections.map(({ name, size, isLoaded }) => [name, size, isLoaded])).toEqual([
      ['', 0, false],
      ['.rodata', 3, true],
      ['.debug_info', 5, false],
      ['.shstrtab', 31, false],
    ]);
  });

  it('count as debug data only where stripping takes them away', async () => {
    const debug = [text('.debug_info', '12345'), text('.zdebug_line', '1234'), text('.comment', '123')];
    expect(debugBytes(await sectionsOf(withAll(...debug)))).toBe(9);
    const symbols = [text('.symtab', '12', { type: 2 }), text('.strtab', '1', { type: 3 })];
    expect(debugBytes(await sectionsOf(withAll(...debug, ...symbols)))).toBe(12);
    expect(debugBytes(await sectionsOf(withAll(text('.strtab', '1', { type: 3 }))))).toBe(0);
  });

  it('are none in a program without a table, or with a damaged one', async () => {
    expect(await sectionsOf(elfProgram())).toEqual([]);
    const damaged = withAll(text('.rodata', 'abc'));
    damaged.writeBigUInt64LE(2n ** 62n, 40);
    expect(await sectionsOf(damaged)).toEqual([]);
  });

  it('are searched across the borders of the pieces that are read', async () => {
    const mebibyte = 1024 * 1024;
    const bytes = Buffer.alloc(3 * mebibyte);
    bytes.write('needle', mebibyte - 3);
    bytes.write('thread', 2 * mebibyte - 1);
    const part = { offset: 0, size: bytes.length };
    const found = await findTexts(readerOf(bytes), part, ['needle', 'thread', 'hay']);
    expect([...found].sort()).toEqual(['needle', 'thread']);
  });
});

describe("Go's build information", () => {
  const bytes = withAll({ name: '.go.buildinfo', content: goBuildInfo('go1.22.3', MODULES) });

  it('is read', async () => {
    expect(await readGoBuildInfo(readerOf(bytes), await sectionsOf(bytes))).toEqual({
      version: 'go1.22.3',
      path: 'example.com/app/cmd/app',
      main: { path: 'example.com/app', version: '(devel)', sum: undefined },
      modules: [
        { path: 'golang.org/x/net', version: 'v0.20.0', sum: 'h1:abc=' },
        {
          path: 'example.com/old',
          version: 'v1.0.0',
          sum: undefined,
          replacement: { path: 'example.com/new', version: 'v1.1.0', sum: 'h1:def=' },
        },
      ],
      settings: { GOARCH: 'arm', GOARM: '6', '-ldflags': '-X main.version=1 -s' },
    });
  });

  it('is the version alone where there are no modules, and nothing where it is cut', async () => {
    const version = withAll({ name: '.go.buildinfo', content: goBuildInfo('go1.22.3', '') });
    const info = await readGoBuildInfo(readerOf(version), await sectionsOf(version));
    expect(info).toMatchObject({ version: 'go1.22.3', modules: [], settings: {} });
    const cut = withAll({ name: '.go.buildinfo', content: goBuildInfo('go1.22.3', MODULES).subarray(0, 36) });
    expect(await readGoBuildInfo(readerOf(cut), await sectionsOf(cut))).toBeUndefined();
  });
});

describe('what a program says of itself', () => {
  it.each([
    ['v5TE', 4, 'v5'],
    ['v6K', 9, 'v6'],
    ['v7', 10, 'v7'],
    ['v8', 14, 'v8'],
    ['one that images have no name for', 11, undefined],
  ])('has the version of Arm: %s', async (_, cpuArch, variant) => {
    const content = armAttributes(cpuArch);
    const section = { name: '.ARM.attributes', type: 0x70000003, isLoaded: false, offset: 0 };
    const version = await armVersion(readerOf(content), [{ ...section, size: content.length }]);
    expect(version === undefined ? undefined : `v${version}`).toBe(variant);
  });

  it('leaves the version of Arm open where nothing tells it', async () => {
    const arm = await describeBytes(elfProgram({ machine: 40, bits: 32 }));
    expect(arm?.platform).toEqual({ os: 'linux', architecture: 'arm' });
  });

  it.each<[string, readonly AddedSection[], readonly string[] | undefined]>([
    ['nothing', [], undefined],
    [
      'names of C functions',
      [text('.dynstr', '\0getaddrinfo\0mkstemp\0')],
      ['name-service', 'temporary-files'],
    ],
    ['a longer name', [text('.dynstr', '\0my_getaddrinfo\0')], undefined],
    ['dlopen', [text('.dynstr', '\0dlopen\0')], ['dlopen']],
    ['the variable of OpenSSL', [text('.rodata', 'xSSL_CERT_FILEx')], ['certificates']],
    ['Node, which has its own', [text('.rodata', 'SSL_CERT_FILE NODE_EXTRA_CA_CERTS')], undefined],
    [
      'functions of Go',
      [
        text(
          '.gopclntab',
          '\0time.LoadLocation\0crypto/x509.loadSystemRoots\0os.TempDir\0'.padEnd(200, '\0'),
        ),
      ],
      ['certificates', 'temporary-files', 'time-zones'],
    ],
    [
      'functions of Go that bring their own',
      [
        text(
          '.gopclntab',
          '\0time.LoadLocation\0time/tzdata.init\0crypto/x509.loadSystemRoots\0crypto/x509.SetFallbackRoots\0'.padEnd(
            200,
            '\0',
          ),
        ),
      ],
      undefined,
    ],
  ])('has what it asks of the system: %s', async (_, sections, uses) => {
    expect((await describeBytes(withAll(...sections)))?.uses).toEqual(uses);
  });

  it('tells a library from a program', async () => {
    const linkage = { needed: [], rpath: [], runpath: [], versionsNeeded: {}, versionsDefined: [] };
    expect((await describeBytes(elfLibrary({ ...linkage, soname: 'libx.so' })))?.isLibrary).toBe(true);
    expect((await describeBytes(elfProgram()))?.isLibrary).toBeUndefined();
  });

  it('never fails and never reads much, whatever was changed', async () => {
    const bytes = withAll(
      { name: '.go.buildinfo', content: goBuildInfo('go1.22.3', MODULES) },
      { name: '.ARM.attributes', content: armAttributes(9), type: 0x70000003 },
      { name: '.dep-v0', content: deflateSync('{"packages":[{"name":"a","version":"1","source":"local"}]}') },
      text('.dynstr', '\0getaddrinfo\0'),
      text('.gopclntab', `\xf1\xff\xff\xff${'\0'.repeat(60)}\0time.LoadLocation\0`),
      text('.debug_info', '123'),
    );
    const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.constantFrom(0, 1, 3, 0x7f, 0x80, 0xff));
    const numRuns = Number(process.env['OCISLIM_TEST_RANDOM'] ?? 500);
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 12 }),
        fc.nat({ max: bytes.length }),
        async (changes, cut) => {
          const damaged = Buffer.from(cut % 4 === 0 ? bytes.subarray(0, cut) : bytes);
          for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
          const read = readerOf(damaged);
          await describeElf(read);
          const file = await openElf(read);
          const sections = file === undefined ? [] : await readSections(read, file);
          await readGoBuildInfo(read, sections);
          await readRustCrates(read, sections);
          await armVersion(read, sections);
        },
      ),
      { numRuns, seed: 1 },
    );
  }, 600_000);
});
