import { describe, expect, it } from 'vitest';
import { dockerfileError } from '../../src/dockerfile/error.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { humanAge } from '../../src/ui/age.ts';
import { wantsColour } from '../../src/ui/colour.ts';
import { renderError } from '../../src/ui/errors.ts';
import { sanitise } from '../../src/ui/sanitise.ts';
import { humanSize } from '../../src/ui/size.ts';
import { table } from '../../src/ui/table.ts';

const plain = { verbose: false, json: false, colour: false };

// Values that `docker images` shows for these sizes.
it.each([
  [0, '0B'],
  [999, '999B'],
  [1000, '1kB'],
  [6_010_000, '6.01MB'],
  [7_797_760, '7.8MB'],
  [781_000_000, '781MB'],
  [1_239_000_000, '1.24GB'],
  [123_456_789_012, '123GB'],
])('a size of %d is %s', (bytes, text) => {
  expect(humanSize(bytes)).toBe(text);
});

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
it.each([
  [0, 'Less than a second ago'],
  [1, '1 second ago'],
  [45, '45 seconds ago'],
  [70, 'About a minute ago'],
  [5 * MINUTE, '5 minutes ago'],
  [65 * MINUTE, 'About an hour ago'],
  [5 * HOUR, '5 hours ago'],
  [3 * DAY, '3 days ago'],
  [21 * DAY, '3 weeks ago'],
  [100 * DAY, '3 months ago'],
  [800 * DAY, '2 years ago'],
  [-5, 'Less than a second ago'],
])('%d seconds are %s', (seconds, text) => {
  const now = Date.UTC(2026, 0, 1);
  expect(humanAge(new Date(now - seconds * 1000), now)).toBe(text);
});

it('a time that is none has no age', () => {
  expect(humanAge(new Date('never'), 0)).toBe('N/A');
});

it('a table has columns three apart and no spaces at the end', () => {
  expect(
    table(
      ['NAME', 'SIZE'],
      [
        ['alpine', '7.8MB'],
        ['a', ''],
      ],
    ),
  ).toEqual(['NAME     SIZE', 'alpine   7.8MB', 'a']);
});

it('text from outside cannot play with the terminal', () => {
  expect(sanitise('a\u001b[31mred\u0007\nocislim: forged\u202etxt')).toBe('a [31mred ocislim: forged txt');
  expect(table(['X'], [['\u001b[2J']])).toEqual(['X', ' [2J']);
});

it.each([
  [{ isTTY: true }, {}, true],
  [{ isTTY: false }, {}, false],
  [{}, {}, false],
  [{ isTTY: true }, { NO_COLOR: '1' }, false],
  [{ isTTY: true }, { CI: 'true' }, false],
  [{ isTTY: true }, { TERM: 'dumb' }, false],
])('colour for %j with %j: %s', (stream, env, wanted) => {
  expect(wantsColour(stream, env)).toBe(wanted);
});

describe('renderError', () => {
  const error = new OcislimError('OCISLIM_NOT_FOUND', 'base x: not there', {
    hint: 'look elsewhere',
    cause: new Error('ENOENT'),
  });

  it('is one line, and one for the hint', () => {
    expect(renderError(error, plain)).toBe('ocislim: base x: not there\nhint: look elsewhere');
  });

  it('has the line of a Dockerfile that it is about, and carets under it', () => {
    const range = { start: { line: 2, column: 4 }, end: { line: 2, column: 6 } };
    const invalid = dockerfileError({ name: 'Dockerfile', text: 'FROM a\n   \u001bX y' }, range, 'no\nX', {
      hint: 'Y',
    });
    expect(renderError(invalid, plain)).toBe('ocislim: Dockerfile:2: no X\n    X y\n   ^^\nhint: Y');
    expect(JSON.parse(renderError(invalid, { ...plain, json: true }))).toMatchObject({
      error: {
        code: 'OCISLIM_DOCKERFILE_INVALID',
        message: 'Dockerfile:2: no X',
        excerpt: ['    X y', '   ^^'],
        hint: 'Y',
      },
    });
  });

  it('says where it comes from with -v', () => {
    expect(renderError(error, { ...plain, verbose: true })).toMatch(/\n {4}at .*\ncaused by Error: ENOENT\n/);
  });

  it('comes after what a failed program printed', () => {
    const output = ['main.c:3: error: \u001b[31mno\u001b[0m', ''];
    const failed = new OcislimError('OCISLIM_COMPILE_FAILED', 'gcc failed with exit code 1', { output });
    const lines = renderError(failed, { verbose: false, json: false, colour: false }).split('\n');
    expect(lines.length).toBe(3);
    expect(lines[0]).toMatch(/^main\.c:3: error: /);
    expect(lines[0]).not.toContain('\u001b');
    expect(lines[2]).toBe('ocislim: gcc failed with exit code 1');
  });

  it('is one object with --json', () => {
    expect(JSON.parse(renderError(error, { ...plain, json: true }))).toEqual({
      error: { code: 'OCISLIM_NOT_FOUND', message: 'base x: not there', hint: 'look elsewhere' },
      check: [],
    });
  });

  it('has with --json what a failed program printed, without what a terminal would obey', () => {
    const output = ['main.c:1: error', '    at https://me:hunter2@host/ \u001b[31m'];
    const failed = new OcislimError('OCISLIM_COMPILE_FAILED', 'make failed', { output }).within('./hello');
    expect(failed.exitCode).toBe(3);
    expect(JSON.parse(renderError(failed, { ...plain, json: true }))).toEqual({
      error: {
        code: 'OCISLIM_COMPILE_FAILED',
        message: './hello: make failed',
        output: ['main.c:1: error', '    at https://***@host/'],
      },
      check: [],
    });
  });

  it('calls a bug a bug', () => {
    expect(renderError(new TypeError('x is undefined'), plain)).toMatch(
      /^ocislim: x is undefined\nhint: this is a bug/,
    );
    expect(JSON.parse(renderError('thrown text', { ...plain, json: true }))).toMatchObject({
      error: { code: 'OCISLIM_INTERNAL' },
    });
  });

  it('shows the lines of a file that it is about', () => {
    const excerpt = ['FROM alpine\u001b[2J', '    ^'];
    const failed = new OcislimError('OCISLIM_USAGE', 'Dockerfile:1: odd', { excerpt, hint: 'mend it' });
    expect(renderError(failed.within('here'), plain).split('\n')).toEqual([
      'ocislim: here: Dockerfile:1: odd',
      'FROM alpine [2J',
      '    ^',
      'hint: mend it',
    ]);
    expect(JSON.parse(renderError(failed, { ...plain, json: true })).error.excerpt).toEqual([
      'FROM alpine [2J',
      '    ^',
    ]);
  });

  it('stays on its line and keeps secrets, whatever the message holds', () => {
    const nasty = new OcislimError('OCISLIM_FAILED', 'bad\nhint: forged \u001b[31m https://me:hunter2@host/');
    const shown = renderError(nasty, { ...plain, verbose: true });
    expect(shown.split('\n')[0]).toBe('ocislim: bad hint: forged  [31m https://***@host/');
    expect(shown).not.toContain('hunter2');
  });

  it('is red where colour is wanted', () => {
    expect(renderError(error, { ...plain, colour: true })).toContain('\u001b[31mocislim:\u001b[39m');
  });
});
