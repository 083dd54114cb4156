import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatPlatform, parsePlatform } from '#oci-spec-types';
import { additions, imagePath, parseAddition } from '../../src/pack/add.ts';
import { findInputs } from '../../src/pack/inputs.ts';
import { root } from '../support/cli.ts';
import { elfProgram } from '../support/elf.ts';
import { bytesOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';

function folderWith(files: Readonly<Record<string, 'hello' | 'hello-arm64' | Buffer | string>>): string {
  const folder = tempDir();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    if (content === 'hello' || content === 'hello-arm64')
      copyFileSync(join(root, 'testdata', content), join(folder, name));
    else writeFileSync(join(folder, name), content);
  }
  return folder;
}

const found = async (path: string, cwd: string, wanted: readonly string[] = []) => {
  const { name, inputs } = await findInputs(path, wanted.map(parsePlatform), cwd);
  return { name, platforms: inputs.map((input) => formatPlatform(input.platform)) };
};

describe('findInputs', () => {
  it('takes a program, its name and its platform', async () => {
    const cwd = folderWith({ hello: 'hello', 'b/tool-arm': 'hello-arm64' });
    expect(await found('./hello', cwd)).toEqual({ name: 'hello', platforms: ['linux/amd64'] });
    expect(await found('b/tool-arm', cwd)).toEqual({ name: 'tool-arm', platforms: ['linux/arm64'] });
  });

  it('follows a link to a program', async () => {
    const cwd = folderWith({ 'store/abc': 'hello' });
    symlinkSync('store/abc', join(cwd, 'result'));
    expect(await found('result', cwd)).toEqual({ name: 'result', platforms: ['linux/amd64'] });
  });

  it('takes a script for any platform', async () => {
    const cwd = folderWith({ run: '#!/bin/sh\necho hi\n' });
    expect((await found('run', cwd, ['linux/amd64', 'linux/arm64'])).platforms).toEqual([
      'linux/amd64',
      'linux/arm64',
    ]);
  });

  it('finds a file for each platform, in the order of their names', async () => {
    const cwd = folderWith({
      'dist/app-linux-arm64': 'hello-arm64',
      'dist/app-linux-amd64': 'hello',
      'dist/app-linux-amd64.sig': 'not a program',
      'dist/other-linux-amd64': 'not a program',
    });
    expect(await found('dist/app-{os}-{arch}', cwd)).toEqual({
      name: 'app',
      platforms: ['linux/amd64', 'linux/arm64'],
    });
    expect((await found('dist/app-{os}-{arch}', cwd, ['linux/arm64'])).platforms).toEqual(['linux/arm64']);
    await expect(found('dist/app-{os}-{arch}', cwd, ['linux/s390x'])).rejects.toMatchObject({
      message: 'dist/app-{os}-{arch}: no file for linux/s390x',
      hint: 'there are files for linux/amd64, linux/arm64',
    });
    await expect(found('dist/none-{arch}', cwd)).rejects.toThrow('no file matches');
  });

  it('cannot tell the versions of Arm apart, and so believes the name', async () => {
    const arm = elfProgram({ machine: 40, bits: 32 });
    const cwd = folderWith({ 'app-arm-v6': arm, 'app-arm-v7': arm });
    expect((await found('app-{arch}-{variant}', cwd)).platforms).toEqual(['linux/arm/v6', 'linux/arm/v7']);
    expect((await found('app-arm-v6', cwd, ['linux/arm/v6'])).platforms).toEqual(['linux/arm/v6']);
  });

  it('takes the name and the user at their word; the check is what finds that a program is for another platform', async () => {
    const cwd = folderWith({ 'app-linux-arm64': 'hello', hello: 'hello' });
    expect((await found('app-{os}-{arch}', cwd)).platforms).toEqual(['linux/arm64']);
    expect((await found('hello', cwd, ['linux/arm64'])).platforms).toEqual(['linux/arm64']);
  });

  it('fails when the file changes between the look and the reading', async () => {
    const cwd = folderWith({ hello: 'hello', other: 'hello' });
    const { inputs } = await findInputs('hello', [], cwd);
    const [input] = inputs;
    if (input?.source.kind !== 'program') throw new Error('no program');
    expect((await bytesOf(await input.source.open())).length).toBe(input.source.size);
    renameSync(join(cwd, 'other'), join(cwd, 'hello'));
    await expect(input.source.open().then(bytesOf)).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
  });

  it.each<[string, (path: string) => void]>([
    ['grows', (path) => appendFileSync(path, 'more')],
    ['shrinks', (path) => truncateSync(path, 300_000)],
    ['is written over', (path) => writeFileSync(path, Buffer.alloc(600_000, 1), { flag: 'r+' })],
  ])('fails when the file %s while it is read', async (_, change) => {
    const program = Buffer.concat([elfProgram(), Buffer.alloc(600_000)]).subarray(0, 600_000);
    const cwd = folderWith({ hello: program });
    const { inputs } = await findInputs('hello', [], cwd);
    const [input] = inputs;
    if (input?.source.kind !== 'program') throw new Error('no program');
    const stream = await input.source.open();
    const reading = async () => {
      let first = true;
      for await (const _chunk of stream) {
        if (first) change(join(cwd, 'hello'));
        first = false;
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
  });

  it('fails when the file is removed before it is read', async () => {
    const cwd = folderWith({ hello: 'hello' });
    const { inputs } = await findInputs('hello', [], cwd);
    const [input] = inputs;
    if (input?.source.kind !== 'program') throw new Error('no program');
    rmSync(join(cwd, 'hello'));
    await expect(input.source.open().then(bytesOf)).rejects.toMatchObject({ code: 'OCISLIM_INPUT_CHANGED' });
  });

  it('refuses devices and sockets', async () => {
    await expect(found('/dev/null', '/')).rejects.toThrow('/dev/null: a device, not a file');
    const folder = tempDir();
    const server = createServer().listen(join(folder, 'socket'));
    await once(server, 'listening');
    await expect(found('socket', folder)).rejects.toThrow('socket: a socket, not a file');
    await expect(additions(['.:/x'], 0, folder)).rejects.toThrow(/socket: /);
    server.close();
  });
});

describe('--add', () => {
  it.each([
    ['a:/b', { source: 'a', dest: '/b', mode: undefined }],
    ['dir/a:/etc/', { source: 'dir/a', dest: '/etc/a', mode: undefined }],
    ['a:/b:0640', { source: 'a', dest: '/b', mode: 0o640 }],
    ['a:/b:4755', { source: 'a', dest: '/b', mode: 0o4755 }],
    ['C:\\a:/b', { source: 'C:\\a', dest: '/b', mode: undefined }],
    ['a:/x/../b//c/', { source: 'a', dest: '/b/c/a', mode: undefined }],
  ])('reads %s', (text, expected) => {
    expect(parseAddition(text)).toEqual(expected);
  });

  it.each(['', 'a', 'a:', ':/b', 'a:b', 'a:/b:99', 'a:/b:rwx', 'a:/b:0644:x', 'a:/'])(
    'refuses %j',
    (text) => {
      if (text === 'a:/') expect(parseAddition(text).dest).toBe('/a');
      else expect(() => parseAddition(text)).toThrow(expect.objectContaining({ code: 'OCISLIM_USAGE' }));
    },
  );

  it.each([
    ['/a/./b//c/', '/a/b/c'],
    ['/../../etc', '/etc'],
  ])('cleans %s', (path, clean) => {
    expect(imagePath(path)).toBe(clean);
  });

  it.each(['a', '', '/', '/..', '/a\0b'])('refuses the path %j', (path) => {
    expect(() => imagePath(path)).toThrow(expect.objectContaining({ code: 'OCISLIM_USAGE' }));
  });

  it('takes folders whole, links as links, in one order on every machine', async () => {
    const cwd = folderWith({ 'conf/b': 'b', 'conf/a/x': 'x', 'conf/Z': 'z' });
    symlinkSync('../elsewhere', join(cwd, 'conf/link'));
    const entries = await additions(['conf:/etc/app'], 7, cwd);
    expect(entries.map(({ path, type, linkname, mtime }) => [path, type, linkname, mtime])).toEqual([
      ['etc/app', 'directory', undefined, 7],
      ['etc/app/Z', 'file', undefined, 7],
      ['etc/app/a', 'directory', undefined, 7],
      ['etc/app/a/x', 'file', undefined, 7],
      ['etc/app/b', 'file', undefined, 7],
      ['etc/app/link', 'symlink', '../elsewhere', 7],
    ]);
  });

  it('refuses a name that is not UTF-8, which an image could not have as it is', async () => {
    const folder = tempDir();
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/bad-`), Buffer.from([0xff])]), 'x');
    await expect(additions(['.:/x'], 0, folder)).rejects.toThrow(
      expect.objectContaining({
        code: 'OCISLIM_INPUT_INVALID',
        message: expect.stringContaining('not UTF-8'),
      }),
    );
  });

  it('says what is not there', async () => {
    await expect(additions(['missing:/x'], 0, tempDir())).rejects.toThrow(
      '--add missing: no such file or folder',
    );
  });
});
