import { describe, expect, it } from 'vitest';
import {
  declareArguments,
  globalArguments,
  platformArguments,
  proxyVariables,
} from '../../src/build/arguments.ts';
import { SCRATCH } from '../../src/build/state.ts';
import type { ArgInstruction, Word } from '../../src/dockerfile/ast.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';

const expand = ({ text }: Word, get: (name: string) => string | undefined) =>
  text.replace(/\$(\w+)/g, (_, name: string) => get(name) ?? '');

const AUTOMATIC = platformArguments(
  { os: 'linux', architecture: 'arm64', variant: 'v8' },
  { os: 'linux', architecture: 'amd64' },
  'app',
);

/** What a stage's words see after its ARGs. */
function seen(text: string, given: Record<string, string> = {}) {
  const file = parseDockerfile(text, { name: 'Dockerfile' });
  const args = globalArguments(file.globals, new Map(Object.entries(given)), AUTOMATIC, expand);
  const instructions = (file.stages[0]?.instructions ?? []) as readonly ArgInstruction[];
  const state = instructions.reduce((each, arg) => declareArguments(each, arg, args, expand), SCRATCH);
  const { PATH: _, ...vars } = Object.fromEntries(state.vars);
  return { vars, globals: Object.fromEntries(args.globals), used: [...args.used] };
}

describe('arguments', () => {
  it.each<[string, string, Record<string, string>, object]>([
    ['a default', 'FROM a\nARG x=1', {}, { x: '1' }],
    ['what is given before the default', 'FROM a\nARG x=1', { x: '2' }, { x: '2' }],
    ['nothing of one without a value', 'FROM a\nARG x', {}, {}],
    ['nothing of a global one that is not asked for', 'ARG x=1\nFROM a', {}, {}],
    ['a global one that is asked for', 'ARG x=1\nFROM a\nARG x', {}, { x: '1' }],
    ['a default of the stage before the global one', 'ARG x=1\nFROM a\nARG x=2', {}, { x: '2' }],
    ['what is given to a global one', 'ARG x=1\nFROM a\nARG x', { x: '3' }, { x: '3' }],
    ['a default made of another', 'FROM a\nARG x=1\nARG y=$x-2', {}, { x: '1', y: '1-2' }],
    ['several in one line, each with the values from before', 'FROM a\nARG x=1 y=$x', {}, { x: '1', y: '' }],
    ['an empty value', 'FROM a\nARG x=', {}, { x: '' }],
    [
      'the platform, once it is asked for',
      'FROM a\nARG TARGETARCH\nARG BUILDARCH',
      {},
      { TARGETARCH: 'arm64', BUILDARCH: 'amd64' },
    ],
    ['a default before the platform', 'FROM a\nARG TARGETARCH=x', {}, { TARGETARCH: 'x' }],
    [
      'the platform in full',
      'FROM a\nARG TARGETPLATFORM TARGETVARIANT',
      {},
      { TARGETPLATFORM: 'linux/arm64/v8', TARGETVARIANT: 'v8' },
    ],
  ])('have %s', (_, text, given, vars) => {
    expect(seen(text, given).vars).toEqual(vars);
  });

  it('before the first FROM see each other, and the platform', () => {
    expect(seen('ARG a=1\nARG b=$a-$TARGETARCH\nFROM x').globals).toEqual({ a: '1', b: '1-arm64' });
  });

  it('tell which of those given were asked for', () => {
    expect(seen('ARG a\nFROM x\nARG b', { a: '1', b: '2', c: '3' }).used.sort()).toEqual(['a', 'b']);
  });

  it('give the way to the network without being asked for', () => {
    const given = new Map([
      ['HTTP_PROXY', 'http://p'],
      ['no_proxy', 'x'],
      ['other', 'y'],
    ]);
    const args = globalArguments([], given, AUTOMATIC, expand);
    expect(proxyVariables(args)).toEqual({
      HTTP_PROXY: 'http://p',
      http_proxy: 'http://p',
      NO_PROXY: 'x',
      no_proxy: 'x',
    });
    expect([...args.used].sort()).toEqual(['HTTP_PROXY', 'no_proxy']);
  });
});
