import { describe, expect, it } from 'vitest';
import { checkShebang } from '../../src/check/script.ts';
import { parseShebang } from '../../src/elf/shebang.ts';
import { Tree } from '../../src/rootfs/tree.ts';

function rules(line: string, files: readonly string[], env: readonly string[] = []) {
  const common = { mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 1 };
  const tree = new Tree();
  tree.apply({ members: files.map((path) => ({ path, type: 'file' as const, ...common })) });
  const shebang = parseShebang(Buffer.from(`${line}\necho\n`));
  if (shebang === undefined) throw new Error('no script');
  return checkShebang('/x', shebang, { tree, base: 'the base', config: { Env: env } }).findings.map(
    ({ rule }) => rule,
  );
}

describe('the first line of a script', () => {
  it.each([
    ['#!/bin/sh', { interpreter: '/bin/sh', argument: '' }],
    ['#! /bin/sh -e  ', { interpreter: '/bin/sh', argument: '-e' }],
    ['#!/usr/bin/env\tpython3 -u', { interpreter: '/usr/bin/env', argument: 'python3 -u' }],
    ['#!/bin/sh\r', { interpreter: '/bin/sh\r', argument: '' }],
    ['#!bin/sh', undefined],
    ['echo', undefined],
    ['', undefined],
  ])('%j is read', (line, expected) => {
    expect(parseShebang(Buffer.from(`${line}\nmore`))).toEqual(expected);
  });

  it('is read as far as Linux reads it', () => {
    expect(parseShebang(Buffer.from(`#!/${'a'.repeat(1000)}`))?.interpreter).toHaveLength(253);
  });
});

describe('a script', () => {
  it('needs its interpreter', () => {
    expect(rules('#!/bin/sh', ['bin/sh'])).toEqual([]);
    expect(rules('#!/bin/bash', ['bin/sh'])).toEqual(['script-interpreter-missing']);
  });

  it('needs what env finds in PATH', () => {
    const env = ['usr/bin/env', 'opt/python3', 'usr/bin/perl'];
    expect(rules('#!/usr/bin/env perl', env)).toEqual([]);
    expect(rules('#!/usr/bin/env python3', env)).toEqual(['script-interpreter-missing']);
    expect(rules('#!/usr/bin/env python3', env, ['PATH=/bin:/opt'])).toEqual([]);
    expect(rules('#!/usr/bin/env -S A=b perl -w', env)).toEqual([]);
    expect(rules('#!/usr/bin/env -S python3 -w', env)).toEqual(['script-interpreter-missing']);
    expect(rules('#!/usr/bin/env -i perl', env)).toEqual([]);
    expect(rules('#!/usr/bin/env perl', ['usr/bin/perl'])).toEqual(['script-interpreter-missing']);
  });

  it('is told of line ends that nobody sees', () => {
    expect(rules('#!/bin/sh\r', ['bin/sh'])).toEqual(['script-line-ends']);
    expect(rules('#!/usr/bin/env perl\r', ['usr/bin/env'])).toEqual(['script-line-ends']);
  });
});
