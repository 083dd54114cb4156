import { expect, it } from 'vitest';
import { LineCutter } from '../../src/lib/lines.ts';

function cut(...chunks: readonly Buffer[]): readonly string[] {
  const lines: string[] = [];
  const cutter = new LineCutter((line) => lines.push(line));
  for (const chunk of chunks) cutter.write(chunk);
  cutter.end();
  return lines;
}

it('lines are whole, wherever chunks and characters are split', () => {
  const bytes = Buffer.from('one\r\ntwo: ü\n\nlast');
  for (let at = 0; at <= bytes.length; at++)
    expect(cut(bytes.subarray(0, at), bytes.subarray(at))).toEqual(['one', 'two: ü', '', 'last']);
});

it('a line without an end does not grow without bound', () => {
  const lines = cut(Buffer.alloc(200_000, 'x'));
  expect(Math.max(...lines.map((line) => line.length))).toBe(64 * 1024);
  expect(lines.join('').length).toBe(200_000);
});
