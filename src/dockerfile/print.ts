import type { Dockerfile, Instruction } from './ast.ts';
import { heredocsOf } from './instructions.ts';

/**
 * A Dockerfile that means the same: an instruction a line, without comments and continuations. What is printed is read as
 * the same stages and instructions, but for their places.
 */
export function printDockerfile(file: Dockerfile): string {
  const stages = file.stages.flatMap(({ from, instructions }) => [from, ...instructions]);
  const lines = [
    ...directives(file),
    ...[...file.globals, ...stages].flatMap((instruction) => [
      ended(instruction.source, file.escape),
      ...(instruction.kind === 'from' ? [] : bodies(instruction)),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

function directives({ syntax, escape: escaper, check }: Dockerfile): string[] {
  const lines = [];
  if (syntax !== undefined) lines.push(`# syntax=${syntax}`);
  if (escaper !== '\\') lines.push(`# escape=${escaper}`);
  if (check !== undefined) {
    const skip = check.skip.length > 0 ? [`skip=${check.skip.join(',')}`] : [];
    lines.push(`# check=${[...skip, `error=${check.isError}`].join(';')}`);
  }
  return lines;
}

/** A form feed keeps an escape character from continuing the line: it is white space, but not of the kind that may follow one. */
function ended(source: string, escaper: string): string {
  return source.endsWith(escaper) && !source.endsWith(escaper + escaper) ? `${source}\f` : source;
}

function bodies(instruction: Instruction): string[] {
  return heredocsOf(instruction).map(({ content, name }) => `${content}${name}`);
}
