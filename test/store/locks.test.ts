import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Locks } from '../../src/store/locks.ts';
import { runChild, startChild } from '../support/children.ts';
import { tempDir } from '../support/temp.ts';

/** Ends a process as the kernel or an operator would, without a chance to tidy up. */
async function kill(child: Awaited<ReturnType<typeof startChild>>['child']) {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('a lock', () => {
  it('is held by one process at a time, and each gets its turn', async () => {
    const [folder, file] = [tempDir(), join(tempDir(), 'count')];
    writeFileSync(file, '0');
    await Promise.all(Array.from({ length: 4 }, () => runChild('lock', folder, file, '25')));
    expect(readFileSync(file, 'utf8')).toBe('100');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is held by one part of a process at a time', async () => {
    const locks = new Locks(tempDir());
    let inside = 0;
    const visit = async () => {
      const lock = await locks.acquire('a');
      expect(++inside).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
      await lock?.release();
    };
    await Promise.all(Array.from({ length: 10 }, visit));
    expect(inside).toBe(0);
  });

  it('ends with its process, however it ends', async () => {
    const folder = tempDir();
    const holder = await startChild('hold', folder, 'a');
    const locks = new Locks(folder);
    expect(await locks.isTaken('a')).toBe(true);
    const killed: Promise<void>[] = [];
    const lock = await locks.acquire('a', { onWait: () => void killed.push(kill(holder.child)) });
    await Promise.all(killed);
    expect(killed).toHaveLength(1);
    expect(readdirSync(folder)).toEqual([lock?.id]);
    await lock?.release();
    expect(await locks.isTaken('a')).toBe(false);
  });

  it('is not waited for when another name is asked for', async () => {
    const locks = new Locks(tempDir());
    const held = await locks.acquire('a');
    const other = await locks.acquire('a-b');
    expect(other).toBeDefined();
    await held?.release();
    await other?.release();
  });

  it('is waited for until told to stop', async () => {
    const locks = new Locks(tempDir());
    const held = await locks.acquire('a');
    const controller = new AbortController();
    const waiting = locks.acquire('a', {
      signal: controller.signal,
      onWait: () => setImmediate(() => controller.abort(new Error('enough'))),
    });
    await expect(waiting).rejects.toThrow('enough');
    await held?.release();
    // Who gave up is not in the way of others.
    const next = await locks.acquire('a');
    await next?.release();
  });

  it('works in a folder with a long path', async () => {
    const folder = join(tempDir(), 'x'.repeat(100), 'y'.repeat(100));
    mkdirSync(folder, { recursive: true });
    const lock = await new Locks(folder).acquire('a');
    expect(lock).toBeDefined();
    expect(await new Locks(folder).isTaken('a')).toBe(true);
    await lock?.release();
    expect(await new Locks(folder).isTaken('a')).toBe(false);
  });

  it('lets everybody through where there can be none', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    expect(await new Locks(join(file, 'locks')).acquire('a')).toBeUndefined();
  });

  it('leaves sockets of the dead to a sweep', async () => {
    const folder = tempDir();
    const holder = await startChild('hold', folder, 'a');
    const locks = new Locks(folder);
    const alive = await locks.announce('b');
    await kill(holder.child);
    expect(readdirSync(folder)).toHaveLength(2);
    await locks.sweep();
    expect(readdirSync(folder)).toEqual([alive?.id]);
    await alive?.release();
  });
});
