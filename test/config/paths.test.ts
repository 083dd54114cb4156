import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { storePath } from '../../src/config/paths.ts';

it.each([
  [{ store: '/s', env: { OCISLIM_HOME: '/h', HOME: '/u' } }, '/s'],
  [{ store: 'rel', env: {} }, resolve('rel')],
  [{ env: { OCISLIM_HOME: '/h', XDG_DATA_HOME: '/x', HOME: '/u' } }, '/h'],
  [{ env: { XDG_DATA_HOME: '/x', HOME: '/u' } }, '/x/ocislim'],
  [{ env: { XDG_DATA_HOME: 'relative', HOME: '/u' } }, '/u/.local/share/ocislim'],
  [{ env: { OCISLIM_HOME: '', HOME: '/u' } }, '/u/.local/share/ocislim'],
])('of %j is %s', (from, path) => {
  expect(storePath(from)).toBe(path);
});
