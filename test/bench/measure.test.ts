import { describe, expect, test } from 'vitest';
import { tempDir } from '../support/temp.ts';
import { inTurns } from './measure.ts';
import type { Contender } from './model.ts';

const nothing = () => {};

/** Contenders that note when it is their turn, and start nothing. */
function contenders(names: readonly string[], notes: string[]): readonly Contender[] {
  return names.map((name) => ({
    name,
    how: '',
    before: (run) => {
      notes.push(`${name}${run}`);
    },
    commands: () => [],
  }));
}

describe('contenders in turns', () => {
  test('each run begins with the next, after runs that do not count', async () => {
    const notes: string[] = [];
    const measured = await inTurns(
      { runs: 3, warmUps: 1 },
      contenders(['a', 'b'], notes),
      tempDir(),
      nothing,
    );
    expect(notes).toEqual(['a-1', 'b-1', 'a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
    expect(measured.map(({ times }) => times.length)).toEqual([3, 3]);
  });

  test('who fails is left out from then on, and the others go on', async () => {
    const notes: string[] = [];
    const [good, bad] = contenders(['good', 'bad'], notes);
    if (good === undefined || bad === undefined) throw new Error('two were asked for');
    const failing = { ...bad, commands: () => [{ argv: ['sh', '-c', 'echo broken >&2; exit 3'] }] };
    const measured = await inTurns({ runs: 2, warmUps: 0 }, [good, failing], tempDir(), nothing);
    expect(notes).toEqual(['good0', 'bad0', 'good1']);
    expect(measured[0]?.failure).toBeUndefined();
    expect(measured[1]).toMatchObject({ times: [], figures: {} });
    expect(measured[1]?.failure).toMatch(/exit 3[\s\S]*broken/);
  });

  test('one may have fewer runs; what it finds afterwards is among its figures', async () => {
    const notes: string[] = [];
    const [one, two] = contenders(['one', 'two'], notes);
    if (one === undefined || two === undefined) throw new Error('two were asked for');
    const short: Contender = { ...one, runs: 1, after: async () => ({ layer: 12 }) };
    const measured = await inTurns({ runs: 2, warmUps: 0 }, [short, two], tempDir(), nothing);
    expect(notes).toEqual(['one0', 'two0', 'two1']);
    expect(measured[0]?.figures).toMatchObject({ layer: 12 });
  });
});
