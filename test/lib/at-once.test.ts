import { describe, expect, it } from 'vitest';
import { atOnce } from '../../src/lib/at-once.ts';

/** Goes on until it is told to stop, and takes a moment for that. */
async function untilStopped(signal: AbortSignal, log: string[]): Promise<void> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  await new Promise(setImmediate);
  log.push('ended');
  throw signal.reason;
}

describe('atOnce', () => {
  it('gives what each gave', async () => {
    expect(await atOnce(undefined, () => [Promise.resolve(1), Promise.resolve('a')])).toEqual([1, 'a']);
  });

  it('stops the others when one fails, and waits for their end', async () => {
    const log: string[] = [];
    const work = atOnce(undefined, (signal) => [
      untilStopped(signal, log),
      Promise.reject(new Error('refused')),
    ]);
    await expect(work).rejects.toThrow('refused');
    expect(log).toEqual(['ended']);
  });

  it('stops all when it is told to', async () => {
    const log: string[] = [];
    const stop = new AbortController();
    const work = atOnce(stop.signal, (signal) => [untilStopped(signal, log), untilStopped(signal, log)]);
    stop.abort(new Error('enough'));
    await expect(work).rejects.toThrow('enough');
    expect(log).toEqual(['ended', 'ended']);
  });
});
