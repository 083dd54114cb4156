import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileKey, type KeyOptions } from '../../src/compile/key.ts';
import { recognise } from '../../src/compile/recognise.ts';
import { sourceFolder } from '../support/sources.ts';
import { arm64, wishOf } from '../support/wish.ts';

const files = {
  'go.mod': 'module example.com/app\n\ngo 1.24\n',
  'cmd/a/a.go': 'package main\n',
  'cmd/b/b.go': 'package main\n',
};

async function keyOf(
  changes: Partial<KeyOptions> = {},
  { bin = 'a', folder = sourceFolder(files) } = {},
): Promise<string | undefined> {
  const { places: _, ...wish } = wishOf();
  const recognised = await recognise({ folder }, 'it', { bin });
  return compileKey(recognised, { ...wish, compiler: { host: 'go1.24' }, ...changes });
}

it('is the same for the same inputs, wherever they are', async () => {
  expect(await keyOf()).toMatch(/^[0-9a-f]{64}$/);
  expect(await keyOf()).toBe(await keyOf());
});

it('does not change with whether a download is allowed', async () => {
  expect(await keyOf({ offline: true })).toBe(await keyOf());
});

it('changes with whatever the result may change with', async () => {
  const folder = sourceFolder(files);
  writeFileSync(join(folder, 'cmd/a/a.go'), 'package main // other\n');
  const keys = [
    await keyOf(),
    await keyOf({ platform: arm64 }),
    await keyOf({ host: arm64 }),
    await keyOf({ created: 1 }),
    await keyOf({ compiler: { host: 'go1.25' } }),
    await keyOf({ compiler: { image: 'go1.24' } }),
    await keyOf({}, { bin: 'b' }),
    await keyOf({}, { folder }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

it('is not there where something out of the source is read', async () => {
  for (const line of ['replace a.test/b => ../b', 'replace (\n\ta.test/b v1.0.0 => /b\n)']) {
    const folder = sourceFolder({ ...files, 'go.mod': `${files['go.mod']}${line}\n` });
    expect(await keyOf({}, { folder }), line).toBeUndefined();
  }
  const inside = sourceFolder({ ...files, 'go.mod': `${files['go.mod']}replace a.test/b => ./b\n` });
  expect(await keyOf({}, { folder: inside })).toBeDefined();
  const crate = (path: string) =>
    sourceFolder({
      'Cargo.toml': '[workspace]\nmembers = ["a"]\n',
      'a/Cargo.toml': `[package]\nname = "a"\n[dependencies]\nb = { path = "${path}" }\n`,
      'a/src/main.rs': '',
    });
  expect(await keyOf({}, { folder: crate('../b') })).toBeDefined();
  expect(await keyOf({}, { folder: crate('../../b') })).toBeUndefined();
});

it('is not there where nobody can tell which toolchain it is', async () => {
  expect(await keyOf({ compiler: { host: undefined } })).toBeUndefined();
  expect(await keyOf({ compiler: { host: '' } })).toBeUndefined();
});
