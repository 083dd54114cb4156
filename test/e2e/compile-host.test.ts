import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { hostPlatform, parsePlatform } from '#oci-spec-types';
import { type Compiled, compileOnHost, type HostOptions, identifyHost } from '../../src/compile/host.ts';
import { compileKey } from '../../src/compile/key.ts';
import { commandRecipe } from '../../src/compile/recipes/command.ts';
import { type Choice, type Recognised, recognise } from '../../src/compile/recognise.ts';
import { findSource, type Source, SourceFolder } from '../../src/compile/source.ts';
import { describeElf, type ElfFacts } from '../../src/elf/program.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { must, root, run } from '../support/cli.ts';
import { describeWithPeers } from '../support/peers.ts';
import { sourceFolder } from '../support/sources.ts';
import { tempDir } from '../support/temp.ts';

// What others do in the machine's own folder for temporary files is not this file's affair.
beforeAll(() => void vi.stubEnv('TMPDIR', tempDir()));

function leftovers(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('ocislim-compile-'));
}

/** A project of `testdata/`, in a folder that no other test uses. */
function project(name: string): string {
  const folder = join(tempDir(), name);
  cpSync(join(root, 'testdata', name), folder, { recursive: true });
  return folder;
}

async function sourceAt(path: string): Promise<Source> {
  const source = await findSource(path, '/');
  if (source === undefined) throw new Error(`${path} is no source`);
  return source;
}

interface Wanted extends Partial<HostOptions>, Choice {
  readonly recognised?: Recognised;
}

async function compile(
  path: string,
  { recognised, recipe, bin, ...options }: Wanted = {},
): Promise<Compiled> {
  const source = await sourceAt(path);
  const chosen = recognised ?? (await recognise(source, path, { recipe, bin }));
  return compileOnHost(chosen, {
    ...{ platform: hostPlatform(), link: 'static', jlink: false, offline: false, created: 0 },
    ...{ output: tempDir(), caches: tempDir(), env: process.env },
    toolchain: await identifyHost(chosen, { env: process.env }),
    ...options,
  });
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

async function elfOf(path: string): Promise<ElfFacts | undefined> {
  const file = await open(path);
  try {
    return await describeElf(async (at, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
      return buffer.subarray(0, bytesRead);
    });
  } finally {
    await file.close();
  }
}

async function failureOf(work: Promise<unknown>): Promise<OcislimError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof OcislimError)) throw error ?? new Error('it did not fail');
  return error;
}

/** Compiles a project in two folders, expects the same bytes of both and no trace of either, and runs what came out. */
async function expectSame(name: string, file: string | undefined, options: Wanted = {}): Promise<Compiled> {
  const folders = [project(name), project(name)];
  const results: Compiled[] = [];
  for (const folder of folders) results.push(await compile(join(folder, file ?? ''), options));
  const [first, second] = results;
  if (first === undefined || second === undefined) throw new Error('nothing was compiled');
  expect(sha256(first.path)).toBe(sha256(second.path));
  const bytes = readFileSync(first.path);
  for (const trace of [...folders, 'ocislim-compile-']) expect(bytes.includes(trace), trace).toBe(false);
  for (const [at, folder] of folders.entries()) {
    expect(readdirSync(folder, { recursive: true }).sort(), `${at}`).toEqual(
      readdirSync(join(root, 'testdata', name), { recursive: true }).sort(),
    );
  }
  return first;
}

async function expectStatic(path: string): Promise<void> {
  const facts = await elfOf(path);
  expect(facts?.platform).toEqual(hostPlatform());
  expect(facts?.interpreter).toBeUndefined();
  expect(facts?.debugBytes).toBeUndefined();
}

describeWithPeers('compiling Go on this machine', ['go', 'gcc'], () => {
  it('makes the same static program in any folder', async () => {
    const { path, kind } = await expectSame('hello-go', undefined);
    expect(kind).toBe('program');
    expect(path).toMatch(/\/hello$/);
    expect(await must(path, [])).toBe('hello from Go\n');
    await expectStatic(path);
  });

  it('makes the program that is named, of several', async () => {
    const folder = project('hello-go-cmds');
    for (const bin of ['hello', 'bye']) {
      expect(await must((await compile(folder, { bin })).path, [])).toBe(`${bin} from Go\n`);
      expect(await must((await compile(join(folder, 'cmd', bin))).path, [])).toBe(`${bin} from Go\n`);
    }
  });

  it('compiles for another platform', async () => {
    const folder = project('hello-go');
    for (const name of ['linux/arm64', 'linux/arm/v6', 'linux/arm/v7', 'linux/riscv64']) {
      const platform = parsePlatform(name);
      const { path } = await compile(folder, { platform });
      expect((await elfOf(path))?.platform, name).toEqual(platform);
    }
  });

  it('compiles a bare file, and nothing beside it', async () => {
    const folder = sourceFolder({
      'hello.go': 'package main\n\nfunc main() { println("bare") }\n',
      'other.go': 'this is no Go',
    });
    const { path } = await compile(join(folder, 'hello.go'));
    expect((await run(path, [])).stderr).toBe('bare\n');
  });

  it('compiles the modules of a workspace', async () => {
    const folder = sourceFolder({
      'go.work': 'go 1.24\n\nuse (\n\t./app\n\t./words\n)\n',
      'app/go.mod': 'module example.com/app\n\ngo 1.24\n\nrequire example.com/words v0.0.0\n',
      'app/main.go': 'package main\n\nimport "example.com/words"\n\nfunc main() { print(words.Word) }\n',
      'words/go.mod': 'module example.com/words\n\ngo 1.24\n',
      'words/words.go': 'package words\n\nconst Word = "work"\n',
    });
    const { path } = await compile(folder);
    expect((await run(path, [])).stderr).toBe('work');
  });

  it('links C in where the module uses it, the same in any folder', async () => {
    const files = {
      'go.mod': 'module example.com/withc\n\ngo 1.24\n',
      'main.go':
        'package main\n\n// static int answer(void) { return 42; }\nimport "C"\n\nfunc main() { print(C.answer()) }\n',
    };
    const [one, two] = [await compile(sourceFolder(files)), await compile(sourceFolder(files))];
    expect((await run(one.path, [])).stderr).toBe('42');
    expect((await elfOf(one.path))?.interpreter).toBeUndefined();
    expect(sha256(one.path)).toBe(sha256(two.path));
  });

  it('fails with what the compiler says, and leaves nothing', async () => {
    const folder = project('hello-go');
    sourceFolder({ 'broken.go': 'package main\n\nfunc broken() { return 1 }\n' }, folder);
    const lines: string[] = [];
    const output = tempDir();
    const error = await failureOf(compile(folder, { output, onLine: (line) => lines.push(line) }));
    expect(error).toMatchObject({ code: 'OCISLIM_COMPILE_FAILED', exitCode: 3 });
    expect(error.message).toBe('go build failed with exit code 1');
    expect(error.output?.join('\n')).toContain('./broken.go:3:24: too many return values');
    expect(lines).toEqual(error.output);
    expect(readdirSync(output)).toEqual([]);
    expect(leftovers()).toEqual([]);
  });

  it('says which tools are missing, and which image has them', async () => {
    const error = await failureOf(compile(project('hello-go'), { env: { PATH: tempDir() } }));
    expect(error).toMatchObject({
      code: 'OCISLIM_TOOLCHAIN_MISSING',
      exitCode: 3,
      message: 'Go: go not found in PATH (looked for go)',
      hint: 'install it, or compile in an image that has it: --toolchain golang:1.24-alpine',
    });
  });
});

describeWithPeers('compiling Rust on this machine', ['cargo', 'rustc', 'gcc'], () => {
  it('makes the same static program in any folder', async () => {
    const { path } = await expectSame('hello-rust', undefined);
    expect(await must(path, [])).toBe('hello from Rust\n');
    await expectStatic(path);
  });

  it('compiles a bare file', async () => {
    const folder = project('hello-rust');
    const { path } = await compile(join(folder, 'src/main.rs'));
    expect(await must(path, [])).toBe('hello from Rust\n');
    await expectStatic(path);
  });

  it('compiles one of a workspace, and without a lock file leaves none behind', async () => {
    const main = 'fn main() { println!("{}", words::WORD); }';
    const folder = sourceFolder({
      'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n',
      'crates/words/Cargo.toml': '[package]\nname = "words"\nversion = "1.0.0"\nedition = "2021"\n',
      'crates/words/src/lib.rs': 'pub const WORD: &str = "work";',
      'crates/app/Cargo.toml':
        '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\n[dependencies]\nwords = { path = "../words" }\n',
      'crates/app/src/bin/one.rs': main,
      'crates/app/src/bin/two.rs': main,
    });
    const { path } = await compile(join(folder, 'crates/app'), { bin: 'two' });
    expect(await must(path, [])).toBe('work\n');
    expect(readdirSync(folder).sort()).toEqual(['Cargo.toml', 'crates']);
  });

  it('makes a program with shared libraries where it is asked to', async () => {
    const { path } = await compile(project('hello-rust'), { link: 'dynamic' });
    expect(await must(path, [])).toBe('hello from Rust\n');
    expect((await elfOf(path))?.interpreter).toBeDefined();
  });
});

describeWithPeers('compiling C and C++ on this machine', ['gcc', 'g++', 'make', 'cmake'], () => {
  it('makes the same static program of a Makefile in any folder', async () => {
    const { path } = await expectSame('hello-c', undefined);
    expect(await must(path, [])).toBe('hello from C\n');
    await expectStaticCode(path);
  });

  it('makes the same static program with CMake in any folder', async () => {
    const { path } = await expectSame('hello-cmake', undefined);
    expect(await must(path, [])).toBe('hello from CMake\n');
    await expectStatic(path);
  });

  it('makes the same static program of a file of C++ in any folder, with the headers beside it', async () => {
    const { path } = await expectSame('hello-cpp', 'hello.cc');
    expect(await must(path, [])).toBe('hello from C++\n');
    await expectStatic(path);
  });

  it('compiles a file of C', async () => {
    const { path } = await compile(join(project('hello-cmake'), 'hello.c'));
    expect(await must(path, [])).toBe('hello from CMake\n');
    await expectStatic(path);
  });

  it('makes programs with shared libraries where it is asked to', async () => {
    for (const path of [project('hello-c'), project('hello-cmake'), join(project('hello-cpp'), 'hello.cc')]) {
      const made = await compile(path, { link: 'dynamic' });
      expect((await elfOf(made.path))?.linkage?.needed, path).toContain('libc.so.6');
    }
  });

  it('lists the programs where a Makefile makes several', async () => {
    const folder = sourceFolder({
      Makefile: 'all: a b\na b: main.c\n\t$(CC) -o $@ main.c\n',
      'main.c': 'int main(void) { return 0; }\n',
    });
    const error = await failureOf(compile(folder));
    expect(error.message).toBe('it could be any of these that is meant: a, b');
    expect(error.hint).toContain('--artifact');
  });

  it('compiles by the command that is given', async () => {
    const folder = project('hello-c');
    const source = new SourceFolder({ folder });
    const recipe = commandRecipe({
      build: 'make hello && mkdir bin && mv hello bin/tool',
      artifact: 'bin/tool',
    });
    const [program] = await recipe.recognise(source);
    if (program === undefined) throw new Error('no program');
    const { path } = await compile(folder, { recognised: { source: { folder }, recipe, program } });
    expect(path).toMatch(/\/tool$/);
    expect(await must(path, [])).toBe('hello from C\n');
    expect(readdirSync(folder).sort()).toEqual(['Makefile', 'greeting.c', 'greeting.h', 'hello.c']);
  });

  it('gives a compiler nothing of the environment that could tell a secret', async () => {
    const folder = sourceFolder({ Makefile: 'all:\n\tenv >&2; false\n' });
    const env = {
      ...process.env,
      MY_TOKEN: 'canary',
      GOFLAGS: 'canary',
      npm_config_registry: 'https://r.test',
    };
    const error = await failureOf(compile(folder, { env, created: 7 }));
    const printed = error.output?.join('\n') ?? '';
    expect(printed).not.toContain('canary');
    expect(printed).toContain('SOURCE_DATE_EPOCH=7');
    expect(printed).toContain('npm_config_registry=https://r.test');
  });

  it('ends every process and removes what it has made when it is interrupted', async () => {
    const mark = `3${process.pid}.25`;
    const folder = sourceFolder({
      Makefile: `all:\n\t@sh -c 'trap "" TERM; sleep ${mark} & sleep ${mark} & echo started; wait; sleep ${mark}'\n`,
    });
    const abort = new AbortController();
    const onLine = (line: string) => line === 'started' && abort.abort();
    const work = compile(folder, { signal: abort.signal, onLine });
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
    expect(await running(mark)).toBe('');
    expect(leftovers()).toEqual([]);
  });
});

describeWithPeers('compiling with Meson on this machine', ['meson', 'ninja', 'gcc'], () => {
  it('makes the same static program in any folder', async () => {
    const { path } = await expectSame('hello-meson', undefined);
    expect(await must(path, [])).toBe('hello from Meson\n');
    await expectStatic(path);
  });
});

/** Of a Makefile, whose own flags may not strip it. */
async function expectStaticCode(path: string): Promise<void> {
  const facts = await elfOf(path);
  expect(facts?.platform).toEqual(hostPlatform());
  expect(facts?.interpreter).toBeUndefined();
}

async function running(mark: string): Promise<string> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout
    .split('\n')
    .filter((line) => line.includes(mark))
    .join('\n');
}

describeWithPeers('compiling Java on this machine', ['javac', 'jlink', 'jdeps', 'mvn'], () => {
  it('makes the same jar of a file in any folder', async () => {
    const { path, kind } = await expectSame('hello-java', 'Hello.java');
    expect(kind).toBe('jar');
    expect(path).toMatch(/\/hello\.jar$/);
    expect(await must('java', ['-jar', path])).toBe('hello from Java\n');
  });

  it('makes the same jar with Maven in any folder', async () => {
    const { path, kind } = await expectSame('hello-maven', undefined);
    expect(kind).toBe('jar');
    expect(await must('java', ['-jar', path])).toBe('hello from Maven\n');
  });

  it('makes the jar of one module with Maven, and of what that needs', async () => {
    const folder = project('hello-maven');
    const pom = readFileSync(join(folder, 'pom.xml'), 'utf8');
    const parent = pom
      .replace('<artifactId>hello</artifactId>', '<artifactId>all</artifactId><packaging>pom</packaging>')
      .replace('<build>', '<modules><module>hello</module><module>other</module></modules><build>');
    cpSync(join(folder, 'src'), join(folder, 'hello/src'), { recursive: true });
    sourceFolder(
      { 'pom.xml': parent, 'hello/pom.xml': pom, 'other/pom.xml': pom.replace('>hello<', '>other<') },
      folder,
    );
    const { path } = await compile(folder, { bin: 'hello' });
    expect(await must('java', ['-jar', path])).toBe('hello from Maven\n');
  });

  it('makes a runtime of just the modules that are needed', async () => {
    for (const path of [join(project('hello-java'), 'Hello.java'), project('hello-maven')]) {
      const made = await compile(path, { jlink: true });
      expect(made.kind).toBe('folder');
      const [command = '', ...args] = made.start ?? [];
      expect(await must(join(made.path, command), args, { cwd: made.path, env: { JAVA_HOME: '' } })).toMatch(
        /^hello from (Java|Maven)\n$/,
      );
      const modules = await must(join(made.path, command), ['--list-modules']);
      expect(modules).toMatch(/^java\.base@\d[\d.]*\n$/);
    }
  });
});

describeWithPeers('compiling for Node.js on this machine', ['npm'], () => {
  it('makes the same script in any folder', async () => {
    const { path, kind } = await expectSame('hello-node', undefined);
    expect(kind).toBe('program');
    expect(await must(path, [])).toBe('hello from Node.js true\n');
  });

  it('runs the build of a package whose program is made by it', async () => {
    const folder = project('hello-node');
    const description = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const build = 'mkdir dist && cp *.js dist';
    const changed = { ...description, bin: { made: './dist/hello.js' }, scripts: { build } };
    sourceFolder({ 'package.json': JSON.stringify(changed) }, folder);
    const { path } = await compile(folder, { bin: 'made' });
    expect(await must(path, [])).toBe('hello from Node.js true\n');
    expect(readdirSync(folder)).not.toContain('dist');
  });
});

describeWithPeers('the key of a compile on this machine', ['go', 'rustc', 'gcc', 'javac', 'mvn'], () => {
  it('is there where the toolchain tells what it is, and only there', async () => {
    const wish = {
      ...{ platform: hostPlatform(), host: hostPlatform(), link: 'static' as const, jlink: false },
      ...{ offline: false, created: 0 },
    };
    const keyOf = async (path: string) => {
      const source = await sourceAt(path);
      const recognised = await recognise(source, path);
      const host = await identifyHost(recognised, { env: process.env });
      return compileKey(recognised, { ...wish, toolchain: host, compiler: { host } });
    };
    for (const name of [
      'hello-go',
      'hello-rust',
      'hello-cpp/hello.cc',
      'hello-java/Hello.java',
      'hello-maven',
    ])
      expect(await keyOf(join(root, 'testdata', name)), name).toMatch(/^[0-9a-f]{64}$/);
    for (const name of ['hello-c', 'hello-cmake'])
      expect(await keyOf(join(root, 'testdata', name)), name).toBeUndefined();
  });
});

describeWithPeers('cross-compiling C on this machine', ['aarch64-linux-gnu-gcc', 'make', 'cmake'], () => {
  const arm = parsePlatform('linux/arm64');
  it.each([
    ['a bare file', 'hello-cmake', 'hello.c'],
    ['a Makefile', 'hello-c', undefined],
    ['CMake', 'hello-cmake', undefined],
  ])('makes the same static program for arm64 of %s in any folder', async (_, name, file) => {
    const { path } = await expectSame(name, file, { platform: arm });
    const facts = await elfOf(path);
    expect(facts?.platform).toEqual(arm);
    expect(facts?.interpreter).toBeUndefined();
  });

  it('makes a program that needs a loader where it is told to link dynamically', async () => {
    const { path } = await compile(project('hello-c'), { platform: arm, link: 'dynamic' });
    expect(await elfOf(path)).toMatchObject({ platform: arm, interpreter: '/lib/ld-linux-aarch64.so.1' });
  });

  it('says which compiler is missing for a platform that this machine has none for', async () => {
    const error = await failureOf(compile(project('hello-c'), { platform: parsePlatform('linux/s390x') }));
    expect([error.code, error.message]).toEqual([
      'OCISLIM_TOOLCHAIN_MISSING',
      expect.stringContaining('s390x-linux-gnu-gcc'),
    ]);
  });
});
