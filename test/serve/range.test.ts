import { describe, expect, it } from 'vitest';
import { parseRange } from '../../src/serve/range.ts';

// RFC 9110 § 14.1.2 and § 14.2, for content of 10 bytes.
describe('a Range header', () => {
  it.each([
    ['bytes=0-3', { start: 0, end: 3 }],
    ['bytes=4-', { start: 4, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-99', { start: 0, end: 9 }],
    ['bytes=8-99', { start: 8, end: 9 }],
    ['bytes=9-9', { start: 9, end: 9 }],
  ])('%s is a part', (header, part) => {
    expect(parseRange(header, 10)).toEqual(part);
  });

  it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0'])('%s is beyond the end', (header) => {
    expect(parseRange(header, 10)).toBe('unsatisfiable');
  });

  it.each([
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=3-1',
    'bytes=a-b',
    'bytes=0-1,4-5',
    'lines=0-1',
    'bytes=0x1-2',
    `bytes=${'9'.repeat(400)}-`,
  ])('%j asks for all of it', (header) => {
    expect(parseRange(header, 10)).toBeUndefined();
  });

  it('of nothing cannot be satisfied', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-5', 0)).toBe('unsatisfiable');
  });
});
