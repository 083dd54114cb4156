import { expect, it } from 'vitest';
import { type ProgressEvent, progressEvents } from '../../src/library/progress-events.ts';

function recorded() {
  const events: ProgressEvent[] = [];
  return { events, progress: progressEvents((event) => events.push(event)) };
}

it('tells of work from its start to its end, each piece by its number', () => {
  const { events, progress } = recorded();
  const blob = progress.task('blob', 10);
  const step = progress.step('RUN make');
  blob.advance(4);
  step.output('cc hello.c');
  blob.advance(6);
  blob.done('mounted');
  step.done('cached');
  progress.note('base alpine is linux/amd64');
  progress.warn('old');
  expect(events).toEqual([
    { type: 'start', id: 1, what: 'task', label: 'blob', total: 10 },
    { type: 'start', id: 2, what: 'step', label: 'RUN make' },
    { type: 'advance', id: 1, bytes: 4 },
    { type: 'output', id: 2, line: 'cc hello.c' },
    { type: 'advance', id: 1, bytes: 6 },
    { type: 'done', id: 1, outcome: 'mounted' },
    { type: 'done', id: 2, outcome: 'cached' },
    { type: 'note', message: 'base alpine is linux/amd64' },
    { type: 'warning', message: 'old' },
  ]);
});

it('tells once of an end, whoever else cleans up', () => {
  const { events, progress } = recorded();
  const blob = progress.task('blob');
  blob.fail();
  blob.done();
  const step = progress.step('RUN false');
  step.fail('exit code 1');
  step.done('done');
  expect(events.filter(({ type }) => type !== 'start')).toEqual([
    { type: 'failed', id: 1 },
    { type: 'failed', id: 2, message: 'exit code 1' },
  ]);
});
