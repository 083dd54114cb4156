import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIgnore } from '../../src/dockerfile/ignore.ts';
import { OcislimError } from '../../src/lib/errors.ts';

describe('.dockerignore', () => {
  // Patterns, what is left out, what is not.
  it.each<[string, string[], string[]]>([
    ['', [], ['a', '.', '']],
    ['a', ['a', 'a/b', 'a/b/c'], ['b', 'ab', 'b/a']],
    ['/a', ['a', 'a/b'], ['b/a']],
    ['//a', ['a'], ['b/a']],
    ['a/', ['a', 'a/b'], ['b/a']],
    ['./a', ['a'], ['b/a']],
    ['a/../b', ['b'], ['a']],
    ['../a', [], ['a', 'b/a']],
    ['.', [], ['a', 'a/b']],
    ['/', [], ['a', 'a/b']],
    ['a/b', ['a/b', 'a/b/c'], ['a', 'a/c', 'b']],
    ['*', ['a', 'a/b', '.a'], ['.']],
    ['*.o', ['a.o', '.o', 'a.o/b'], ['a', 'b/a.o', 'a.oo']],
    ['*/a', ['b/a', 'b/a/c'], ['a', 'b/c/a']],
    ['*/*/a', ['b/c/a'], ['b/a']],
    ['a?', ['ab', 'a😀'], ['a', 'abc', 'a/']],
    ['?', ['a'], ['ab']],
    ['a*b', ['ab', 'axb', 'axxb'], ['a/b', 'abc']],
    ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
    ['[^a-c]x', ['dx'], ['ax']],
    ['[abc]', ['a', 'b'], ['d', 'ab']],
    ['[a\\]]', ['a', ']'], ['b', '\\']],
    ['[\\-]', ['-'], ['a']],
    ['[!a]', ['!', 'a'], ['b']],
    ['\\*', ['*'], ['a']],
    ['\\[a', ['[a'], ['a']],
    ['a\\b', ['ab'], ['a\\b']],
    ['a.b', ['a.b'], ['axb']],
    ['a+(b)|{c}^$', ['a+(b)|{c}^$'], ['a']],
    // Any number of folders.
    ['**', ['a', 'a/b', '.a'], ['.']],
    ['**/a', ['a', 'b/a', 'b/c/a', 'b/a/c'], ['ab', 'ba', 'b/ca']],
    ['**/*.o', ['a.o', 'b/a.o', 'b/c/a.o'], ['a', 'b/a']],
    ['a/**', ['a/b', 'a/b/c'], ['a', 'b']],
    ['a/**/b', ['a/b', 'a/c/b', 'a/c/d/b', 'a/b/x'], ['a', 'b', 'a/c', 'c/a/b']],
    ['**/a/**', ['a/b', 'c/a/b'], ['a', 'c/a']],
    ['**/a/b', ['a/b', 'c/a/b'], ['b', 'a']],
    ['**a', ['a', 'ba', 'b/ca'], ['ab']],
    ['a**', ['a', 'ab', 'ab/c'], ['b']],
    ['**/**/a', ['a', 'b/a', 'b/c/a'], ['b']],
    ['**/', ['a', 'a/b'], []],
    // The last one decides.
    ['a\n!a', [], ['a', 'a/b']],
    ['!a\na', ['a', 'a/b'], []],
    ['*\n!a', ['b', 'b/a'], ['a', 'a/b']],
    ['a\n!a/b', ['a', 'a/c'], ['a/b', 'a/b/c']],
    ['a\n!a/b\na/b/c', ['a', 'a/b/c'], ['a/b', 'a/b/d']],
    ['*.md\n!README*.md\nREADME-secret.md', ['a.md', 'README-secret.md'], ['README.md', 'README-x.md']],
    ['*.md\nREADME-secret.md\n!README*.md', ['a.md'], ['README.md', 'README-secret.md']],
    ['**\n!**/*.go', ['a', 'a/b'], ['a.go', 'a/b.go']],
    ['a/*\n!a/b', ['a/c'], ['a', 'a/b']],
    ['!a', [], ['a', 'b']],
    ['! a\nb', ['b'], ['a']],
    ['*\n!/a', ['b'], ['a']],
    ['*\n!./a/', ['b'], ['a', 'a/b']],
    // Text.
    ['# a\na', ['a'], ['# a']],
    [' # a', ['# a'], ['a']],
    ['\\#a', ['#a'], ['a']],
    ['  a  \n\n\t\nb', ['a', 'b'], []],
    ['a\r\nb\r\n', ['a', 'b'], []],
    ['\ufeffa', ['a'], []],
    ['a b', ['a b'], ['a']],
    ['\\!a', ['!a'], ['a']],
    ['__proto__', ['__proto__'], ['a']],
  ])('%j', (text, ignored, kept) => {
    const ignore = parseIgnore(text);
    expect([...ignored, ...kept].filter(ignore.ignores)).toEqual(ignored);
  });

  // Patterns, a folder that is left out, whether it has to be read.
  it.each<[string, string, boolean]>([
    ['', 'a', true],
    ['a', 'a', false],
    ['a', 'a/b', false],
    ['a\n!a/b', 'a', true],
    ['a\n!a/b', 'a/b', true],
    ['a\n!a/b', 'a/c', false],
    ['a\n!b', 'a', false],
    ['a\n!ab', 'a', false],
    ['*\n!a/b/c', 'a', true],
    ['*\n!a/b/c', 'a/b', true],
    ['*\n!a/b/c', 'a/c', false],
    ['*\n!*/x', 'a', true],
    ['*\n!*/x', 'a/b', false],
    ['*\n!**/x', 'a/b/c', true],
    ['*\n!a/**/x', 'b', false],
    ['*\n!a/**/x', 'a/b', true],
    ['*\n![ab]/x', 'c', false],
    ['*\n![ab]/x', 'b', true],
    ['*\n!*.go', 'a', false],
  ])('%j: a folder %s may have something to keep: %s', (text, folder, expected) => {
    expect(parseIgnore(text).mayHaveKept(folder)).toBe(expected);
  });

  it.each<[string, number, string, ...string[]]>([
    ['!', 1, '! without a pattern', '!', '^'],
    ['a\n [b', 2, 'pattern [b has a [ without its ]', ' [b', ' ^^'],
    ['[]', 1, 'pattern [] has a [ without its ]', '[]', '^^'],
    ['[]a]', 1, 'pattern []a] has a [ without its ]', '[]a]', '^^^^'],
    ['[a-]', 1, 'pattern [a-] has a [ without its ]', '[a-]', '^^^^'],
    ['[^]', 1, 'pattern [^] has a [ without its ]', '[^]', '^^^'],
    ['\n\na\\', 3, 'pattern a\\ ends with \\', 'a\\', '^^'],
    ['![', 1, 'pattern [ has a [ without its ]', '![', '^^'],
  ])('refuses %j', (text, line, message, ...excerpt) => {
    expect(() => parseIgnore(text, { name: 'x.dockerignore' })).toThrow(
      expect.objectContaining({
        code: 'OCISLIM_DOCKERFILE_INVALID',
        message: `x.dockerignore:${line}: ${message}`,
        excerpt,
      }),
    );
  });

  it('takes no longer for patterns that are hard to match', () => {
    const hard = ['*a'.repeat(50), `${'**/a/'.repeat(50)}b`, 'a*'.repeat(50), '?*'.repeat(50)];
    const ignore = parseIgnore(hard.map((pattern) => `${pattern}!`).join('\n'));
    expect(ignore.ignores('a'.repeat(2000))).toBe(false);
    expect(ignore.ignores('a/'.repeat(200))).toBe(false);
  });

  it('skips no folder that has something to keep', () => {
    const part = fc.constantFrom('a', 'b', '*', '**', '?', '[ab]', 'a*', '*b');
    const pattern = fc
      .tuple(fc.constantFrom('', '!'), fc.array(part, { minLength: 1, maxLength: 4 }))
      .map(([sign, parts]) => sign + parts.join('/'));
    const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'c'), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), path, (patterns, names) => {
        const ignore = parseIgnore(patterns.join('\n'));
        if (ignore.ignores(names.join('/'))) return;
        for (let depth = 1; depth < names.length; depth++)
          expect(ignore.mayHaveKept(names.slice(0, depth).join('/'))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('reads any text or refuses it', () => {
    const tokens = ['a', '/', '*', '**', '?', '[', ']', '^', '-', '\\', '!', '#', '\n', '.', '..', ' '];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 20 }), (parts) => {
        try {
          expect(typeof parseIgnore(parts.join('')).ignores('a/b')).toBe('boolean');
        } catch (error) {
          if (!(error instanceof OcislimError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});
