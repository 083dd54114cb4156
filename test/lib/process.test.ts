import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { outputOf, type ProcessOptions, runProcess } from '../../src/lib/process.ts';
import { runChild } from '../support/children.ts';
import { tempDir } from '../support/temp.ts';

const env = { PATH: process.env['PATH'] };

async function lines(script: string, options: Partial<ProcessOptions> = {}): Promise<readonly string[]> {
  const printed: string[] = [];
  const onLine = (line: string, stream: string) => printed.push(`${stream}: ${line}`);
  const end = await runProcess(['sh', '-c', script], { env, onLine, ...options });
  return [...printed, String(end.code ?? end.signal)];
}

/** Whether a process runs; a zombie does not. */
function isRunning(pid: string | undefined): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function eventually(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 5000 }).toBe(true);
}

it('hands on each line and how the program ended', async () => {
  expect(await lines('echo one; echo two >&2; exit 3')).toEqual(
    expect.arrayContaining(['stdout: one', 'stderr: two', '3']),
  );
  expect(await lines("printf 'a\\r\\n\\nlast'")).toEqual(['stdout: a', 'stdout: ', 'stdout: last', '0']);
  expect(await lines('kill -KILL $$')).toEqual(['SIGKILL']);
});

it('hands on characters whole, and endless lines in parts', async () => {
  expect(await lines("printf '\\303'; sleep 0.05; printf '\\244'")).toEqual(['stdout: ä', '0']);
  const [first = '', second = ''] = await lines('head -c 100000 /dev/zero | tr "\\0" x');
  expect(first.length + second.length).toBe(100_000 + 2 * 'stdout: '.length);
});

it('gives a program the environment, folder and input it was told to, and nothing else', async () => {
  process.env['OCISLIM_CANARY'] = 'canary';
  const printed = await lines('pwd; cat; env', { cwd: '/', env: { ...env, MINE: '1' }, input: 'given\n' });
  delete process.env['OCISLIM_CANARY'];
  expect(printed).toEqual(expect.arrayContaining(['stdout: /', 'stdout: given', 'stdout: MINE=1']));
  expect(printed.join()).not.toContain('canary');
});

it('ends with the program what it has left behind', async () => {
  const [printed] = await lines('sleep 60 & echo $!');
  const [, pid] = /: (\d+)$/.exec(printed ?? '') ?? [];
  await eventually(() => !isRunning(pid));
});

it('does not wait for what has left its group and holds its output', async () => {
  const cwd = tempDir();
  const script = "setsid sh -c 'echo $$ >pid; echo $$; exec sleep 60' & until [ -s pid ]; do :; done";
  const [printed = '', code] = await lines(script, { cwd });
  expect(code).toBe('0');
  process.kill(Number(printed.replace('stdout: ', '')), 'SIGKILL');
});

it('ends the whole group when it is aborted, whether that wants to or not', async () => {
  const abort = new AbortController();
  const pids: string[] = [];
  const onLine = (line: string) => {
    pids.push(line);
    if (pids.length === 2) abort.abort();
  };
  const script = `trap '' TERM; sh -c 'trap "" TERM; echo $$; sleep 60; sleep 60' & echo $$; wait; sleep 60`;
  const run = runProcess(['sh', '-c', script], { env, signal: abort.signal, onLine, grace: 100 });
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  for (const pid of pids) await eventually(() => !isRunning(pid));
});

it('lets a program that is aborted end by itself', async () => {
  const abort = new AbortController();
  const printed: string[] = [];
  const onLine = (line: string) => {
    printed.push(line);
    if (line === 'ready') abort.abort();
  };
  const script = `trap 'echo tidied; exit 0' TERM; echo ready; while :; do :; done`;
  const run = runProcess(['sh', '-c', script], { env, signal: abort.signal, onLine });
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  expect(printed).toEqual(['ready', 'tidied']);
});

it('starts nothing when it is aborted already, and says when a program is not there', async () => {
  const signal = AbortSignal.abort();
  await expect(runProcess(['sh', '-c', 'exit'], { env, signal })).rejects.toMatchObject({
    name: 'AbortError',
  });
  await expect(runProcess(['no-such-program'], { env })).rejects.toMatchObject({ code: 'ENOENT' });
});

it('leaves nothing running when this process exits', async () => {
  const printed = await runChild('exit-while-running');
  await eventually(() => !isRunning(printed.trim()));
});

it('leaves no listener behind', async () => {
  const abort = new AbortController();
  const before = process.listenerCount('exit');
  for (let at = 0; at < 20; at++) await runProcess(['true'], { env, signal: abort.signal });
  await runProcess(['no-such-program'], { env }).catch(() => {});
  expect(process.listenerCount('exit')).toBe(before);
});

it('gives what a program prints, and nothing of one that fails or is not there', async () => {
  expect(await outputOf(['sh', '-c', 'echo one; echo two >&2'], { env })).toBe('one\n');
  expect(await outputOf(['sh', '-c', 'echo one; exit 1'], { env })).toBeUndefined();
  expect(await outputOf(['no-such-program'], { env })).toBeUndefined();
});
