import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, hasWildcard } from '../../src/dockerfile/glob.ts';
import { pathPatterns } from '../../src/dockerfile/path-patterns.ts';

describe('a glob', () => {
  it.each([
    ['a', 'a', true],
    ['a', 'ab', false],
    ['', '', true],
    ['*', '', true],
    ['*', '.hidden', true],
    ['*', 'a/b', false],
    ['a*/b', 'ax/b', true],
    ['a?c', 'a/c', false],
    ['a?c', 'aéc', true],
    ['?', '😀', true],
    ['?', '\udcff', true],
    ['[a-c]', 'b', true],
    ['[a-c]', 'd', false],
    ['[^a-c]', 'd', true],
    ['[\\]]', ']', true],
    ['[\\-x]', '-', true],
    ['[[]', '[', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['**', 'a/b', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b*', 'xxbxxaxx', false],
  ])('%j %j: %j', (pattern, text, expected) => {
    expect(compileGlob(pattern)?.matches(text)).toBe(expected);
  });

  it.each(['[', '[a', '[]', '[]a]', '[a-]', '[-a]', '[a-', '[^]', 'a\\', '[\\'])('is not %j', (pattern) => {
    expect(compileGlob(pattern)).toBeUndefined();
  });

  it.each([
    ['a', false],
    ['a*', true],
    ['a\\*', false],
    ['a\\\\*', true],
    ['[', true],
    ['a?', true],
    ['\\', false],
  ])('%j has a wildcard: %j', (text, expected) => {
    expect(hasWildcard(text)).toBe(expected);
  });

  it('takes no time of its own for a bomb', () => {
    const bomb = compileGlob('*a'.repeat(200), { folders: true });
    expect(bomb?.matches(`${'a'.repeat(2000)}b`)).toBe(false);
    const folders = compileGlob('**/'.repeat(200).concat('x'), { folders: true });
    expect(folders?.matches('a/'.repeat(1000))).toBe(false);
  });

  it('says of plain text what equality does', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-c/]*$/), fc.stringMatching(/^[a-c/]*$/), (a, b) => {
        expect(compileGlob(a, { folders: true })?.matches(b)).toBe(a === b);
      }),
    );
  });
});

describe('path patterns', () => {
  it.each<[readonly string[], string, boolean]>([
    [['a'], 'a', true],
    [['a'], 'a/b', true],
    [['a'], 'b/a', false],
    [['a/'], 'a', true],
    [['./a'], 'a', true],
    [['b/../a'], 'a', true],
    [['**/a'], 'a', true],
    [['**/a'], 'x/y/a', true],
    [['**/a'], 'x/ba', false],
    [['a/**'], 'a/b/c', true],
    [['a/**'], 'a', false],
    [['a/**/b'], 'a/b', true],
    [['a/**/b'], 'a/x/y/b', true],
    [['**'], 'a', true],
    [['*.md', '!b.md'], 'b.md', false],
    [['*.md', '!b.md', 'b.*'], 'b.md', true],
    [['!b.md', '*.md'], 'b.md', true],
    [['d', '!d/e'], 'd/e/f', false],
    [['d', '!d/e'], 'd/f', true],
    [['', ' a '], 'a', true],
    [[], 'a', false],
  ])('%j %j: %j', (patterns, path, expected) => {
    expect(pathPatterns(patterns, '--exclude').matches(path)).toBe(expected);
  });

  it.each(['[', '!', '!.', '/'])('are not %j', (pattern) => {
    expect(() => pathPatterns([pattern], '--exclude')).toThrow(`--exclude ${pattern}: not a pattern`);
  });
});
