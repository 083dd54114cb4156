import type { ArgInstruction, Dockerfile, FromInstruction, Instruction, Stage } from './ast.ts';
import { readDirectives } from './directives.ts';
import { dockerfileError, type SourceFile } from './error.ts';
import { isKeyword, KEYWORDS, parseInstruction } from './instructions.ts';
import { logicalLine, type SourceLine, sourceLines } from './lines.ts';
import {
  blankWordsOf,
  failure,
  flagsOf,
  type Statement,
  shortened,
  similarTo,
  sourceOf,
  statementAt,
  wholeRange,
  wordOf,
} from './statement.ts';

/**
 * Reads a Dockerfile as BuildKit does, but that names of stages may be in capitals.
 * @param options.name how errors name it
 * @throws OCISLIM_DOCKERFILE_INVALID at the first thing that is wrong
 */
export function parseDockerfile(text: string, { name }: { readonly name: string }): Dockerfile {
  const file = { name, text: text.replace(/^\ufeff/, '') };
  const lines = sourceLines(file.text);
  const directives = readDirectives(file, lines);
  const globals: ArgInstruction[] = [];
  const stages: Opened[] = [];
  for (const statement of statements(file, lines, directives.escape)) {
    if (statement.keyword.text.toUpperCase() === 'FROM') {
      stages.push({ from: parseFrom(statement), instructions: [] });
      continue;
    }
    const instruction = parseKnown(statement);
    const stage = stages.at(-1);
    if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === 'arg') globals.push(instruction);
    else {
      const keyword = statement.keyword.text.toUpperCase();
      throw failure(statement, `${keyword} before the first FROM`, 'only ARG may stand there');
    }
  }
  if (stages.length === 0) throw noStage(file, lines.length);
  return { ...file, ...directives, globals, stages };
}

interface Opened extends Stage {
  readonly instructions: Instruction[];
}

/**
 * One instruction with its here-documents, as ONBUILD keeps it: it is not FROM.
 * @throws OCISLIM_DOCKERFILE_INVALID
 */
export function parseTrigger(text: string, { name }: { readonly name: string }): Instruction {
  const file = { name, text };
  const instructions: Instruction[] = [];
  for (const statement of statements(file, sourceLines(text), '\\')) instructions.push(parseKnown(statement));
  const [first, second] = instructions;
  if (first === undefined || second !== undefined) {
    const message = first === undefined ? 'no instruction' : 'more than one instruction';
    const at = { line: 1, column: 1 };
    throw dockerfileError(file, { start: at, end: at }, message);
  }
  return first;
}

/** Whoever takes a statement parses it before the next, so that its here-documents are gone by then. */
function* statements(
  file: SourceFile,
  lines: readonly SourceLine[],
  escaper: string,
): Generator<Statement, undefined> {
  const cursor = { next: 0 };
  for (;;) {
    const line = logicalLine(lines, cursor.next, escaper);
    if (line === undefined) return;
    cursor.next = line.next;
    yield statementAt({ file, lines, line, escape: escaper, cursor }, 0);
  }
}

function parseKnown(statement: Statement): Instruction {
  const { text } = statement.keyword;
  if (text === '') throw failure(statement, 'a continuation of nothing', 'expected an instruction');
  if (isKeyword(text)) return parseInstruction(statement);
  const similar = similarTo(text.toUpperCase(), ['FROM', ...KEYWORDS]);
  throw failure(
    statement,
    `unknown instruction ${shortened(text)}`,
    similar === undefined
      ? 'if it belongs to the line above, that has to end with the escape character'
      : `did you mean ${similar}?`,
  );
}

function parseFrom(statement: Statement): FromInstruction {
  const flags = flagsOf(statement, { platform: 'text' });
  const [image, as, name, ...others] = blankWordsOf(statement);
  if (image === undefined) throw failure(statement, 'FROM has no image', 'expected FROM IMAGE [AS NAME]');
  if (others.length > 0 || (as !== undefined && (name === undefined || as.text.toUpperCase() !== 'AS'))) {
    throw failure(statement, 'FROM has one or three arguments', 'expected FROM IMAGE [AS NAME]', as);
  }
  const lower = name?.text.toLowerCase();
  if (name !== undefined && lower !== undefined) {
    if (!/^[a-z][a-z0-9_.-]*$/.test(lower)) {
      const hint = 'expected a letter, then letters, digits, _, . or -';
      throw failure(statement, `${shortened(name.text)} is no name for a stage`, hint, name);
    }
  }
  return {
    kind: 'from',
    image: wordOf(statement, image),
    platform: flags.text('platform'),
    name: lower,
    range: wholeRange(statement),
    source: sourceOf(statement),
  };
}

function noStage(file: SourceFile, lines: number) {
  const isEmpty = logicalLine(sourceLines(file.text), 0, '\\') === undefined;
  const at = { line: Math.max(1, lines), column: 1 };
  const message = isEmpty ? 'no instruction in it' : 'no FROM in it';
  return dockerfileError(file, { start: at, end: at }, message, {
    hint: 'a Dockerfile has at least one FROM, for example FROM scratch',
  });
}
