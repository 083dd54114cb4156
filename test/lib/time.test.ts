import { describe, expect, it } from 'vitest';
import { createdTime, isoTime } from '../../src/lib/time.ts';

describe('createdTime', () => {
  it.each([
    [{ env: {} }, 0],
    [{ env: { SOURCE_DATE_EPOCH: '' } }, 0],
    [{ env: { SOURCE_DATE_EPOCH: '1700000000' } }, 1_700_000_000],
    [{ created: '5', env: { SOURCE_DATE_EPOCH: '1700000000' } }, 5],
    [{ created: '2023-11-14T22:13:20Z', env: {} }, 1_700_000_000],
    [{ created: '2023-11-15T00:13:20+02:00', env: {} }, 1_700_000_000],
    [{ created: '2023-11-14T22:13:20.999Z', env: {} }, 1_700_000_000],
    [{ created: '1970-01-02', env: {} }, 86_400],
  ])('of %j is %d', (from, seconds) => {
    expect(createdTime(from)).toEqual({ seconds, iso: isoTime(seconds) });
  });

  it('takes the clock only when it is told to', () => {
    const before = Math.floor(Date.now() / 1000);
    const { seconds } = createdTime({ created: 'now', env: { SOURCE_DATE_EPOCH: '5' } });
    expect(seconds).toBeGreaterThanOrEqual(before);
  });

  it.each([
    '',
    'yesterday',
    '-1',
    '1.5',
    '1969-12-31T23:59:59Z',
    '99999999999999',
    '2023-13-01',
    '14 November 2023',
  ])('refuses %j', (created) => {
    expect(() => createdTime({ created, env: {} })).toThrow(
      expect.objectContaining({ code: 'OCISLIM_USAGE' }),
    );
  });

  it.each(['soon', '-1', '1e9', ' 1', '999999999999'])('refuses SOURCE_DATE_EPOCH=%j', (epoch) => {
    expect(() => createdTime({ env: { SOURCE_DATE_EPOCH: epoch } })).toThrow('SOURCE_DATE_EPOCH');
  });
});

describe('isoTime', () => {
  it('has no fraction', () => {
    expect(isoTime(0)).toBe('1970-01-01T00:00:00Z');
    expect(isoTime(4_102_444_800)).toBe('2100-01-01T00:00:00Z');
  });
});
