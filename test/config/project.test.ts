import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadProjectConfig, parseProjectConfig, resolveTarget } from '../../src/config/project.ts';
import { tempDir } from '../support/temp.ts';

const parse = (text: string, folder = '') => parseProjectConfig(text, '/p/ocislim.toml', folder);

const EXAMPLE = `
base = "alpine"
env = { LOG = "info", A = "1" }
ca-file = "ca.pem"

[mirror]
"docker.io" = "https://mirror.example.com"

[targets.server]
path = "dist/server-{os}-{arch}"
tag = "me/server:1"
env = { LOG = "debug" }
platform = ["linux/amd64", "linux/arm64"]
entrypoint = ["/server", "--port"]
push = true

[targets.tool]
path = "dist/tool"
base = "static"
`;

describe('ocislim.toml', () => {
  it('has defaults and targets, where a target wins and maps are merged', () => {
    const config = parse(EXAMPLE);
    expect(config.targets).toEqual(['server', 'tool']);
    expect(config.defaults).toMatchObject({
      base: 'alpine',
      caFile: 'ca.pem',
      mirror: { 'docker.io': 'https://mirror.example.com' },
    });
    expect(resolveTarget(config, 'server')).toMatchObject({
      base: 'alpine',
      path: 'dist/server-{os}-{arch}',
      tag: ['me/server:1'],
      env: { LOG: 'debug', A: '1' },
      platform: ['linux/amd64', 'linux/arm64'],
      entrypoint: ['/server', '--port'],
      push: true,
    });
    expect(resolveTarget(config, 'tool')).toMatchObject({ base: 'static', env: { LOG: 'info', A: '1' } });
  });

  it.each([
    ['bse = "x"', 'ocislim.toml: unknown key bse', 'did you mean base?'],
    ['digestFile = "x"', 'ocislim.toml: unknown key digestFile', 'did you mean digest-file?'],
    [
      '[targets.a]\nplatfrom = "x"',
      'ocislim.toml: targets.a: unknown key platfrom',
      'did you mean platform?',
    ],
    ['zzzzzz = 1', 'ocislim.toml: unknown key zzzzzz', undefined],
    ['push = "yes"', 'ocislim.toml: push: must be true or false', undefined],
    ['tag = 1', 'ocislim.toml: tag: must be a string or a list of strings', undefined],
    ['tag = ["a", 1]', 'ocislim.toml: tag: must be a string or a list of strings', undefined],
    ['env = "A=1"', 'ocislim.toml: env: must be a table of strings', undefined],
    ['env = { A = 1 }', 'ocislim.toml: env: must be a table of strings', undefined],
    ['[build]\ncomand = "x"', 'ocislim.toml: build: unknown key comand', 'did you mean command?'],
    ['[build]\njlink = "x"', 'ocislim.toml: jlink: must be true or false', undefined],
    ['targets = "a"', 'ocislim.toml: targets must be tables', 'write [targets.NAME]'],
    ['[targets]\na = 1', 'ocislim.toml: targets.a must be a table', 'write [targets.a]'],
  ])('says what is wrong with %j', (text, message, hint) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'OCISLIM_CONFIG_INVALID', message, hint }),
    );
  });

  it('has a table for compiling, of the project and of a target', () => {
    const config = parse(`
[build]
toolchain = "golang:1.24"
env = { A = "1", B = "1" }
[targets.a]
path = "a"
[targets.a.build]
command = "make a"
artifact = "out/a"
env = { B = "2" }
cache = false
`);
    expect(resolveTarget(config, 'a')).toMatchObject({
      toolchain: 'golang:1.24',
      build: 'make a',
      artifact: 'out/a',
      buildEnv: { A: '1', B: '2' },
      cache: false,
    });
    expect(parse('build = "make"').defaults).toEqual({ build: 'make' });
  });

  it('says on which line it is no TOML', () => {
    expect(() => parse('base = "a"\nbase =')).toThrow(/^ocislim\.toml: line 2: /);
  });

  it('takes names that mean something to JavaScript for names', () => {
    const config = parse('[targets.constructor]\npath = "a"\n[targets.toString]\npath = "b"\n');
    expect(config.targets).toEqual(['constructor', 'toString']);
    expect(resolveTarget(config, 'constructor').path).toBe('a');
    expect(() => parse('constructor = "x"')).toThrow('unknown key constructor');
  });

  it('has paths of its own folder, wherever it is read from', () => {
    const text =
      'path = "dist/a"\nbase = "oci:base"\ntoolchain = "oci:tools"\nadd = ["conf:/etc"]\noutput = ["oci:out", "x.tar", "-", "docker-daemon:"]\nstore = "/abs"';
    expect(parse(text, '..').defaults).toMatchObject({
      path: join('..', 'dist/a'),
      base: `oci:${join('..', 'base')}`,
      toolchain: `oci:${join('..', 'tools')}`,
      add: [`${join('..', 'conf')}:/etc`],
      output: [`oci:${join('..', 'out')}`, join('..', 'x.tar'), '-', 'docker-daemon:'],
      store: '/abs',
    });
  });
});

describe('loadProjectConfig', () => {
  it('looks upwards, as far as the root of the repository', async () => {
    const root = tempDir();
    mkdirSync(join(root, 'repository/deep/er'), { recursive: true });
    writeFileSync(join(root, 'ocislim.toml'), 'base = "outside"');
    mkdirSync(join(root, 'repository/.git'));
    const deep = join(root, 'repository/deep/er');
    expect(await loadProjectConfig(undefined, deep)).toBeUndefined();
    writeFileSync(join(root, 'repository/ocislim.toml'), 'path = "a"');
    expect(await loadProjectConfig(undefined, deep)).toMatchObject({
      file: join(root, 'repository/ocislim.toml'),
      defaults: { path: join('../..', 'a') },
    });
  });

  it('says when the file that was asked for is not there', async () => {
    await expect(loadProjectConfig('missing.toml', tempDir())).rejects.toThrow(
      'missing.toml: cannot be read (ENOENT)',
    );
  });
});
