import type { ContainerConfig } from '#oci-spec-types';
import type { Dockerfile, Instruction, Range } from '../dockerfile/ast.ts';
import { configOnly } from './configure.ts';
import { scriptOf } from './start-command.ts';

/** What the last stage has, and how it starts. */
export interface LastStage {
  readonly base: string;
  /** The base's own, which would stand before a CMD. */
  readonly entrypoint?: ContainerConfig['Entrypoint'];
  /** The program's path in the first stage, without `/` in front. */
  readonly artifact: string;
  readonly dest: string;
  /** Who it runs as, in numbers; undefined is root. */
  readonly user: string | undefined;
  readonly start: Pick<ContainerConfig, 'Entrypoint' | 'Cmd'>;
}

/** A Dockerfile of one stage as it stands, as a stage that builds, and a second one with the program alone. */
export function multiStage({ text, stages }: Dockerfile, last: LastStage): string {
  const [stage] = stages;
  if (stage === undefined) return text;
  const { from, instructions } = stage;
  const name = from.name ?? (last.base === 'build' ? 'builder' : 'build');
  const gone = new Set(instructions.filter(leaves).flatMap(({ range }) => linesOf(range)));
  const lines = text.split(/\r?\n/);
  if (from.name === undefined) {
    const at = Math.max(...linesOf(from.range)) - 1;
    lines[at] = `${(lines[at] ?? '').trimEnd()} AS ${name}`;
  }
  return [
    ...trimEnd(lines.filter((_, at) => !gone.has(at + 1))),
    '',
    `FROM ${last.base}`,
    ...settingsOf(instructions),
    ...(last.user === undefined ? [] : [`USER ${last.user}`]),
    `COPY --from=${name} /${last.artifact} ${last.dest}`,
    ...(last.entrypoint?.length && !last.start.Entrypoint?.length ? ['ENTRYPOINT []'] : []),
    ...commandLine('ENTRYPOINT', last.start.Entrypoint),
    ...commandLine('CMD', last.start.Cmd),
    '',
  ].join('\n');

  /** What is about how the image starts belongs where it starts from; a user with whom nothing is made, too. */
  function leaves(instruction: Instruction): boolean {
    if (instruction.kind !== 'user') return configOnly(instruction.kind);
    const after = instructions.slice(instructions.indexOf(instruction) + 1);
    return !after.some(({ kind }) => ['run', 'copy', 'add', 'workdir'].includes(kind));
  }
}

/** Settings that the last stage has, too, with the arguments that they are made of. */
function settingsOf(instructions: readonly Instruction[]): readonly string[] {
  const used = new Set<string>();
  const taken: string[] = [];
  // What is used has been said before.
  for (const each of instructions.toReversed()) {
    const isSetting = each.kind === 'env' || (configOnly(each.kind) && !isCommand(each.kind));
    const isUsed = each.kind === 'arg' && each.args.some(({ name }) => used.has(name.text));
    if (!isSetting && !isUsed) continue;
    taken.unshift(each.source);
    for (const [, name = ''] of each.source.matchAll(/\$\{?(\w+)/g)) used.add(name);
  }
  return taken;
}

function isCommand(kind: Instruction['kind']): boolean {
  return kind === 'cmd' || kind === 'entrypoint';
}

function commandLine(keyword: string, words: ContainerConfig['Cmd']): readonly string[] {
  if (!words?.length) return [];
  const shown = scriptOf(words) ?? `[${words.map((word) => JSON.stringify(word)).join(', ')}]`;
  return [`${keyword} ${shown}`];
}

function linesOf({ start, end }: Range): readonly number[] {
  const last = end.column === 1 && end.line > start.line ? end.line - 1 : end.line;
  return Array.from({ length: last - start.line + 1 }, (_, at) => start.line + at);
}

function trimEnd(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line.trim() !== '');
  return lines.slice(0, last + 1);
}
