import { describe, expect, it } from 'vitest';
import { StageTree } from '../../src/build/stage-tree.ts';
import { testContext } from '../support/context.ts';
import { member, rawLayer } from '../support/tars.ts';

describe('the tree of a stage', () => {
  it('is learnt from what unpacks the base, once, and read from the layers else', async () => {
    const context = await testContext();
    const { store } = context;
    const [base, next, last] = ['base', 'next', 'last'].map((name) => rawLayer([member(name, 'x')]));
    if (base === undefined || next === undefined || last === undefined) throw new Error('no layers');
    const unreadable = { ...base, open: () => Promise.reject(new Error('read once more')) };
    let learnt = 0;
    const learn = async () => {
      learnt++;
      await store.roots.ensure([base], { withTocs: true });
    };
    const tree = new StageTree(context);
    const first = await tree.of([unreadable, next], learn);
    expect([first.lookup('base')?.type, first.lookup('next')?.type]).toEqual(['file', 'file']);
    const second = await tree.of([unreadable, next, last]);
    expect(second.lookup('last')?.type).toBe('file');
    await new StageTree(context).of([unreadable, next, last], learn);
    expect(learnt).toBe(1);
    await store.close();
  });
});
