import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandRecipe } from '../../src/compile/recipes/command.ts';
import { type Choice, recognise } from '../../src/compile/recognise.ts';
import { findSource } from '../../src/compile/source.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { sourceFolder } from '../support/sources.ts';
import { tempDir } from '../support/temp.ts';

type Files = Readonly<Record<string, string>>;

/** What a path in a folder with those files is: `recipe name`, or the error's message and hint. */
async function seen(files: Files, path = '.', choice: Choice = {}): Promise<string> {
  const source = await findSource(path, sourceFolder(files));
  if (source === undefined) return 'no source';
  try {
    const { recipe, program } = await recognise(source, 'it', choice);
    return `${recipe.name} ${program.name}`;
  } catch (error) {
    if (!(error instanceof OcislimError)) throw error;
    return `${error.message} (${error.hint})`;
  }
}

const main = 'package main\n\nfunc main() {}\n';
const mod = 'module example.com/app\n\ngo 1.24\n';
const library = 'package words\n';
const crate = (name: string, more = '') => `[package]\nname = "${name}"\nversion = "1.0.0"\n${more}`;

describe('what is Go', () => {
  it.each<[string, Files, string, string]>([
    ['a module with a program', { 'go.mod': mod, 'main.go': main }, '.', 'go app'],
    ['a major version', { 'go.mod': 'module example.com/app/v2\n', 'main.go': main }, '.', 'go app'],
    ['a quoted module', { 'go.mod': 'module "example.com/q" // it\n', 'main.go': main }, '.', 'go q'],
    ['the one command', { 'go.mod': mod, 'app.go': library, 'cmd/tool/main.go': main }, '.', 'go tool'],
    [
      'the root before its commands',
      { 'go.mod': mod, 'main.go': main, 'cmd/a/a.go': main, 'cmd/b/b.go': main },
      '.',
      'go app',
    ],
    [
      'the command before what lies elsewhere',
      { 'go.mod': mod, 'cmd/tool/main.go': main, 'hack/gen/main.go': main },
      '.',
      'go tool',
    ],
    ['a command by its folder', { 'go.mod': mod, 'cmd/a/a.go': main, 'cmd/b/b.go': main }, 'cmd/b', 'go b'],
    ['a program after a license', { 'go.mod': mod, 'a.go': `/* a\nb */\n\n// c\n${main}` }, '.', 'go app'],
    ['a bare file', { 'go.mod': mod, 'hello.go': main }, 'hello.go', 'go hello'],
    [
      'files without a module',
      { 'a.go': main, 'b.go': main },
      '.',
      expect.stringMatching(/^go ocislim-test-/),
    ],
    [
      'a workspace',
      {
        'go.work': 'go 1.24\nuse ./a\nuse (\n  ./b // two\n)\n',
        'a/go.mod': mod,
        'b/go.mod': mod,
        'b/m.go': main,
      },
      '.',
      'go b',
    ],
    [
      'the module of a workspace',
      { 'go.work': 'use (\n./a\n./b\n)\n', 'a/go.mod': mod, 'a/m.go': main, 'b/go.mod': mod, 'b/m.go': main },
      'a',
      'go a',
    ],
    ['a module with a Makefile', { 'go.mod': mod, 'main.go': main, Makefile: 'all:\n' }, '.', 'go app'],
  ])('%s', async (_, files, path, expected) => {
    expect(await seen(files, path)).toEqual(expected);
  });

  it('lists several commands, and takes the one that is named', async () => {
    const files = { 'go.mod': mod, 'cmd/a/a.go': main, 'cmd/b/b.go': main };
    expect(await seen(files)).toBe('it: has several programs: a, b (say which with --bin a)');
    expect(await seen(files, '.', { bin: 'b' })).toBe('go b');
    expect(await seen(files, '.', { bin: 'c' })).toBe('it: has no program c (it has a, b)');
  });

  it('tells programs of the same name apart by their folders', async () => {
    const files = { 'go.mod': mod, 'a/cmd/run/a.go': main, 'b/cmd/run/b.go': main };
    expect(await seen(files)).toContain('a-cmd-run, b-cmd-run');
  });

  it.each<[string, Files]>([
    ['a library', { 'go.mod': mod, 'app.go': library }],
    ['tests', { 'go.mod': mod, 'main_test.go': main }],
    ['what is left out of builds', { 'go.mod': mod, 'gen.go': `//go:build ignore\n\n${main}` }],
    ['other modules', { 'go.mod': mod, 'tools/go.mod': mod, 'tools/main.go': main }],
    [
      'vendored, hidden and test data',
      { 'go.mod': mod, 'vendor/a/a.go': main, '.b/b.go': main, 'testdata/c.go': main },
    ],
  ])('finds no program in %s', async (_, files) => {
    expect(await seen(files)).toContain('a folder with nothing in it that ocislim knows to compile');
  });
});

describe('what is Rust', () => {
  it.each<[string, Files, string, string]>([
    ['a package', { 'Cargo.toml': crate('app'), 'src/main.rs': '' }, '.', 'rust app'],
    [
      'a program in bin',
      { 'Cargo.toml': crate('app'), 'src/lib.rs': '', 'src/bin/tool.rs': '' },
      '.',
      'rust tool',
    ],
    ['a folder in bin', { 'Cargo.toml': crate('app'), 'src/bin/tool/main.rs': '' }, '.', 'rust tool'],
    [
      'a program with a name of its own',
      {
        'Cargo.toml': crate('app', 'autobins = false\n[[bin]]\nname = "x"\npath = "x.rs"'),
        'src/main.rs': '',
      },
      '.',
      'rust x',
    ],
    [
      'the program to run by default',
      { 'Cargo.toml': crate('app', 'default-run = "b"'), 'src/bin/a.rs': '', 'src/bin/b.rs': '' },
      '.',
      'rust b',
    ],
    [
      'a workspace with one program',
      {
        'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\n',
        'crates/a/Cargo.toml': crate('a'),
        'crates/a/src/lib.rs': '',
        'crates/b/Cargo.toml': crate('b'),
        'crates/b/src/main.rs': '',
      },
      '.',
      'rust b',
    ],
    [
      'a package of a workspace',
      {
        'Cargo.toml': '[workspace]\nmembers = ["a", "b"]\n',
        'a/Cargo.toml': crate('a'),
        'a/src/main.rs': '',
        'b/Cargo.toml': crate('b'),
        'b/src/main.rs': '',
      },
      'b',
      'rust b',
    ],
    ['a bare file', { 'hello.rs': '' }, 'hello.rs', 'rust hello'],
  ])('%s', async (_, files, path, expected) => {
    expect(await seen(files, path)).toBe(expected);
  });

  it('looks at no package out of the source', async () => {
    const folder = sourceFolder({
      'outer/Cargo.toml': crate('outer'),
      'outer/src/main.rs': '',
      'inner/Cargo.toml': '[workspace]\nmembers = ["../outer", "/etc/*", "../*"]\n',
    });
    const source = await findSource('inner', folder);
    if (source === undefined) throw new Error('no source');
    await expect(recognise(source, 'inner')).rejects.toMatchObject({ code: 'OCISLIM_INPUT_INVALID' });
  });
});

describe('what is C, C++, Java or for Node.js', () => {
  const package_ = (more: object) =>
    JSON.stringify({ name: '@me/app', devDependencies: { esbuild: '1' }, ...more });
  it.each<[string, Files, string, string]>([
    ['a file of C', { 'hello.c': '' }, 'hello.c', 'c hello'],
    ['a file of C++', { 'a.b.cpp': '' }, 'a.b.cpp', 'c a.b'],
    ['CMake', { 'CMakeLists.txt': 'add_executable( tool main.c)' }, '.', 'cmake tool'],
    [
      'CMake beside a Makefile',
      { 'CMakeLists.txt': 'add_executable(tool main.c)', Makefile: '' },
      '.',
      'cmake tool',
    ],
    ['Meson', { 'meson.build': "executable('tool', 'm.c')" }, '.', 'meson tool'],
    [
      'modules of Maven',
      { 'pom.xml': '<module>a/b</module><module>../c</module><module>gone</module>', 'a/b/pom.xml': '' },
      '.',
      'maven b',
    ],
    [
      'a module of Maven by its folder',
      { 'pom.xml': '<module>a</module><module>b</module>', 'a/pom.xml': '', 'b/pom.xml': '' },
      'b',
      'maven b',
    ],
    [
      'a folder below a project of Maven that is none of its modules',
      { 'pom.xml': '<module>a</module>', 'a/pom.xml': '', 'b/pom.xml': '' },
      'b',
      'maven b',
    ],
    ['a file of Java', { 'Hello.java': '' }, 'Hello.java', 'java hello'],
    [
      'one bin of a package',
      { 'package.json': package_({ bin: './a.js' }), 'package-lock.json': '' },
      '.',
      'node app',
    ],
    [
      'a named bin of a package',
      { 'package.json': package_({ bin: { tool: 'a.js' } }), 'package-lock.json': '' },
      '.',
      'node tool',
    ],
  ])('%s', async (_, files, path, expected) => {
    expect(await seen(files, path)).toBe(expected);
  });

  it('takes the name of the folder where nothing else is named', async () => {
    const folder = sourceFolder({
      'a/Makefile': '',
      'b/pom.xml': '',
      'c/CMakeLists.txt': 'add_executable($name m.c)',
    });
    const names = ['a', 'b', 'c'].map(async (path) => {
      const source = await findSource(path, folder);
      if (source === undefined) throw new Error('no source');
      const { recipe, program } = await recognise(source, path);
      return `${recipe.name} ${program.name}`;
    });
    expect(await Promise.all(names)).toEqual(['make a', 'maven b', 'cmake c']);
  });
});

describe('what is several things, or nothing', () => {
  const both = { 'go.mod': mod, 'main.go': main, 'Cargo.toml': crate('app'), 'src/main.rs': '' };

  it('lists the recipes that fit, and takes the one that is named', async () => {
    expect(await seen(both)).toBe('it: is Go and Rust at once (say which with --recipe go or --recipe rust)');
    expect(await seen(both, '.', { recipe: 'rust' })).toBe('rust app');
    expect(await seen(both, '.', { recipe: 'cobol' })).toMatch(
      /^--recipe cobol: no such recipe \(there are go, /,
    );
  });

  it('says what it has looked for', async () => {
    expect(await seen({ 'README.md': '' })).toMatch(
      /^it: a folder with nothing .*\(looked for go\.mod, .*--build CMD/,
    );
    expect(await seen({ 'README.md': '' }, '.', { recipe: 'maven' })).toContain('(looked for pom.xml;');
  });

  it('takes no other file for source', async () => {
    expect(await seen({ hello: '' }, 'hello')).toBe('no source');
    expect(await seen({}, 'missing')).toBe('no source');
  });

  it('compiles by a command only what is in the source', () => {
    for (const artifact of ['../x', '/x', '.', 'a/../../x']) {
      expect(() => commandRecipe({ build: 'make', artifact }), artifact).toThrow(/not a path in the source/);
    }
  });
});

describe('a hostile source', () => {
  it('is not waited for where a FIFO has the name of a description', async () => {
    const folder = tempDir();
    execFileSync('mkfifo', [join(folder, 'go.mod'), join(folder, 'Cargo.toml'), join(folder, 'main.go')]);
    const source = await findSource('.', folder);
    if (source === undefined) throw new Error('no source');
    await expect(recognise(source, '.')).rejects.toMatchObject({ code: 'OCISLIM_INPUT_INVALID' });
  });

  it('is not followed out of its folder', async () => {
    const outside = sourceFolder({ 'go.mod': mod, 'main.go': main, 'Cargo.toml': crate('app') });
    const links = {
      'go.mod': `-> ${outside}/go.mod`,
      cmd: `-> ${outside}`,
      'Cargo.toml': `-> ${outside}/Cargo.toml`,
    };
    expect(await seen(links)).toContain('a folder with nothing in it');
  });

  it('is refused where a description is longer than any real one', async () => {
    expect(await seen({ 'go.mod': 'x'.repeat(2 ** 20 + 1) })).toMatch(/^go\.mod: longer than/);
  });

  it('is refused where a description is damaged', async () => {
    expect(await seen({ 'Cargo.toml': '[package' })).toMatch(/^Cargo\.toml: /);
    const deep = `${'a.'.repeat(100_000)}a = 1`;
    expect(await seen({ 'Cargo.toml': deep })).toMatch(/^(Cargo\.toml: |it: a folder with nothing)/);
    const deeper = `{"bin":${'['.repeat(400_000)}`;
    expect(await seen({ 'package.json': deeper, 'package-lock.json': '' })).toMatch(
      /^package\.json: not JSON/,
    );
    expect(await seen({ 'package.json': '{', 'package-lock.json': '' })).toMatch(/^package\.json: not JSON/);
  });

  it('has no program with a name that is a path or an option', async () => {
    for (const name of ['../../etc/x', '..', '-rf', '']) {
      const files = { 'Cargo.toml': crate('app', `[[bin]]\nname = ${JSON.stringify(name)}\npath = "x.rs"`) };
      expect(await seen(files), name).toContain('no name for a program');
    }
  });

  it('takes milliseconds, whatever the lines are', async () => {
    const folder = tempDir();
    const long = 2 ** 19;
    for (const line of [
      ' '.repeat(long),
      `add_executable(${'a'.repeat(long)}`,
      'import '.repeat(long / 8),
      '('.repeat(long),
    ]) {
      for (const name of [
        'go.mod',
        'go.work',
        'main.go',
        'CMakeLists.txt',
        'rust-toolchain.toml',
        'Hello.java',
      ])
        writeFileSync(join(folder, name), line);
      const started = performance.now();
      for (const file of [undefined, 'main.go', 'Hello.java'])
        await recognise({ folder, file }, 'it').catch(() => {});
      expect(performance.now() - started).toBeLessThan(2000);
    }
  });

  it('never fails with anything but an error for people', async () => {
    const names = fc.constantFrom(
      'go.mod',
      'go.work',
      'Cargo.toml',
      'package.json',
      'CMakeLists.txt',
      'pom.xml',
    );
    const words = fc.constantFrom(
      'use',
      'module',
      '(',
      ')',
      '[package]',
      '[workspace]',
      'members=["*"]',
      'name="a"',
    );
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(words).map((each) => each.join('\n')),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, text, { noNullPrototype: true }), async (files) => {
        const folder = tempDir();
        mkdirSync(join(folder, 'a'));
        const source = { folder: sourceFolder({ ...files, 'package-lock.json': '' }, folder) };
        const error = await recognise(source, 'it').catch((reason: unknown) => reason);
        if (error instanceof Error) expect(error).toBeInstanceOf(OcislimError);
      }),
      { numRuns: 100 },
    );
  });
});
