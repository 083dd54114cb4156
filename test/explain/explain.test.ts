import { describe, expect, it } from 'vitest';
import { difference, explain } from '../../src/explain/explain.ts';
import { differenceLines, explanationLines } from '../../src/explain/lines.ts';
import { parseCompression } from '../../src/layer/compression.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { testContext } from '../support/context.ts';
import { file, folder, symlink } from '../support/entries.ts';
import { imageOf, type TestImage } from '../support/images.ts';

async function stored(images: Readonly<Record<string, TestImage>>) {
  const context = await testContext();
  for (const [name, parts] of Object.entries(images))
    await keepInStore(await imageOf(parts), [`docker.io/library/${name}:latest`], context);
  return context;
}

const BASE = [
  folder('d'),
  file('d/kept', 'x'.repeat(300)),
  file('gone', 'y'.repeat(50)),
  file('old', '1234'),
];
const TOP = [
  file('.wh.gone', ''),
  file('old', '123456'),
  file('copy', 'x'.repeat(300)),
  symlink('link', 'd/kept'),
];

describe('explain', () => {
  it('counts every byte of every layer once', async () => {
    const context = await stored({ app: { layers: [BASE, TOP] } });
    const found = await explain('app', {}, context);
    // 300 + 50 + 4 below; 6 + 300 and the link's 6 above; 50 and 4 are hidden.
    expect(found).toMatchObject({ name: 'app:latest', size: 666, hiddenSize: 54, visibleSize: 612 });
    expect(found.layers.map(({ size, hiddenSize }) => [size, hiddenSize])).toEqual([
      [354, 54],
      [312, 0],
    ]);
    expect(found.files.reduce((sum, { size }) => sum + size, 0)).toBe(666);
    expect(found.duplicates).toEqual([
      {
        size: 300,
        places: [
          { path: 'd/kept', layer: 0, isHidden: false },
          { path: 'copy', layer: 1, isHidden: false },
        ],
      },
    ]);
    expect(found.duplicateSize).toBe(300);
    expect(found.savings.map(({ kind, bytes }) => [kind, bytes])).toEqual([
      ['hidden', 54],
      ['duplicates', 300],
    ]);
  });

  it('says what another compression saves only where that was tried', async () => {
    const text = 'the same words again and again '.repeat(4000);
    const context = await stored({ app: { layers: [[file('text', text)]], compression: 'none' } });
    const plain = await explain('app', {}, context);
    expect(plain.savings).toEqual([]);
    const [saving] = (await explain('app', { compression: parseCompression('gzip') }, context)).savings;
    expect(saving).toMatchObject({ kind: 'compression', of: 'pull' });
    // The same layer in gzip is what it would be.
    const packed = await imageOf({ layers: [[file('text', text)]] });
    const before = plain.layers[0]?.pullSize ?? 0;
    expect(before - (saving?.bytes ?? 0)).toBe(packed.layers[0]?.descriptor.size);
  });

  it('names what is hidden and repeated on a terminal, whatever its width', async () => {
    const context = await stored({ app: { layers: [BASE, [...TOP, file('\u001b[2Jevil', 'zz')]] } });
    const found = await explain('app', {}, context);
    const lines = explanationLines(found, { width: 72, colour: false, top: 10 });
    expect(lines).toContainEqual(expect.stringMatching(/ 50B .* \/gone {2}layer 1, deleted by layer 2$/));
    expect(lines).toContainEqual(expect.stringMatching(/ 4B .* \/old {2}layer 1, replaced by layer 2$/));
    expect(lines).toContainEqual(expect.stringMatching(/ 300B .* \/d\/kept {2}2 times$/));
    expect(lines.join('\n')).not.toContain('\u001b');
    for (const width of [30, 50, 72])
      for (const line of explanationLines(found, { width, colour: false, top: 10 }))
        expect(line.length).toBeLessThanOrEqual(width);
  });
});

describe('the difference of two images', () => {
  it('is by content, also where sizes and layers are the same', async () => {
    const changed = [file('d/kept', `${'x'.repeat(299)}z`), file('same', 'ab')];
    const context = await stored({
      one: { layers: [BASE, [file('same', 'ab'), file('less', '123')]], config: { env: { A: '1' } } },
      two: { layers: [BASE, changed], config: { env: { A: '2' }, user: 'me' } },
    });
    const found = await difference('one', 'two', {}, context);
    expect(found.added).toEqual([]);
    expect(found.removed).toEqual([{ path: 'less', delta: -3, size: 3, what: [] }]);
    expect(found.changed).toEqual([{ path: 'd/kept', delta: 0, size: 300, what: ['content'] }]);
    // The folder, `gone`, `old`, and `same`, which is in other layers, but the same.
    expect(found.unchanged).toBe(4);
    expect(found.config).toEqual([
      { key: 'Env.A', from: '1', to: '2' },
      { key: 'User', from: undefined, to: 'me' },
    ]);
    const lines = differenceLines(found, { width: 80, colour: false, top: 10 });
    for (const width of [40, 50])
      for (const line of differenceLines(found, { width, colour: false, top: 10 }))
        expect(line.length).toBeLessThanOrEqual(width);
    expect(lines).toContain('  - Env.A=1');
    expect(lines).toContain('  + User=me');
    expect(lines).toContainEqual(expect.stringMatching(/^ +-3B .* \/less$/));
  });

  it('of an image with itself is none', async () => {
    const context = await stored({ one: { layers: [BASE, TOP] } });
    const found = await difference('one', 'one', {}, context);
    expect(found).toMatchObject({ added: [], removed: [], changed: [], config: [], programs: [] });
  });
});
