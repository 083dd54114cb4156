import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGlob, replaceGlob, trimGlob } from '../../src/dockerfile/text-glob.ts';

const glob = (pattern: string) => parseGlob(pattern, (why) => new Error(why));

/** The same in regular expressions, which are right but may take for ever. */
function regex(pattern: string, isLongest: boolean): string {
  return pattern.replaceAll('?', '.').replaceAll('*', isLongest ? '.*' : '.*?');
}

const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'c'), maxLength: 12 });
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', 'c'), maxLength: 6 });

describe('a pattern of a substitution', () => {
  it('is cut off a start as by a regular expression', () => {
    fc.assert(
      fc.property(text, pattern, fc.boolean(), (value, written, isLongest) => {
        const expected = value.replace(new RegExp(`^${regex(written, isLongest)}`), '');
        expect(trimGlob(value, glob(written), 'start', isLongest)).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('is cut off an end as the longest or shortest end that matches', () => {
    fc.assert(
      fc.property(text, pattern, fc.boolean(), (value, written, isLongest) => {
        const whole = new RegExp(`^${regex(written, true)}$`);
        const ends = Array.from({ length: value.length + 1 }, (_, at) => at).filter((at) =>
          whole.test(value.slice(at)),
        );
        const cut = isLongest ? ends.at(0) : ends.at(-1);
        expect(trimGlob(value, glob(written), 'end', isLongest)).toBe(value.slice(0, cut));
      }),
      { numRuns: 1000 },
    );
  });

  it('is replaced as by a regular expression', () => {
    fc.assert(
      fc.property(
        text,
        pattern.filter((it) => /[abc?]/.test(it)),
        fc.boolean(),
        (value, written, isEvery) => {
          const expected = value.replace(new RegExp(regex(written, true), isEvery ? 'g' : ''), 'X');
          expect(replaceGlob(value, glob(written), 'X', isEvery)).toBe(expected);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['', 'XaXbX'],
    ['*', 'X'],
    ['**', 'X'],
  ])('that may be nothing (%j) is replaced as Go does', (written, expected) => {
    expect(replaceGlob('ab', glob(written), 'X', true)).toBe(expected);
  });
});
