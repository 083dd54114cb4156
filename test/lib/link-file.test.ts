import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { linkFile } from '../../src/lib/link-file.ts';
import { tempDir } from '../support/temp.ts';

it('puts the file there without copying, or leaves nothing', async () => {
  const folder = tempDir();
  writeFileSync(join(folder, 'a'), 'content');
  if (await linkFile(join(folder, 'a'), join(folder, 'b')))
    expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('content');
  else expect(readdirSync(folder)).toEqual(['a']);
});

it('says no, and leaves nothing, where there is nothing to link', async () => {
  const folder = tempDir();
  expect(await linkFile(join(folder, 'missing'), join(folder, 'b'))).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});
