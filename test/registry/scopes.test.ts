import { expect, test } from 'vitest';
import { coversScopes, mergeScopes } from '../../src/registry/scopes.ts';

test('merges the actions of a repository, and leaves repositories in the order they are named', () => {
  expect(
    mergeScopes(['repository:me/app:push,pull', 'repository:base:pull', 'repository:me/app:pull', '']),
  ).toEqual(['repository:me/app:pull,push', 'repository:base:pull']);
});

test('takes the name of a repository to end at the last colon', () => {
  expect(mergeScopes(['repository:host:5000/app:pull', 'repository:host:5000/app:push'])).toEqual([
    'repository:host:5000/app:pull,push',
  ]);
});

test('knows when a token does for more than it was asked for', () => {
  const held = ['repository:a:pull,push', 'registry:catalog:*'];
  expect(coversScopes(held, ['repository:a:pull'])).toBe(true);
  expect(coversScopes(held, ['registry:catalog:read'])).toBe(true);
  expect(coversScopes(held, ['repository:a:delete'])).toBe(false);
  expect(coversScopes(held, ['repository:a:pull', 'repository:b:pull'])).toBe(false);
});
