import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandHeredoc, expandWord, expandWords, unquoteWord } from '../../src/dockerfile/expand.ts';
import { OcislimError } from '../../src/lib/errors.ts';

const SCOPE = new Map([
  ['x', 'value'],
  ['empty', ''],
  ['path', '/usr/local/bin/tool.tar.gz'],
  ['two', 'a  b'],
  ['stars', 'a*b*c'],
  ['dup', 'xxyy'],
  ['_u1', 'under'],
  ['ключ', 'unicode'],
  ['quote', '"\''],
  ['nested', '$x'],
  ['pattern', '*/'],
]);

const BACKSLASH = { escape: '\\' };

describe('expandWord', () => {
  it.each<[string, string]>([
    ['', ''],
    ['plain text', 'plain text'],
    ['$x', 'value'],
    ['$x/$x', 'value/value'],
    ['a$x', 'avalue'],
    ['$xy', ''],
    [`\${x}y`, 'valuey'],
    [`\${x}`, 'value'],
    ['$empty', ''],
    ['$unset', ''],
    [`\${unset}`, ''],
    ['$', '$'],
    ['a$', 'a$'],
    ['$ x', '$ x'],
    ['$/x', '$/x'],
    ['$.x', '$.x'],
    ['$$x', 'x'],
    ['$1x', 'x'],
    ['$_u1', 'under'],
    ['$ключ.', 'unicode.'],
    ['$nested', '$x'],
    // Quotes and escapes.
    ['"a b"', 'a b'],
    ["'a b'", 'a b'],
    ['a"b"\'c\'d', 'abcd'],
    ['""', ''],
    ['"$x"', 'value'],
    ["'$x'", '$x'],
    ['"\'$x\'"', "'value'"],
    ["'\"'", '"'],
    ['\\$x', '$x'],
    ['\\\\$x', '\\value'],
    ['"\\$x"', '$x'],
    ['"\\\\"', '\\'],
    ['"\\""', '"'],
    ['"\\n"', '\\n'],
    ['\\n', 'n'],
    ["'\\n'", '\\n'],
    ['a\\ b', 'a b'],
    ['a\\', 'a'],
    ["\\'", "'"],
    ['$quote', '"\''],
    // Instead of what is unset, or of what is empty, too.
    [`\${x-d}`, 'value'],
    [`\${empty-d}`, ''],
    [`\${unset-d}`, 'd'],
    [`\${x:-d}`, 'value'],
    [`\${empty:-d}`, 'd'],
    [`\${unset:-d}`, 'd'],
    [`\${unset:-}`, ''],
    [`\${unset:-a b}`, 'a b'],
    [`\${unset:-"a }"}`, 'a }'],
    [`\${unset:-a\\}b}`, 'a}b'],
    [`\${unset:-$x}`, 'value'],
    [`\${unset:-\${empty:-\${x}}}`, 'value'],
    [`"\${unset:-"a"}"`, 'a'],
    [`\${x+s}`, 's'],
    [`\${empty+s}`, 's'],
    [`\${unset+s}`, ''],
    [`\${x:+s}`, 's'],
    [`\${empty:+s}`, ''],
    [`\${unset:+s}`, ''],
    [`-\${x:+-\${x}}`, '--value'],
    [`\${x?m}`, 'value'],
    [`\${empty?m}`, ''],
    [`\${x:?m}`, 'value'],
    // Without a start or an end.
    [`\${path#/usr}`, '/local/bin/tool.tar.gz'],
    [`\${path#*/}`, 'usr/local/bin/tool.tar.gz'],
    [`\${path##*/}`, 'tool.tar.gz'],
    [`\${path%.*}`, '/usr/local/bin/tool.tar'],
    [`\${path%%.*}`, '/usr/local/bin/tool'],
    [`\${path%/*}`, '/usr/local/bin'],
    [`\${path%%/*}`, ''],
    [`\${path#nothing}`, '/usr/local/bin/tool.tar.gz'],
    [`\${path#local}`, '/usr/local/bin/tool.tar.gz'],
    [`\${x#}`, 'value'],
    [`\${x#?}`, 'alue'],
    [`\${x%??}`, 'val'],
    [`\${x##*}`, ''],
    [`\${x#*}`, 'value'],
    [`\${dup#*x*y}`, 'y'],
    [`\${dup##*x}`, 'yy'],
    [`\${stars#a\\*}`, 'b*c'],
    [`\${stars%\\**}`, 'a*b'],
    [`\${stars%%\\**}`, 'a'],
    [`\${unset#a}`, ''],
    [`\${x#$empty}`, 'value'],
    [`\${path#$pattern}`, 'usr/local/bin/tool.tar.gz'],
    [`\${x#"va"}`, 'lue'],
    // Replaced.
    [`\${path/\\//_}`, '_usr/local/bin/tool.tar.gz'],
    [`\${path//\\//_}`, '_usr_local_bin_tool.tar.gz'],
    [`\${x/a/b}`, 'vblue'],
    [`\${x/a/}`, 'vlue'],
    [`\${x/z/b}`, 'value'],
    [`\${x//?/.}`, '.....'],
    [`\${x/?/.}`, '.alue'],
    [`\${x/a*/.}`, 'v.'],
    [`\${stars/\\**\\*/-}`, 'a-c'],
    [`\${stars//\\*/-}`, 'a-b-c'],
    [`\${x/a/$x}`, 'vvaluelue'],
    [`\${x/$unset/ww}`, 'wwvalue'],
    [`\${dup//x/}`, 'yy'],
    [`\${unset/a/b}`, ''],
    [`\${two//  /, }`, 'a, b'],
  ])('%j is %j', (text, expected) => {
    expect(expandWord(text, SCOPE, BACKSLASH)).toBe(expected);
  });

  it.each<[string, string]>([
    ['a` b', 'a b'],
    ['`$x', '$x'],
    ['c:\\$x', 'c:\\value'],
    ['"a`"b"', 'a"b'],
    ['a\\ b', 'a\\ b'],
  ])('with the escape character ` %j is %j', (text, expected) => {
    expect(expandWord(text, SCOPE, { escape: '`' })).toBe(expected);
  });

  it.each<[string, string]>([
    ["a'b", "a ' that is not closed"],
    ['a"b', 'a " that is not closed'],
    ['"a\\"', 'a " that is not closed'],
    [`\${`, `\${ has no }`],
    [`\${x`, `\${x has no }`],
    [`\${}`, `\${ has no name`],
    [`\${:-a}`, `\${ has no name`],
    [`\${{x}}`, `\${ has no name`],
    [`\${x:-a`, `\${ has no }`],
    [`\${x=a}`, `\${x= is no substitution`],
    [`\${x:=a}`, `\${x:= is no substitution`],
    [`\${x^^}`, `\${x^ is no substitution`],
    [`\${x.y}`, `\${x. is no substitution`],
    [`\${x/a}`, `\${ has no /`],
    [`\${x/a/b`, `\${ has no }`],
    [`\${unset?}`, 'unset: is not set'],
    [`\${unset?give me $x}`, 'unset: give me value'],
    [`\${empty:?}`, 'empty: is empty'],
    [`\${empty:?no}`, 'empty: no'],
    [`\${x#\\a}`, 'pattern \\a: \\ before a means nothing'],
    [`\${x#a\\\\\\`, `\${ has no }`],
  ])('%j is an error', (text, message) => {
    expect(() => expandWord(text, SCOPE, BACKSLASH)).toThrow(
      expect.objectContaining({ code: 'OCISLIM_DOCKERFILE_INVALID', message }),
    );
  });

  it('says where the error is', () => {
    const file = { name: 'Dockerfile', text: 'FROM a\nUSER $x${' };
    const range = { start: { line: 2, column: 6 }, end: { line: 2, column: 10 } };
    expect(() => expandWord('$x${', SCOPE, { ...BACKSLASH, at: { file, range } })).toThrow(
      expect.objectContaining({
        message: `Dockerfile:2: \${ has no }`,
        excerpt: [`USER $x\${`, '     ^^^^'],
      }),
    );
  });

  it('tells what is used and unset, but not where something stands in for it', () => {
    const names: string[] = [];
    const text = `$a \${b} \${c#x} \${d/x/y} \${e-} \${f:-$g} \${h+x} $x '$i' \\$j "$k"`;
    expandWord(text, SCOPE, { ...BACKSLASH, onUnset: (name) => names.push(name) });
    expect(names).toEqual(['a', 'b', 'c', 'd', 'g', 'k']);
  });

  it('does not grow without end', () => {
    const large = new Map([['a', 'x'.repeat(1024 * 1024)]]);
    expect(expandWord('$a'.repeat(16), large, BACKSLASH)).toHaveLength(16 * 1024 * 1024);
    for (const text of ['$a'.repeat(17), `\${a//x/$a}`, `\${a//x/xxxxxxxxxxxxxxxxxxxx}`])
      expect(() => expandWord(text, large, BACKSLASH)).toThrow('it expands to more than 16 MiB');
    const deep = `${`\${z:-`.repeat(100_000)}${'}'.repeat(100_000)}`;
    expect(() => expandWord(deep, large, BACKSLASH)).toThrow('too many substitutions within each other');
  });

  it('takes no longer for patterns that are hard to match', () => {
    const scope = new Map([['a', 'a'.repeat(20_000)]]);
    const pattern = 'a*'.repeat(50);
    expect(expandWord(`\${a##${pattern}b}`, scope, BACKSLASH)).toHaveLength(20_000);
    expect(expandWord(`\${a%%${pattern}b}`, scope, BACKSLASH)).toHaveLength(20_000);
    expect(expandWord(`\${a//${pattern}b/c}`, scope, BACKSLASH)).toHaveLength(20_000);
  });

  it('expands any text or refuses it', () => {
    const tokens = [
      '$',
      '{',
      '}',
      'x',
      'unset',
      ':',
      '-',
      '+',
      '?',
      '#',
      '%',
      '/',
      '*',
      '"',
      "'",
      '\\',
      ' ',
      '😀',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 20 }), (parts) => {
        try {
          const text = parts.join('');
          const words = expandWords(text, SCOPE, BACKSLASH);
          expect(expandWord(text, SCOPE, BACKSLASH).replaceAll(/\s/g, '')).toBe(
            words.join('').replaceAll(/\s/g, ''),
          );
        } catch (error) {
          if (!(error instanceof OcislimError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('expandWords', () => {
  it.each<[string, string[]]>([
    ['a b', ['a', 'b']],
    ['  a  ', ['a']],
    ['$two', ['a', 'b']],
    ['"$two"', ['a  b']],
    ['x$two', ['xa', 'b']],
    ["'a b' c", ['a b', 'c']],
    ['a\\ b', ['a b']],
    ['$unset', []],
    ['""', []],
    [`\${unset:-80 443}`, ['80', '443']],
  ])('splits %j into %j', (text, expected) => {
    expect(expandWords(text, SCOPE, BACKSLASH)).toEqual(expected);
  });
});

describe('unquoteWord', () => {
  it.each<[string, string]>([
    ['a', 'a'],
    ['"a b"', 'a b'],
    ['a\\ b', 'a b'],
    ['$x', '$x'],
    [`\${x}`, `\${x}`],
    [`"\${x:-"a"}"`, `\${x:-"a"}`],
    [`\${unset:?}`, `\${unset:?}`],
  ])('makes %j %j', (text, expected) => {
    expect(unquoteWord(text, BACKSLASH)).toBe(expected);
  });
});

describe('expandHeredoc', () => {
  it.each<[string, string]>([
    ['a "b" \'c\'\n', 'a "b" \'c\'\n'],
    ['"$x" \'$x\'\n', '"value" \'value\'\n'],
    ["it's $x\n", "it's value\n"],
    ['\\$x\n', '$x\n'],
    ['a\\\\b\n', 'a\\b\n'],
    [`\${unset:-"d"}\n`, '"d"\n'],
    ['no variable, no "escape"', 'no variable, no "escape"'],
  ])('makes %j %j', (text, expected) => {
    expect(expandHeredoc(text, SCOPE, {})).toBe(expected);
  });
});
