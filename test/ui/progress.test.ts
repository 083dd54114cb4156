import { describe, expect, it } from 'vitest';
import { createProgress, type ProgressOptions } from '../../src/ui/progress.ts';

function progressOf(
  mode: ProgressOptions['mode'],
  stream: { isTTY?: boolean; columns?: number } = {},
  env = {},
) {
  let written = '';
  let now = 0;
  const progress = createProgress({
    stream: {
      ...stream,
      write: (text: string) => {
        written += text;
      },
    },
    env,
    mode,
    now: () => now,
  });
  return {
    progress,
    written: () => written,
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
  };
}

describe('progress', () => {
  it('is a line when something ended, where nobody watches', () => {
    const { progress, written } = progressOf('auto');
    const task = progress.task('abc', 3_620_000);
    task.advance(1000);
    expect(written()).toBe('');
    task.done('pulled');
    task.done('again');
    progress.task('def', 5).fail();
    progress.note('a note');
    progress.warn('careful');
    progress.close();
    expect(written()).toBe('abc  3.62MB  pulled\ndef  failed\na note\nwarning: careful\n');
  });

  it('tells of work that moves no bytes how long it took', () => {
    const { progress, written, pass } = progressOf('plain');
    const task = progress.task('hello (Go)');
    pass(1230);
    task.done('compiled');
    expect(written()).toBe('hello (Go)   1.2 s  compiled\n');
  });

  it('writes the steps of a build as BuildKit does, for logs', () => {
    const { progress, written, pass } = progressOf('plain');
    const first = progress.step('[builder 2/3] RUN make');
    const second = progress.step('[stage-1 2/2] COPY a b');
    pass(412);
    first.output('10 %\r\u001b[32mcc\u001b[0m -c\u0007a.c');
    second.done('cached');
    pass(1000);
    first.done('done');
    progress.step('[stage-1 3/3] RUN false').fail('exit code 1');
    expect(written().split('\n')).toEqual([
      '#1 [builder 2/3] RUN make',
      '#2 [stage-1 2/2] COPY a b',
      '#1 0.412 cc -c a.c',
      '#2 CACHED',
      '#1 DONE 1.4s',
      '#3 [stage-1 3/3] RUN false',
      '#3 ERROR: exit code 1',
      '',
    ]);
  });

  it('shows the last lines of a running step on a terminal', () => {
    const { progress, written, pass } = progressOf('auto', { isTTY: true, columns: 40 });
    const step = progress.step('[stage-0 2/2] RUN make');
    for (const line of ['one', 'two', 'three', 'four', 'five']) {
      pass(200);
      step.output(line);
    }
    const [last = ''] = written().split('\u001b[J').slice(-1);
    expect(last.split('\n').slice(0, 5)).toEqual([
      '[stage-0 2/2] RUN make  1.0 s',
      '  two',
      '  three',
      '  four',
      '  five',
    ]);
    step.done('done');
    progress.close();
    expect(written()).toContain('[stage-0 2/2] RUN make   1.0 s  done\n');
  });

  it('is nothing at all when it is quiet', () => {
    const { progress, written } = progressOf('none', { isTTY: true });
    const task = progress.task('abc', 5);
    task.advance(5);
    task.done();
    progress.warn('careful');
    progress.close();
    expect(written()).toBe('');
  });

  it('is one JSON object a line for programs', () => {
    const { progress, written, pass } = progressOf('json');
    const task = progress.task('abc', 5);
    pass(1500);
    task.done('pushed');
    progress.warn('careful');
    expect(
      written()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { type: 'start', label: 'abc', size: 5 },
      { type: 'done', label: 'abc', size: 5, outcome: 'pushed', seconds: 1.5 },
      { type: 'warning', message: 'careful' },
    ]);
  });

  it('draws bars on a terminal, with bytes and rate, and cleans up', () => {
    const { progress, written, pass } = progressOf('auto', { isTTY: true, columns: 80 });
    const task = progress.task('abc', 2_000_000);
    pass(1000);
    task.advance(1_000_000);
    expect(written()).toContain('abc  [============            ]  1MB of 2MB  1MB/s');
    task.done('pulled');
    progress.close();
    expect(written()).toContain('abc     2MB  pulled\n');
    expect(written().endsWith('\u001b[?25h')).toBe(true);
  });

  it('draws ten times a second at most', () => {
    const { progress, written, pass } = progressOf('auto', { isTTY: true, columns: 80 });
    const task = progress.task('abc', 1000);
    const draws = () => written().split('[=').length + written().split('[ ').length;
    const before = draws();
    for (let at = 0; at < 500; at++) {
      pass(1);
      task.advance(1);
    }
    expect(draws() - before).toBeLessThanOrEqual(5);
    progress.close();
  });

  it('never wraps a line', () => {
    const { progress, written, pass } = progressOf('auto', { isTTY: true, columns: 40 });
    const task = progress.task('a-very-long-label-for-a-narrow-terminal', 2_000_000);
    pass(1000);
    task.advance(500_000);
    const visible = written().replaceAll(/\p{Cc}\[[?\d]*[a-zA-Z]/gu, '');
    const lines = visible.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(40);
    progress.close();
  });

  it.each([{ CI: '1' }, { NO_COLOR: '1' }, { TERM: 'dumb' }])('does not animate with %j', (env) => {
    const { progress, written } = progressOf('auto', { isTTY: true }, env);
    progress.task('abc', 5).done();
    expect(written()).toBe('abc      5B  done\n');
  });

  it('takes back what an upload sent in vain', () => {
    const { progress, written, pass } = progressOf('auto', { isTTY: true, columns: 80 });
    const task = progress.task('abc', 1000);
    task.advance(900);
    task.advance(-900);
    pass(1000);
    task.advance(100);
    expect(written()).toContain('100B of 1kB');
    progress.close();
  });

  it('shows labels and messages from outside safely', () => {
    const { progress, written } = progressOf('plain');
    progress.task('a\u001b[2Jb', 1).done();
    progress.warn('see https://me:secret@host/');
    expect(written()).toBe('a [2Jb      1B  done\nwarning: see https://***@host/\n');
  });
});
