import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compiledFolder } from '../../src/lib/compile-cache.ts';
import { VERSION } from '../../src/version.ts';
import { runChild } from '../support/children.ts';
import { tempDir } from '../support/temp.ts';

describe('the folder for compiled code', () => {
  it.each([
    [['build', '.'], 'build'],
    [['--store', 'x', 'build'], 'other'],
    [['../../etc'], 'other'],
    [[], 'other'],
  ])('of %j is %s, in the store, for its user alone', (argv, name) => {
    const store = tempDir();
    const folder = compiledFolder(argv, { OCISLIM_HOME: store });
    expect(folder).toBe(join(store, 'code', VERSION, name));
    expect(statSync(folder ?? '').mode & 0o777).toBe(0o700);
  });

  it('does not begin a store', () => {
    const home = tempDir();
    expect(compiledFolder(['pack'], { HOME: home })).toBeUndefined();
    expect(readdirSync(home)).toEqual([]);
  });

  it('is none where others may write', () => {
    const store = tempDir();
    chmodSync(store, 0o777);
    expect(compiledFolder(['pack'], { OCISLIM_HOME: store })).toBeUndefined();
    chmodSync(store, 0o755);
    mkdirSync(join(store, 'code', VERSION, 'pack'), { recursive: true });
    chmodSync(join(store, 'code', VERSION, 'pack'), 0o770);
    expect(compiledFolder(['pack'], { OCISLIM_HOME: store })).toBeUndefined();
  });

  it('is none in the store of another user, as root has it with the HOME of who called sudo', () => {
    const store = tempDir();
    expect(compiledFolder(['pack'], { OCISLIM_HOME: store }, statSync(store).uid + 1)).toBeUndefined();
    expect(readdirSync(store)).toEqual([]);
  });
});

describe('code that was compiled', () => {
  const KEPT = `${process.version}-${process.arch}`;
  const program = (answer: string) =>
    `exports.answer = () => [${answer}, require('node:path').basename(__filename), module.exports === exports].join(' ');`;

  function place() {
    const folder = tempDir();
    const file = join(tempDir(), 'program.cjs');
    const kept = (build: string) => join(folder, `${KEPT}-${build}`);
    const load = (build = 'a') => runChild('load-compiled', file, build, folder);
    writeFileSync(file, program('1'));
    return { folder, file, kept, load };
  }

  it('is kept after the first run, for its user alone, and taken by the next', async () => {
    const { folder, kept, load } = place();
    expect(await load()).toBe('1 program.cjs true');
    expect(readdirSync(folder)).toEqual([`${KEPT}-a`]);
    expect(statSync(kept('a')).mode & 0o777).toBe(0o600);
    const { ino } = statSync(kept('a'));
    expect(await load()).toBe('1 program.cjs true');
    expect(statSync(kept('a')).ino).toBe(ino);
  });

  it('is what runs: a file of the same length under the same build is not looked at', async () => {
    const { file, load } = place();
    await load();
    writeFileSync(file, program('2'));
    expect(await load()).toBe('1 program.cjs true');
  });

  it('of another build is not taken', async () => {
    const { folder, file, load } = place();
    await load('a');
    writeFileSync(file, program('2'));
    expect(await load('b')).toBe('2 program.cjs true');
    expect(readdirSync(folder).sort()).toEqual([`${KEPT}-a`, `${KEPT}-b`]);
  });

  it.each([
    ['cut', (bytes: Buffer) => bytes.subarray(0, bytes.length - 9)],
    ['empty', () => Buffer.alloc(0)],
    [
      'changed in one byte',
      (bytes: Buffer) => bytes.map((byte, at) => (at === bytes.length - 20 ? byte ^ 1 : byte)),
    ],
    ['of another V8, whole', (bytes: Buffer) => foreign(bytes.subarray(32))],
  ])('is compiled again, and kept instead, where it is %s', async (_, damage) => {
    const { kept, load } = place();
    await load();
    writeFileSync(kept('a'), damage(readFileSync(kept('a'))));
    const { ino } = statSync(kept('a'));
    expect(await load()).toBe('1 program.cjs true');
    expect(statSync(kept('a')).ino).not.toBe(ino);
    const again = statSync(kept('a')).ino;
    await load();
    expect(statSync(kept('a')).ino).toBe(again);
  });

  it('is done without in a folder that cannot be written to, or is not there', async () => {
    const { file } = place();
    expect(await runChild('load-compiled', file, 'a', join(tempDir(), 'none'))).toBe('1 program.cjs true');
    expect(await runChild('load-compiled', file)).toBe('1 program.cjs true');
  });

  /** Another magic number and version, under a digest that is right. */
  function foreign(data: Buffer): Buffer {
    const other = Buffer.from(data).fill(7, 0, 8);
    return Buffer.concat([createHash('sha256').update(other).digest(), other]);
  }
});
