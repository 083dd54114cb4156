import { spawnSync } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import v8 from 'node:v8';
import { afterEach, beforeEach, describe, expect, it, type Mock, vi } from 'vitest';

type OwnProcess = typeof import('../../src/lib/own-process.ts');

let setFlagsFromString: Mock;
let collectSeldom: OwnProcess['collectSeldom'];
let ownProcess: OwnProcess['ownProcess'];

beforeEach(async () => {
  setFlagsFromString = vi.spyOn(v8, 'setFlagsFromString').mockReturnValue();
  syncBuiltinESMExports();
  // As in a process that has just begun.
  vi.resetModules();
  ({ collectSeldom, ownProcess } = await import('../../src/lib/own-process.ts'));
});

afterEach(() => {
  setFlagsFromString.mockRestore();
  syncBuiltinESMExports();
  vi.resetModules();
});

/** On a newer Node nothing is asked for. */
const isKnown = Number.parseInt(process.versions.node, 10) <= 26;

describe.runIf(isKnown)('where the flag is known', () => {
  it('changes how garbage is collected in a process of our own alone, and once', async () => {
    await collectSeldom();
    expect(setFlagsFromString).not.toHaveBeenCalled();
    ownProcess();
    await collectSeldom();
    await collectSeldom();
    expect(setFlagsFromString).toHaveBeenCalledExactlyOnceWith('--heap-growing-percent=400');
  });

  it('asks for what this V8 has', () => {
    const set = (flag: string) =>
      spawnSync(process.execPath, ['-e', `require('node:v8').setFlagsFromString('${flag}')`], {
        encoding: 'utf8',
      });
    expect(set('--heap-growing-percent=400').stderr).toBe('');
    expect(set('--heap-growing-by=400').stderr).toContain('--heap-growing-by');
  });
});

it.skipIf(isKnown)('asks a newer V8 for nothing', async () => {
  ownProcess();
  await collectSeldom();
  expect(setFlagsFromString).not.toHaveBeenCalled();
});
