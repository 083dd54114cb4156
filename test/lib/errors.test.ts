import { describe, expect, it } from 'vitest';
import { ERROR_CODES, isAbort, OcislimError, within } from '../../src/lib/errors.ts';

describe('OcislimError', () => {
  it('keeps code, hint and exit code when it is seen from further out', async () => {
    const inner = new OcislimError('OCISLIM_UNAUTHORIZED', 'not authorised', { hint: 'log in' });
    const outer = await within('base alpine', () => Promise.reject(inner)).catch((error: unknown) => error);
    expect(outer).toMatchObject({
      code: 'OCISLIM_UNAUTHORIZED',
      exitCode: 5,
      message: 'base alpine: not authorised',
      hint: 'log in',
      cause: inner,
    });
  });

  it('does not name the same thing twice', () => {
    const error = new OcislimError('OCISLIM_FAILED', 'ghcr.io/me/app: refused');
    expect(error.within('ghcr.io/me/app')).toBe(error);
  });

  it('leaves errors that are not its own as they are', async () => {
    const bug = new TypeError('bug');
    await expect(within('base', () => Promise.reject(bug))).rejects.toBe(bug);
  });

  it('has the exit codes that are documented', () => {
    const codes = new Set(Object.values(ERROR_CODES));
    expect([...codes].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 130]);
    expect(Object.keys(ERROR_CODES).every((code) => code.startsWith('OCISLIM_'))).toBe(true);
  });
});

it('isAbort finds an abort however deep', () => {
  const abort = new DOMException('aborted', 'AbortError');
  expect(isAbort(new Error('x', { cause: new Error('y', { cause: abort }) }))).toBe(true);
  expect(isAbort(new OcislimError('OCISLIM_INTERRUPTED', 'interrupted'))).toBe(true);
  expect(isAbort(new Error('x'))).toBe(false);
  expect(isAbort('x')).toBe(false);
});
