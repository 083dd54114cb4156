import { deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { readRustCrates } from '../../src/elf/rust.ts';

/** A file that is nothing but its section. */
function crates(content: Buffer) {
  const section = { name: '.dep-v0', type: 1, isLoaded: true, offset: 0, size: content.length };
  return readRustCrates(async (offset, length) => content.subarray(offset, offset + length), [section]);
}

it('reads the crates that cargo auditable wrote', async () => {
  const packages = [
    { name: 'app', version: '0.1.0', source: 'local', root: true, dependencies: [1] },
    { name: 'serde', version: '1.0.200', source: 'crates.io' },
    { name: 'cc', version: '1.0.0', source: 'crates.io', kind: 'build' },
    { name: 'broken' },
  ];
  expect(await crates(deflateSync(JSON.stringify({ packages })))).toEqual([
    { name: 'app', version: '0.1.0', source: 'local', isBuildOnly: false, isRoot: true },
    { name: 'serde', version: '1.0.200', source: 'crates.io', isBuildOnly: false, isRoot: false },
    { name: 'cc', version: '1.0.0', source: 'crates.io', isBuildOnly: true, isRoot: false },
  ]);
});

it('knows nothing of a damaged section, or of one that unpacks to more than it may', async () => {
  expect(await crates(Buffer.from('no zlib'))).toBeUndefined();
  expect(await crates(deflateSync('not JSON'))).toBeUndefined();
  expect(await crates(deflateSync(Buffer.alloc(9 * 1024 * 1024, ' ')))).toBeUndefined();
  expect(await readRustCrates(async () => Buffer.alloc(0), [])).toBeUndefined();
});
