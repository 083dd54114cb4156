import { expect, it } from 'vitest';
import { contextName, givenContext } from '../../src/build/context-name.ts';

it.each([
  ['alpine', 'alpine'],
  ['alpine:latest', 'alpine'],
  ['docker.io/library/alpine:latest', 'alpine'],
  ['index.docker.io/me/app', 'me/app'],
  ['alpine:3', 'alpine:3'],
  ['ghcr.io/me/app:latest', 'ghcr.io/me/app'],
  ['Builder', 'builder'],
  ['a_stage', 'a_stage'],
])('looks %s up as %s', (written, name) => {
  expect(contextName(written)).toBe(name);
});

it('finds what a name stands for, however it is written', () => {
  const contexts = new Map([['alpine', 'oci:here']]);
  expect(givenContext({ contexts }, 'docker.io/library/alpine')).toBe('oci:here');
  expect(givenContext({ contexts }, 'alpine:3')).toBeUndefined();
});
