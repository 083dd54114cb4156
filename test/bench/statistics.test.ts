import { describe, expect, test } from 'vitest';
import { type Bar, judge, spread } from './statistics.ts';

describe('spread', () => {
  test('an odd number of values has its middle one as the median', () => {
    expect(spread([9, 1, 5]).median).toBe(5);
  });

  test('an even number of values has its median half-way between the middle two', () => {
    expect(spread([4, 1, 3, 2]).median).toBe(2.5);
  });

  test('quartiles lie on a straight line between values', () => {
    // Places 0.25 × 3 = 0.75 and 0.75 × 3 = 2.25 of the sorted values.
    expect(spread([40, 10, 30, 20])).toEqual({ min: 10, lower: 17.5, median: 25, upper: 32.5, max: 40 });
  });

  test('values are sorted as numbers, not as text', () => {
    expect(spread([100, 9, 20])).toMatchObject({ min: 9, median: 20, max: 100 });
  });

  test('one value is all there is', () => {
    expect(spread([7])).toEqual({ min: 7, lower: 7, median: 7, upper: 7, max: 7 });
  });

  test('the values stay in their order', () => {
    const values = [3, 1, 2];
    spread(values);
    expect(values).toEqual([3, 1, 2]);
  });

  test('nothing measured has no spread', () => {
    expect(() => spread([])).toThrow(RangeError);
  });
});

describe('judge', () => {
  const figures = { ours: { time: 40, memory: 150 }, theirs: { time: 50 } };
  const bar = (rest: Partial<Bar>): Bar => ({ of: 'ours', what: 'time', atMost: 1, ...rest });

  test('a ratio is ours over theirs', () => {
    expect(judge(bar({ against: 'theirs' }), figures)).toMatchObject({ value: 0.8, verdict: 'met' });
  });

  test('a ratio above the bar misses it', () => {
    expect(judge(bar({ against: 'theirs', atMost: 0.79 }), figures).verdict).toBe('missed');
  });

  test('what is just at the bar meets it', () => {
    const one = bar({ what: 'memory', atMost: 150 });
    expect(judge(one, figures)).toEqual({ bar: one, value: 150, verdict: 'met' });
  });

  test('a difference is ours less theirs', () => {
    const one = bar({ of: 'theirs', against: 'ours', by: 'difference', atMost: 9 });
    expect(judge(one, figures)).toEqual({ bar: one, value: 10, verdict: 'missed' });
  });

  test('a peer that is not there is not measured, which is not missed', () => {
    const one = bar({ against: 'nobody' });
    expect(judge(one, figures)).toEqual({ bar: one, verdict: 'not measured' });
  });

  test('nor is a figure that only one of the two has', () => {
    expect(judge(bar({ what: 'memory', against: 'theirs' }), figures).verdict).toBe('not measured');
  });
});
