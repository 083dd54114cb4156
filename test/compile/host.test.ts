import { readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { hostPlatform } from '#oci-spec-types';
import { type Compiled, compileOnHost, type HostOptions, identifyHost } from '../../src/compile/host.ts';
import { commandRecipe } from '../../src/compile/recipes/command.ts';
import { type Recognised, recognise } from '../../src/compile/recognise.ts';
import { type Source, SourceFolder } from '../../src/compile/source.ts';
import { sourceFolder } from '../support/sources.ts';
import { tempDir } from '../support/temp.ts';

beforeAll(() => void vi.stubEnv('TMPDIR', tempDir()));

function leftovers(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('ocislim-compile-'));
}

/** A Go that says how it was called, in what it makes. */
const GO = `#!/bin/sh
if [ "$1" != build ]; then echo fake; exit; fi
for each; do if [ "$last" = -o ]; then output=$each; fi; last=$each; done
{ pwd; ls; echo "$@"; env; } >"$output"`;

const go = {
  source: sourceFolder({ 'go.mod': 'module example.com/app\n', 'main.go': 'package main\n' }),
  env: { PATH: `${sourceFolder({ go: GO })}:${process.env['PATH']}`, HOME: '/home/me', SECRET: 'canary' },
};

async function compile(recognised: Recognised, options: Partial<HostOptions> = {}): Promise<Compiled> {
  return compileOnHost(recognised, {
    ...{ platform: hostPlatform(), link: 'static', jlink: false, offline: false, created: 3 },
    ...{ toolchain: undefined, output: tempDir(), caches: tempDir(), env: process.env },
    ...options,
  });
}

async function byCommand(source: Source, build: string, artifact = 'out/tool'): Promise<Recognised> {
  const recipe = commandRecipe({ build, artifact });
  const [program] = await recipe.recognise(new SourceFolder(source));
  if (program === undefined) throw new Error('no program');
  return { source, recipe, program };
}

it('runs a compiler in the source with a clean environment, and takes away all but the result', async () => {
  const recognised = await recognise({ folder: go.source }, 'it');
  const caches = tempDir();
  const { GOCACHE, GOMODCACHE } = { GOCACHE: join(caches, 'build'), GOMODCACHE: join(caches, 'mod') };
  const { path, kind } = await compile(recognised, { env: { ...go.env, GOCACHE, GOMODCACHE } });
  expect(kind).toBe('program');
  expect(path).toMatch(/\/app$/);
  const said = readFileSync(path, 'utf8');
  expect(said.split('\n').slice(0, 3)).toEqual([go.source, 'go.mod', 'main.go']);
  expect(said).toContain('-trimpath');
  for (const line of ['HOME=/home/me', 'SOURCE_DATE_EPOCH=3', 'CGO_ENABLED=0', `GOCACHE=${GOCACHE}`])
    expect(said).toContain(`\n${line}\n`);
  expect(said).not.toContain('canary');
  expect(statSync(GOMODCACHE).isDirectory()).toBe(true);
  expect(leftovers()).toEqual([]);
});

it('asks a toolchain what it is, and is told nothing by one that is not there', async () => {
  const recognised = await recognise({ folder: go.source }, 'it');
  expect(await identifyHost(recognised, { env: go.env })).toMatch(/^fake\n/);
  expect((await identifyHost(recognised, { env: { PATH: '/nowhere' } }))?.trim()).toBe('');
  const command = await byCommand({ folder: go.source }, 'true');
  expect(await identifyHost(command, { env: go.env })).toBeUndefined();
});

it('says which tools are missing before it does anything', async () => {
  const recognised = await recognise({ folder: go.source }, 'it');
  const env = { PATH: `${tempDir()}:relative:` };
  await expect(compile(recognised, { env })).rejects.toMatchObject({
    code: 'OCISLIM_TOOLCHAIN_MISSING',
    message: 'Go: go not found in PATH (looked for go)',
    hint: 'install it, or compile in an image that has it: --toolchain golang:1-alpine',
  });
  expect(leftovers()).toEqual([]);
});

it('lets a command write into a copy alone', async () => {
  const source = { folder: sourceFolder({ input: 'in', '.git/HEAD': '' }) };
  const recognised = await byCommand(source, 'mkdir out && cat input >out/tool && echo x >input && ls -a');
  const lines: string[] = [];
  const { path } = await compile(recognised, { onLine: (line) => lines.push(line) });
  expect(readFileSync(path, 'utf8')).toBe('in');
  expect(readFileSync(join(source.folder, 'input'), 'utf8')).toBe('in');
  expect(readdirSync(source.folder).sort()).toEqual(['.git', 'input']);
  expect(lines).toEqual(['.', '..', 'input', 'out']);
});

it('gives the last lines of what a failed step printed, and leaves nothing', async () => {
  const source = { folder: sourceFolder({}) };
  const output = tempDir();
  const failing = await byCommand(source, 'for i in $(seq 60); do echo line $i >&2; done; exit 7');
  const error = await compile(failing, { output }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'OCISLIM_COMPILE_FAILED',
    exitCode: 3,
    message: 'sh failed with exit code 7',
    output: Array.from({ length: 50 }, (_, at) => `line ${at + 11}`),
  });
  await expect(compile(await byCommand(source, 'true'))).rejects.toThrow(
    'it compiled, but tool was not made',
  );
  const killed = await byCommand(source, 'kill -KILL $$');
  await expect(compile(killed)).rejects.toMatchObject({
    message: 'sh was ended by SIGKILL',
    hint: 'the machine may have run out of memory',
  });
  expect(readdirSync(output)).toEqual([]);
  expect(leftovers()).toEqual([]);
});

it('leaves nothing when it is interrupted', async () => {
  const abort = new AbortController();
  const onLine = () => abort.abort();
  const waiting = await byCommand({ folder: sourceFolder({}) }, 'echo started; exec sleep 60');
  const work = compile(waiting, { signal: abort.signal, onLine });
  await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  expect(leftovers()).toEqual([]);
});
