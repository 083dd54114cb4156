import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partsOf } from '../../src/explain/parts.ts';
import { elfProgram } from '../support/elf.ts';
import { withSections } from '../support/elf-sections.ts';

interface Symbol {
  readonly name: string;
  /** In the code. */
  readonly at: number;
  readonly size: number;
}

/** A program whose segment begins at address 0, so that addresses are places in the file. */
function program(codeSize: number, symbols: readonly Symbol[]): Buffer {
  const start = elfProgram();
  const names = Buffer.from(`\0${symbols.map(({ name }) => `${name}\0`).join('')}`);
  const table = Buffer.alloc(24 * symbols.length);
  let nameAt = 1;
  symbols.forEach(({ name, at, size }, index) => {
    table.writeUInt32LE(nameAt, index * 24);
    table[index * 24 + 4] = 2;
    table.writeBigUInt64LE(BigInt(start.length + at), index * 24 + 8);
    table.writeBigUInt64LE(BigInt(size), index * 24 + 16);
    nameAt += name.length + 1;
  });
  const made = withSections(start, [
    { name: '.text', isLoaded: true, content: Buffer.alloc(codeSize) },
    { name: '.symtab', type: 2, content: table },
    { name: '.strtab', type: 3, content: names },
  ]);
  // `p_filesz` of the one segment, so that the code is in it.
  made.writeBigUInt64LE(BigInt(made.length), 64 + 32);
  return made;
}

const read = (bytes: Buffer) => partsOf(async (at, length) => bytes.subarray(at, at + length), bytes.length);
const sum = (parts: readonly { readonly size: number }[] = []) =>
  parts.reduce((total, { size }) => total + size, 0);
const packages = async (bytes: Buffer) =>
  (await read(bytes))?.parts.filter(({ isPackage }) => isPackage).map(({ name, size }) => [name, size]);

const symbolOf = (crate: string, at: number, size: number) => ({
  name: `_RNvC${crate.length}${crate}1f`,
  at,
  size,
});

describe('parts of a program', () => {
  it('are crates by their symbols, and the rest by its section', async () => {
    const bytes = program(1000, [
      symbolOf('one', 0, 100),
      symbolOf('two', 100, 300),
      symbolOf('one', 500, 50),
      { name: 'memcpy', at: 600, size: 400 },
    ]);
    const found = await read(bytes);
    expect(found?.language).toBe('rust');
    expect(await packages(bytes)).toEqual([
      ['two', 300],
      ['one', 150],
    ]);
    expect(found?.parts).toContainEqual({ name: 'code of no package', size: 550, isPackage: false });
    expect(sum(found?.parts)).toBe(bytes.length);
  });

  it('count no byte twice where symbols overlap, or reach beyond the code', async () => {
    const bytes = program(1000, [
      symbolOf('one', 0, 600),
      symbolOf('two', 400, 300),
      symbolOf('six', 450, 10),
      symbolOf('end', 900, 5000),
    ]);
    // Of `two` what is behind `one`, of `end` what is in the code.
    expect(await packages(bytes)).toEqual([
      ['one', 600],
      ['end', 100],
      ['two', 100],
    ]);
  });

  it('of a program without sections, or of none, are not told', async () => {
    expect(await read(elfProgram())).toBeUndefined();
    expect(await read(Buffer.from('#!/bin/sh\n'))).toBeUndefined();
    expect(await read(Buffer.alloc(0))).toBeUndefined();
  });

  it('are as large as the file, whatever is wrong with it', async () => {
    const whole = program(200, [symbolOf('one', 0, 100), symbolOf('two', 100, 50)]);
    const change = fc.record({ at: fc.nat(whole.length - 1), value: fc.integer({ min: 0, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 12 }),
        fc.nat(whole.length),
        async (changes, cut) => {
          const bytes = Buffer.from(whole);
          for (const { at, value } of changes) bytes[at] = value;
          for (const damaged of [bytes, bytes.subarray(0, cut)]) {
            const found = await read(damaged);
            if (found !== undefined) expect(sum(found.parts)).toBe(damaged.length);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
