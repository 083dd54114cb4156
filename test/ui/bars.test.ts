import { describe, expect, it } from 'vitest';
import { bars } from '../../src/ui/bars.ts';

describe('bars', () => {
  const rows = [
    { label: '/a', value: 1000, note: 'layer 1' },
    { label: '/b', value: 500 },
    { label: '/c', value: 1 },
  ];

  it('stand in columns, in proportion, and are not there for nothing', () => {
    expect(bars(rows, { width: 80, colour: false })).toEqual([
      `     1kB  ${'█'.repeat(20)} /a  layer 1`,
      `    500B  ${'█'.repeat(10)}${' '.repeat(10)} /b`,
      `      1B  ▏${' '.repeat(19)} /c`,
    ]);
    expect(bars([{ label: 'x', value: 0 }], { width: 80, colour: false })).toEqual([
      `      0B  ${' '.repeat(20)} x`,
    ]);
  });

  it.each([20, 30, 45, 60, 200])('are never wider than %d columns', (width) => {
    const long = [{ label: `/${'folder/'.repeat(40)}the-end`, value: 123_456, note: 'n'.repeat(100) }];
    const [line = ''] = bars(long, { width, colour: false });
    expect(line.length).toBeLessThanOrEqual(width);
    expect(line).toMatch(/the-end$/);
  });

  it('have a sign for changes, and no control characters of names', () => {
    const changes = [
      { label: 'a\u001b[31m\nb', value: -2000 },
      { label: 'c', value: 1000 },
    ];
    expect(bars(changes, { width: 30, colour: false, signed: true })).toEqual([
      '    -2kB  a [31m b',
      '    +1kB  c',
    ]);
  });

  it('colour the bar alone', () => {
    expect(bars([{ label: 'x', value: 1 }], { width: 80, colour: true })).toEqual([
      `      1B  \u001b[36m${'█'.repeat(20)}\u001b[39m x`,
    ]);
  });
});
