import { describe, expect, it } from 'vitest';
import { isBareRegistry } from '../../src/registry/place.ts';

describe('a registry alone', () => {
  it.each([
    'ghcr.io',
    'https://ghcr.io/',
    'localhost',
    'localhost:5000',
    '127.0.0.1:5000',
    '[::1]:5000',
    'r.example:443',
  ])('is %s', (text) => expect(isBareRegistry(text)).toBe(true));

  it.each(['alpine', 'alpine:3', 'registry:5000', 'ghcr.io/me/app', 'me/app:1', 'ghcr.io:x', ''])(
    'is not %j',
    (text) => expect(isBareRegistry(text)).toBe(false),
  );
});
