import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { reserveOf, watchSpace } from '../../src/sandbox/space.ts';
import { tempDir } from '../support/temp.ts';

const GB = 1_000_000_000;

it.each([
  ['2 % of a small disk', { bytes: 8 * GB, allBytes: 10 * GB }, 200_000_000],
  ['no more than 512 MiB of a large one', { bytes: 900 * GB, allBytes: 1000 * GB }, 536_870_912],
  [
    'half of what is left of one that is full already',
    { bytes: 100_000_000, allBytes: 1000 * GB },
    50_000_000,
  ],
  ['nothing where nothing is left', { bytes: 0, allBytes: GB }, 0],
])('a run leaves %s', (_, { bytes, allBytes }, expected) => {
  expect(reserveOf({ bytes, allBytes, files: 0, allFiles: 0 })).toEqual({ bytes: expected, files: 0 });
});

it.each([
  ['2 % of the files', { files: 900, allFiles: 1000 }, 20],
  ['half of those that are left', { files: 11, allFiles: 1000 }, 5],
])('a run leaves %s', (_, { files, allFiles }, expected) => {
  expect(reserveOf({ bytes: 0, allBytes: GB, files, allFiles })).toEqual({ bytes: 0, files: expected });
});

it('is content with a folder that nothing is written to', async () => {
  const folder = join(tempDir(), 'run');
  mkdirSync(folder);
  const watch = await watchSpace(folder, folder, () => {});
  await watch.look();
  watch.stop();
});
