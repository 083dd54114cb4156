import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Digest, sha256 } from '#oci-spec-types';
import { formatLock, lockFileOf, parseLock, readLock, writeLock } from '../../src/config/lock-file.ts';
import { tempDir } from '../support/temp.ts';

const [first, second] = [sha256('first'), sha256('second')];
const ALPINE = 'docker.io/library/alpine:3.20';

describe('ocislim.lock', () => {
  it('is the same bytes whatever the order in which images were pinned', () => {
    const pins: readonly (readonly [string, Digest])[] = [
      [ALPINE, first],
      ['127.0.0.1:5000/me/tools:1', second],
    ];
    const text = formatLock(new Map(pins));
    expect(text).toBe(
      [
        '# What the names of images mean to this project. Written by `ocislim lock`, read by `ocislim pack` and `check`.',
        'version = 1',
        '',
        '[images]',
        `"127.0.0.1:5000/me/tools:1" = "${second}"`,
        `"${ALPINE}" = "${first}"`,
        '',
      ].join('\n'),
    );
    expect(formatLock(new Map(pins.toReversed()))).toBe(text);
  });

  it('reads what it wrote', async () => {
    const file = join(tempDir(), 'ocislim.lock');
    const lock = new Map([[ALPINE, first]]);
    await writeLock(file, lock);
    expect(await readLock(file)).toEqual(lock);
    expect(readFileSync(file, 'utf8')).toBe(formatLock(lock));
    expect(parseLock(formatLock(new Map()))).toEqual(new Map());
  });

  it('that is not there pins nothing', async () => {
    expect(await readLock(join(tempDir(), 'ocislim.lock'))).toEqual(new Map());
  });

  it('is beside ocislim.toml, else in the working folder', () => {
    expect(lockFileOf('/p/ocislim.toml', '/p/deep')).toBe('/p/ocislim.lock');
    expect(lockFileOf(undefined, '/p/deep')).toBe('/p/deep/ocislim.lock');
  });

  it.each([
    ['version = 1\n<<<<<<< HEAD\n', /^ocislim\.lock: line 2: /],
    ['', 'ocislim.lock: has no version'],
    ['version = 2', 'ocislim.lock: version = 2: this ocislim knows 1'],
    ['version = 1\nimage = {}', 'ocislim.lock: unknown key image'],
    ['version = 1\nimages = "x"', 'ocislim.lock: images must be a table'],
    [`version = 1\n[images]\n"${ALPINE}" = 1`, `ocislim.lock: images: "${ALPINE}": is not set to a digest`],
    [
      `version = 1\n[images]\n"${ALPINE}" = "sha256:AB"`,
      `ocislim.lock: images: "${ALPINE}": is not set to a digest`,
    ],
    [
      `version = 1\n[images]\n"alpine:3.20" = "${first}"`,
      'ocislim.lock: images: "alpine:3.20": is not a full name without digest',
    ],
    [
      `version = 1\n[images]\n"${ALPINE}@${first}" = "${first}"`,
      `ocislim.lock: images: "${ALPINE}@${first}": is not a full name without digest`,
    ],
    [
      `version = 1\n[images]\n"Not A Name" = "${first}"`,
      /^ocislim\.lock: images: "Not A Name": not an image reference: /,
    ],
    [
      `version = 1\n[images]\n"${ALPINE}" = "${first}"\n"${ALPINE}" = "${second}"`,
      /^ocislim\.lock: line 4: /,
    ],
    [
      `version = 1\n[images.alpine]\n"3.20" = "${first}"`,
      /^ocislim\.lock: images: "alpine": is not a full name/,
    ],
  ])('that is damaged is refused with its place: %j', (text, message) => {
    expect(() => parseLock(text)).toThrow(
      expect.objectContaining({
        code: 'OCISLIM_CONFIG_INVALID',
        message: typeof message === 'string' ? message : expect.stringMatching(message),
      }),
    );
  });

  it('that cannot be read is no lock without pins', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'ocislim.lock'));
    await expect(readLock(join(folder, 'ocislim.lock'))).rejects.toMatchObject({
      code: 'OCISLIM_CONFIG_INVALID',
      message: 'ocislim.lock: cannot be read (EISDIR)',
    });
  });

  it('takes names that mean something to JavaScript for names', () => {
    const text = `version = 1\n[images]\n"docker.io/library/constructor:1" = "${first}"\n`;
    expect(parseLock(text).get('docker.io/library/constructor:1')).toBe(first);
  });
});
