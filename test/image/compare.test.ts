import { describe, expect, it } from 'vitest';
import { artifactDifference } from '../../src/image/compare.ts';
import { indexOf } from '../../src/image/index-of.ts';
import type { Entry } from '../../src/layer/entry.ts';
import { file, folder, symlink } from '../support/entries.ts';
import { AMD64, ARM64, imageOf } from '../support/images.ts';

const A = [folder('bin'), file('bin/a', 'hello'), symlink('bin/b', 'a')];
const place = (entries: readonly Entry[], again: readonly Entry[]) =>
  Promise.all([imageOf({ layers: [entries] }), imageOf({ layers: [again] })]).then(([one, other]) =>
    artifactDifference(one, other),
  );

/** More than one block of what is compared at once. */
const LARGE = Buffer.alloc(700_000, 'x');

function changed(at: number): Buffer {
  const bytes = Buffer.from(LARGE);
  bytes[at] = 'y'.charCodeAt(0);
  return bytes;
}

describe('where two images first differ', () => {
  it('is nowhere in the same image', async () => {
    expect(
      await artifactDifference(await imageOf({ layers: [A] }), await imageOf({ layers: [A] })),
    ).toBeUndefined();
  });

  it.each([0, 262_143, 262_144, 262_145, 600_000, 699_999])('is the byte %i of a file', async (at) => {
    const [one, other] = [file('bin/a', LARGE), file('bin/a', changed(at))];
    expect(await place([...A.slice(0, 1), one], [...A.slice(0, 1), other])).toBe(
      `linux/amd64: layer 1 of 1: bin/a: byte ${at} is 0x78, built again 0x79`,
    );
  });

  it.each([
    [
      'the mode of a file',
      [folder('bin'), file('bin/a', 'hello', { mode: 0o755 }), A[2]],
      'bin/a: its mode is 420, built again 493',
    ],
    [
      'the time of a file',
      [folder('bin'), file('bin/a', 'hello', { mtime: 5 }), A[2]],
      'bin/a: its mtime is 0, built again 5',
    ],
    ['the target of a link', [A[0], A[1], symlink('bin/b', 'c')], 'bin/b: its linkname is a, built again c'],
    [
      'the end of a file',
      [A[0], file('bin/a', 'hello!'), A[2]],
      'bin/a: ends at byte 5 in one of them alone',
    ],
    [
      'a file that is missing',
      [A[0], A[2]],
      'bin/a: is not at the same place, or not there, when it is built again',
    ],
    [
      'a file at the end that is missing',
      [A[0], A[1]],
      'bin/b: is not at the same place, or not there, when it is built again',
    ],
    [
      'a file that is new',
      [A[0], A[1], file('bin/aa', ''), A[2]],
      'bin/aa: is there only when it is built again',
    ],
  ] as const)('is %s', async (_, again, expected) => {
    expect(await place(A, again as readonly Entry[])).toBe(`linux/amd64: layer 1 of 1: ${expected}`);
  });

  it('is the compression alone', async () => {
    const images = [
      await imageOf({ layers: [A] }),
      await imageOf({ layers: [A], compression: 'none' }),
    ] as const;
    expect(await artifactDifference(...images)).toBe(
      'linux/amd64: layer 1 of 1: the same content, compressed in another way',
    );
  });

  it('is a layer more or less', async () => {
    const images = [await imageOf({ layers: [A] }), await imageOf({ layers: [A, A] })] as const;
    expect(await artifactDifference(...images)).toBe(
      'linux/amd64: layer 2 of 1: there are 2 when it is built again',
    );
    expect(await artifactDifference(images[1], images[0])).toBe(
      'linux/amd64: layer 2 of 2: is not built again',
    );
  });

  it('is a value of the configuration or of the manifest', async () => {
    const image = await imageOf({ layers: [A], config: { cmd: ['a', 'b'] } });
    expect(await artifactDifference(image, await imageOf({ layers: [A], config: { cmd: ['a', 'c'] } }))).toBe(
      'linux/amd64: configuration: config.Cmd.1 is "b", built again "c"',
    );
    const annotated = await imageOf({ layers: [A], config: { cmd: ['a', 'b'] }, annotations: { k: 'v' } });
    expect(await artifactDifference(image, annotated)).toBe(
      'linux/amd64: manifest: annotations is not there, built again {"k":"v"}',
    );
  });

  it('is the platform', async () => {
    const [amd64, arm64] = [await imageOf({ platform: AMD64 }), await imageOf({ platform: ARM64 })];
    const both = indexOf([amd64, arm64], { annotations: {} });
    expect(await artifactDifference(both, amd64)).toBe('linux/arm64: is not built again');
    expect(await artifactDifference(amd64, both)).toBe('linux/arm64: is there only when it is built again');
    expect(await artifactDifference(both, indexOf([amd64, arm64], { annotations: { k: 'v' } }))).toBe(
      'index: annotations is not there, built again {"k":"v"}',
    );
  });
});
