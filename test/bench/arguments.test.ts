import { describe, expect, test } from 'vitest';
import { parseArguments, select } from './arguments.ts';

describe('arguments of the benchmarks', () => {
  test('without any, all cases run on the Node that is there', () => {
    expect(parseArguments([], '/usr/bin/node')).toEqual({ names: [], node: '/usr/bin/node', isHelp: false });
  });

  test('names stand among options', () => {
    const given = ['tiny', '--runs', '5', 'large', '--node=/opt/node', '--standalone', './ocislim'];
    expect(parseArguments(given, '/usr/bin/node')).toEqual({
      names: ['tiny', 'large'],
      runs: 5,
      node: '/opt/node',
      standalone: './ocislim',
      isHelp: false,
    });
  });

  test.each(['0', '-1', '1.5', 'many', ''])('%j is no number of runs', (runs) => {
    expect(() => parseArguments([`--runs=${runs}`], 'node')).toThrow(RangeError);
  });

  test('an unknown option is refused', () => {
    expect(() => parseArguments(['--fast'], 'node')).toThrow(TypeError);
  });
});

describe('selected cases', () => {
  const cases = ['tiny', 'large', 'large-unchanged', 'largest'].map((name) => ({ name }));
  const names = (given: readonly string[]) => select(cases, given).map(({ name }) => name);

  test('no name means all', () => {
    expect(names([])).toEqual(['tiny', 'large', 'large-unchanged', 'largest']);
  });

  test('a name also means what it begins, up to a hyphen', () => {
    expect(names(['large'])).toEqual(['large', 'large-unchanged']);
  });

  test('they run in their own order, each once', () => {
    expect(names(['large-unchanged', 'tiny', 'large'])).toEqual(['tiny', 'large', 'large-unchanged']);
  });

  test('a name of none is refused, and those there are are told', () => {
    expect(() => names(['small'])).toThrow(/no case small; there are tiny, large, large-unchanged, largest/);
  });
});
