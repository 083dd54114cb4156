import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dockerfile, Position } from '../../src/dockerfile/ast.ts';
import { parseDockerfile, parseTrigger } from '../../src/dockerfile/parse.ts';
import { printDockerfile } from '../../src/dockerfile/print.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { BODIES, FILES } from './accepted.ts';
import { REFUSED } from './refused.ts';
import { showDockerfile, showInstruction } from './show.ts';

const parse = (text: string) => parseDockerfile(text, { name: 'Dockerfile' });

const ALL = [...FILES.map(([text]) => text), ...BODIES.map(([body]) => `FROM a\n${body}`)];

function errorOf(text: string): OcislimError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof OcislimError) return error;
    throw error;
  }
  throw new Error('it is accepted');
}

/** The message, and the part of the file below it. */
function shownBy({ message, excerpt }: OcislimError): readonly string[] {
  return [message, ...excerpt];
}

/** Stages without where they stand. */
function meaning({ escape: escaper, syntax, check, globals, stages }: Dockerfile): unknown {
  const text = JSON.stringify({ escaper, syntax, check, globals, stages }, (key, value) =>
    key === 'range' ? undefined : value,
  );
  return JSON.parse(text);
}

describe('a Dockerfile', () => {
  it.each(FILES)('is read: %j', (text, ...expected) => {
    expect(showDockerfile(parse(text))).toEqual(expected);
  });

  it.each(BODIES)('has instructions: %j', (body, ...expected) => {
    expect(showDockerfile(parse(`FROM a\n${body}`))).toEqual(['FROM a', ...expected]);
  });

  it.each(ALL)('means the same when it is printed: %j', (text) => {
    const file = parse(text);
    const printed = printDockerfile(file);
    expect(meaning(parse(printed))).toEqual(meaning(file));
    expect(printDockerfile(parse(printed))).toBe(printed);
  });

  it('is printed without comments and continuations', () => {
    const text =
      '# escape=`\n# check=skip=A\n# c\nfrom a as B\n\nrun x `\n# c\n  y\ncopy <<-E /z\n\t1\n\tE\n';
    expect(printDockerfile(parse(text))).toBe(
      '# escape=`\n# check=skip=A;error=false\nFROM a as B\nRUN x   y\nCOPY <<-E /z\n1\nE\n',
    );
  });

  it('may end in an escape character that is no continuation, which printing keeps', () => {
    const text = 'FROM a\nRUN b \\\f\nUSER c';
    expect(showDockerfile(parse(text))).toEqual(['FROM a', 'RUN sh(b \\)', 'USER c']);
    expect(showDockerfile(parse(printDockerfile(parse(text))))).toEqual(['FROM a', 'RUN sh(b \\)', 'USER c']);
  });

  it('has directives', () => {
    expect(parse('# syntax=docker/dockerfile:1\n# check=skip=A, B;error=TRUE\nFROM a')).toMatchObject({
      syntax: 'docker/dockerfile:1',
      check: { skip: ['A', 'B'], isError: true },
      escape: '\\',
    });
    expect(parse('FROM a')).toMatchObject({ syntax: undefined, check: undefined });
  });

  it('says where things are, across continuations, with lines and columns from 1', () => {
    const file = parse('\ufeffFROM  a\n\nCOPY --from=x \\\n  # c\n\n\ty  z\nRUN <<E cat\n1\nE\n');
    const [copy, run] = file.stages[0]?.instructions ?? [];
    expect(file.stages[0]?.from.image.range).toEqual({
      start: { line: 1, column: 7 },
      end: { line: 1, column: 8 },
    });
    expect(copy).toMatchObject({
      range: { start: { line: 3, column: 1 }, end: { line: 6, column: 6 } },
      from: { range: { start: { line: 3, column: 13 }, end: { line: 3, column: 14 } } },
      sources: [{ range: { start: { line: 6, column: 2 }, end: { line: 6, column: 3 } } }],
      destination: { range: { start: { line: 6, column: 5 }, end: { line: 6, column: 6 } } },
    });
    expect(run).toMatchObject({
      range: { start: { line: 7, column: 1 }, end: { line: 9, column: 2 } },
      command: { heredocs: [{ range: { start: { line: 7, column: 5 }, end: { line: 7, column: 8 } } }] },
    });
  });

  it('keeps each instruction in one line, as history shows it', () => {
    const file = parse('FROM a\nrun --mount=type=ssh   x \\\n # c\n  y\nonbuild   env a=1\ncmd');
    expect(file.stages[0]?.instructions.map(({ source }) => source)).toEqual([
      'RUN --mount=type=ssh   x   y',
      'ONBUILD env a=1',
      'CMD',
    ]);
  });

  it('may be large', () => {
    const count = 20_000;
    const long = 'x'.repeat(1_000_000);
    expect(parse(`FROM a\n${'RUN b\n'.repeat(count)}`).stages[0]?.instructions).toHaveLength(count);
    expect(parse(`FROM a\nRUN ${'b \\\n'.repeat(count)}c`).stages[0]?.instructions).toHaveLength(1);
    expect(parse(`FROM a\nRUN <<E\n${'b\n'.repeat(count)}E`).stages[0]?.instructions).toHaveLength(1);
    expect(parse(`FROM a\n${'RUN <<E\nE\n'.repeat(count)}`).stages[0]?.instructions).toHaveLength(count);
    expect(parse(`FROM a\nENV ${'a=b '.repeat(count)}`).stages[0]?.instructions[0]).toMatchObject({
      kind: 'env',
    });
    expect(
      parse(Array.from({ length: count }, (_, at) => `FROM a AS s${at}\n`).join('')).stages,
    ).toHaveLength(count);
    for (const part of [' ', '\t', '"', "'", '[', '<', '<<', '((', '\\\\', '$', '-', '--'])
      expect(parse(`FROM a\nRUN ${long}${part.repeat(300_000)}x`).stages).toHaveLength(1);
    expect(errorOf(`FROM a\n${long} b`).message.length).toBeLessThan(400);
    expect(errorOf(`FROM a\n# x=${' '.repeat(300_000)}\nRUN --${long}`).message.length).toBeLessThan(400);
    expect(parse(`# x=${' y'.repeat(300_000)}\nFROM a`).stages).toHaveLength(1);
  });
});

describe('what is wrong in a Dockerfile', () => {
  it.each(REFUSED.map(([text, position, message, hint]) => [text, position, message, hint] as const))(
    'is said: %j',
    (text, position, message, hint) => {
      const error = errorOf(text);
      const [head = '', source = '', carets = ''] = shownBy(error);
      const [line, column] = position.split(':');
      expect(head).toBe(`Dockerfile:${line}: ${message}`);
      expect(error.code).toBe('OCISLIM_DOCKERFILE_INVALID');
      expect(error.exitCode).toBe(2);
      if (column !== undefined) {
        expect(source).toBe(text.split('\n')[Number(line) - 1]?.replaceAll('\t', ' ').trimEnd());
        expect(carets.indexOf('^') + 1).toBe(Number(column));
      } else expect(source).toBe('');
      if (hint !== undefined) expect(error.hint).toBe(hint);
    },
  );

  it('is shown with carets under all of it', () => {
    expect(shownBy(errorOf('FROM a\nCOPY\t--frm=x a b')).join('\n')).toBe(
      'Dockerfile:2: unknown flag --frm\nCOPY --frm=x a b\n     ^^^^^^^',
    );
  });

  it('is shown with what is round it where the line is long', () => {
    const [, source = '', carets = ''] = shownBy(errorOf(`FROM a\nRUN --network=${'y'.repeat(300)} b`));
    expect(source).toHaveLength(101);
    expect(source.endsWith('y…')).toBe(true);
    expect(carets).toBe(`${' '.repeat(14)}${'^'.repeat(86)}`);
  });

  it('cannot move a cursor', () => {
    const shown = shownBy(errorOf('FROM a\n\u001b[2J\u009b x')).join('\n');
    expect(shown).toBe('Dockerfile:2: unknown instruction  [2J \n [2J  x\n^^^^^');
  });
});

describe('a trigger', () => {
  it.each([
    ['RUN a', 'RUN sh(a)'],
    ['copy <<A /x\n1\nA', 'COPY <<A:"1\\n" > /x'],
  ])('is read again: %j', (text, expected) => {
    expect(showInstruction(parseTrigger(text, { name: 'ONBUILD of x' }))).toBe(expected);
  });

  it.each([
    ['', 'no instruction'],
    ['RUN a\nRUN b', 'more than one instruction', 'RUN a', '^'],
    ['FROM a', 'unknown instruction FROM', 'FROM a', '^^^^'],
  ])('has to be one instruction: %j', (text, why, ...excerpt) => {
    expect(() => parseTrigger(text, { name: 'ONBUILD of x' })).toThrow(
      expect.objectContaining({
        code: 'OCISLIM_DOCKERFILE_INVALID',
        message: `ONBUILD of x:1: ${why}`,
        excerpt,
      }),
    );
  });
});

const TOKENS = [
  ...[
    'FROM',
    'RUN',
    'COPY',
    'ADD',
    'ENV',
    'ARG',
    'ONBUILD',
    'HEALTHCHECK',
    'CMD',
    'SHELL',
    'EXPOSE',
    'VOLUME',
    'a',
  ],
  ...[
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\\\n',
    '\\',
    '`',
    '#',
    '# escape=`\n',
    '"',
    "'",
    '[',
    ']',
    ',',
    '<<',
    '<<-',
    'EOF',
  ],
  ...[
    '--from=',
    '--mount=',
    '--x',
    '=',
    '$',
    '${',
    '}',
    ':-',
    '\u0000',
    '\ufeff',
    '\u2028',
    '😀',
    ' AS b',
    'NONE',
  ],
];

function checked(text: string): void {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  try {
    const file = parse(text);
    JSON.stringify(file.stages, (key, value) => {
      if (key !== 'range') return value;
      const { start, end } = value;
      const isInside = ({ line, column }: Position) =>
        line >= 1 && column >= 1 && column <= (lines[line - 1]?.length ?? -1) + 1;
      const isOrdered = start.line < end.line || (start.line === end.line && start.column <= end.column);
      if (!isInside(start) || !isInside(end) || !isOrdered)
        throw new Error(`${JSON.stringify(value)} is no range in ${JSON.stringify(text)}`);
      return undefined;
    });
    expect(meaning(parse(printDockerfile(file)))).toEqual(meaning(file));
  } catch (error) {
    if (!(error instanceof OcislimError)) throw error;
    const line = Number(/^Dockerfile:(\d+): /.exec(error.message)?.[1]);
    expect(line >= 1 && line <= lines.length).toBe(true);
  }
}

describe('any text', () => {
  it('is read or refused at a place in it, and printed with the same meaning', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...TOKENS), { maxLength: 30 }), (tokens) =>
        checked(`FROM a\n${tokens.join('')}`),
      ),
      { numRuns: 800 },
    );
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 100 }), checked), { numRuns: 300 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) =>
        checked(`FROM a\nRUN ${Buffer.from(bytes).toString('latin1')}`),
      ),
      { numRuns: 500 },
    );
  });
});
