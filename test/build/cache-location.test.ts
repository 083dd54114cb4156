import { describe, expect, it } from 'vitest';
import { cacheLocation } from '../../src/build/cache-transfer.ts';

describe('a place for a cache', () => {
  it.each([
    ['./cache', { transport: 'oci', path: './cache' }],
    ['/srv/cache', { transport: 'oci', path: '/srv/cache' }],
    ['oci:cache', { transport: 'oci', path: 'cache' }],
    ['type=local,dest=cache', { transport: 'oci', path: 'cache' }],
    ['type=local,src=cache', { transport: 'oci', path: 'cache' }],
    ['type=registry,ref=example.com/me/app:cache,mode=max', { transport: 'docker' }],
    ['example.com/me/app:cache', { transport: 'docker' }],
  ])('is %s', (text, location) => {
    expect(cacheLocation('--cache-to', text)).toMatchObject(location);
  });

  it.each([
    ['type=inline', 'caches are of type registry or local here'],
    ['type=gha,scope=x', 'caches are of type registry or local here'],
    ['type=registry', 'no place for a cache'],
    ['type=local,dest=', 'no place for a cache'],
  ])('is not %s', (text, why) => {
    expect(() => cacheLocation('--cache-to', text)).toThrow(`--cache-to ${text}: ${why}`);
  });
});
