import { OcislimError } from '../lib/errors.ts';
import type {
  ArgInstruction,
  Dockerfile,
  FromInstruction,
  Heredoc,
  Instruction,
  Range,
  Stage,
  Warning,
  Word,
} from './ast.ts';
import { expandHeredoc, expandWord, unquoteWord } from './expand.ts';
import { heredocsOf } from './instructions.ts';
import { logicalLine, sourceLines } from './lines.ts';
import { mountFields } from './mounts.ts';
import { similarTo } from './statement.ts';

export interface LintOptions {
  /** Values of arguments, which are then taken for their defaults. */
  readonly buildArgs?: ReadonlyMap<string, string> | undefined;
}

type Report = (rule: string, range: Range, message: string) => void;

/**
 * What is legal but likely a mistake: Docker's build checks (docs.docker.com/reference/build-checks), `UnusedArg` and
 * `UndefinedStage`; in the order of the file. Rules that `# check=skip=` names are left out.
 */
export function lintDockerfile(file: Dockerfile, options: LintOptions = {}): Warning[] {
  const skipped = new Set(file.check?.skip);
  if (skipped.has('all')) return [];
  const warnings: Warning[] = [];
  const report: Report = (rule, range, message) => {
    if (!skipped.has(rule)) warnings.push({ rule, message, range });
  };
  emptyContinuations(file, report);
  keywordCasing(file, report);
  stageNames(file, report);
  platforms(file, report);
  imageArguments(file, options, report);
  copiedStages(file, report);
  for (const stage of file.stages) {
    repeated(stage, report);
    for (const instruction of stage.instructions) single(instruction, report);
  }
  const bases = basesOf(file);
  shellForms(file, bases, report);
  secrets(file, report);
  workingFolders(file, bases, report);
  variables(file, bases, report);
  unusedArguments(file, bases, report);
  return warnings.sort(
    (a, b) => a.range.start.line - b.range.start.line || a.range.start.column - b.range.start.column,
  );
}

function emptyContinuations(file: Dockerfile, report: Report): void {
  const lines = sourceLines(file.text);
  // Lines of here-documents are no continuations of anything.
  const bodies = allOf(file).filter((it) => it.kind !== 'from' && heredocsOf(it).length > 0);
  let body = 0;
  for (let next = 0; ; ) {
    const line = logicalLine(lines, next, file.escape);
    if (line === undefined) return;
    next = line.next;
    for (const index of line.emptyLines) {
      const at = { line: index + 1, column: 1 };
      report('NoEmptyContinuation', { start: at, end: at }, 'an empty line within a continuation');
    }
    const first = line.pieces[0]?.position.line ?? 0;
    if (bodies[body]?.range.start.line === first) next = bodies[body++]?.range.end.line ?? next;
  }
}

function allOf(file: Dockerfile): (ArgInstruction | FromInstruction | Instruction)[] {
  return [...file.globals, ...file.stages.flatMap(({ from, instructions }) => [from, ...instructions])];
}

function keywordCasing(file: Dockerfile, report: Report): void {
  const lines = sourceLines(file.text);
  const keywords = allOf(file).flatMap(({ kind, range: { start } }) => {
    const [word = ''] = /^[a-z]+/i.exec(lines[start.line - 1]?.text.slice(start.column - 1) ?? '') ?? [];
    // A keyword that is split by a continuation is not judged.
    if (word.toLowerCase() !== kind) return [];
    const end = { line: start.line, column: start.column + word.length };
    return [{ word, range: { start, end } }];
  });
  const lower = keywords.filter(({ word }) => word === word.toLowerCase()).length;
  const upper = keywords.filter(({ word }) => word === word.toUpperCase()).length;
  const isLower = lower > upper;
  for (const { word, range } of keywords) {
    if (word === (isLower ? word.toLowerCase() : word.toUpperCase())) continue;
    const casing = isLower ? 'lower' : 'upper';
    report(
      'ConsistentInstructionCasing',
      range,
      `${word} is not in ${casing} case, as most instructions are`,
    );
  }
}

function stageNames(file: Dockerfile, report: Report): void {
  const lines = sourceLines(file.text);
  const first = new Map<string, number>();
  for (const { from } of file.stages) {
    if (from.name === undefined) continue;
    const before = first.get(from.name);
    if (before === undefined) first.set(from.name, from.range.start.line);
    else report('DuplicateStageName', from.range, `${from.name} names the stage of line ${before}, too`);
    const [as = '', name = ''] = from.source.split(/[\t\v\f\r ]+/).slice(-2);
    if (name !== from.name) report('StageNameCasing', from.range, `stage name ${name} is not in lower case`);
    if (from.name === 'scratch' || from.name === 'context')
      report('ReservedStageName', from.range, `${from.name} is reserved and should name no stage`);
    const { line, column } = from.range.start;
    const keyword = lines[line - 1]?.text.slice(column - 1, column + 3) ?? '';
    if ((keyword === 'FROM' && as === 'as') || (keyword === 'from' && as === 'AS'))
      report('FromAsCasing', from.range, `${as} and ${keyword} are in different cases`);
  }
}

function platforms(file: Dockerfile, report: Report): void {
  for (const { from } of file.stages) {
    const { platform, name = '' } = from;
    if (platform === undefined) continue;
    if (/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(platform.text)) {
      report(
        'RedundantTargetPlatform',
        platform.range,
        `${platform.text} is the platform without --platform, too`,
      );
    }
    // A stage that is named after its platform is chosen by it: FROM build_$TARGETARCH.
    const parts = platform.text.toLowerCase().split('/');
    if (!platform.text.includes('$') && !parts.some((part) => part !== '' && name.includes(part))) {
      const message = `--platform=${platform.text} is the same whatever is built for`;
      report('FromPlatformFlagConstDisallowed', platform.range, message);
    }
  }
}

/** What FROM knows without a declaration. */
const PLATFORM_ARGS = ['PLATFORM', 'OS', 'ARCH', 'VARIANT', 'OSVERSION'].flatMap((part) => [
  `TARGET${part}`,
  `BUILD${part}`,
]);
const FROM_ARGS = [...PLATFORM_ARGS, 'TARGETSTAGE'];

/** Known in every RUN, but not meant to be written. */
const PROXY_ARGS = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

function imageArguments(file: Dockerfile, { buildArgs }: LintOptions, report: Report): void {
  const values = new Map(FROM_ARGS.map((name) => [name, 'x']));
  const declared = new Set(FROM_ARGS);
  for (const { args } of file.globals) {
    for (const { name, value } of args) {
      const key = nameOf(name, file);
      declared.add(key);
      const given = buildArgs?.get(key) ?? (value && expanded(value, file, values));
      if (given !== undefined) values.set(key, given);
    }
  }
  for (const { from } of file.stages) {
    for (const word of [from.image, from.platform]) {
      if (word === undefined) continue;
      for (const name of unsetIn(word.text, file, (it) => (declared.has(it) ? 'x' : undefined))) {
        const similar = similarTo(name, [...declared]);
        const hint = similar === undefined ? '' : ` (did you mean ${similar}?)`;
        report('UndefinedArgInFrom', word.range, `ARG ${name} is not declared before FROM${hint}`);
      }
    }
    if (!from.image.text.includes('$')) continue;
    const image = expanded(from.image, file, values);
    if (image !== undefined && !isReference(image)) {
      const message = `with the defaults of its arguments ${from.image.text} is no image's name`;
      report('InvalidDefaultArgInFrom', from.image.range, message);
    }
  }
}

/** Near enough to see that a default left a hole. */
function isReference(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._/:@-]*$/.test(text) && !/[:@/]$|[:/@]{2}|[/]:/.test(text);
}

function expanded(word: Word, file: Dockerfile, values: ReadonlyMap<string, string>): string | undefined {
  try {
    return expandWord(word.text, values, { escape: file.escape });
  } catch (error) {
    if (error instanceof OcislimError) return undefined;
    throw error;
  }
}

function nameOf({ text }: Word, file: Dockerfile): string {
  try {
    return unquoteWord(text, { escape: file.escape });
  } catch (error) {
    if (error instanceof OcislimError) return text;
    throw error;
  }
}

/** Variables that are used where `get` has none; what cannot be expanded is an error of the build, not of this. */
function unsetIn(
  text: string,
  file: Dockerfile,
  get: (name: string) => string | undefined,
  expand: typeof expandWord = expandWord,
): Set<string> {
  const names = new Set<string>();
  try {
    expand(text, { get }, { escape: file.escape, onUnset: (name) => names.add(name) });
  } catch (error) {
    if (!(error instanceof OcislimError)) throw error;
  }
  return names;
}

function copiedStages(file: Dockerfile, report: Report): void {
  const all = new Set(file.stages.map(({ from }) => from.name));
  const earlier = new Set<string>();
  for (const { from, instructions } of file.stages) {
    for (const instruction of instructions) {
      for (const { name, range } of sourcesOf(instruction)) {
        const lower = name.toLowerCase();
        if (earlier.has(lower) || /[$/:@.]|^\d+$/.test(name) || name === '') continue;
        if (lower === from.name) continue;
        if (all.has(lower)) {
          report('UndefinedStage', range, `stage ${name} comes later; here it is an image's name`);
          continue;
        }
        const similar = similarTo(lower, [...earlier]);
        if (similar !== undefined)
          report(
            'UndefinedStage',
            range,
            `no stage is named ${name} (did you mean ${similar}?); it is an image's name`,
          );
      }
    }
    if (from.name !== undefined) earlier.add(from.name);
  }
}

function sourcesOf(instruction: Instruction): { name: string; range: Range }[] {
  if (instruction.kind === 'copy' && instruction.from !== undefined)
    return [{ name: instruction.from.text, range: instruction.from.range }];
  if (instruction.kind !== 'run') return [];
  return instruction.mounts.flatMap(({ text, range }) =>
    (mountFields(text) ?? [])
      .filter((field) => /^from=/i.test(field))
      .map((field) => ({ name: field.slice(5), range })),
  );
}

function repeated({ instructions }: Stage, report: Report): void {
  for (const kind of ['cmd', 'entrypoint', 'healthcheck'] as const) {
    for (const { range } of instructions.filter((it) => it.kind === kind).slice(0, -1))
      report(
        'MultipleInstructionsDisallowed',
        range,
        `only the last ${kind.toUpperCase()} of a stage counts`,
      );
  }
}

/** Whoever chose a shell wants it. */
function shellForms(file: Dockerfile, bases: Bases, report: Report): void {
  const chosen = new Set<Stage | undefined>();
  for (const stage of file.stages) {
    if (chosen.has(bases.get(stage))) chosen.add(stage);
    for (const instruction of stage.instructions) {
      if (instruction.kind === 'shell') chosen.add(stage);
      if (chosen.has(stage) || (instruction.kind !== 'cmd' && instruction.kind !== 'entrypoint')) continue;
      if (instruction.command.form === 'exec') continue;
      const keyword = instruction.kind.toUpperCase();
      const message = `${keyword} runs in a shell, which passes no signals on; write ${keyword} ["…"]`;
      report('JSONArgsRecommended', instruction.range, message);
    }
  }
}

/** The earlier stage that a stage is built from. */
type Bases = ReadonlyMap<Stage, Stage>;

function basesOf({ stages }: Dockerfile): Bases {
  const named = new Map<string, Stage>();
  const bases = new Map<Stage, Stage>();
  for (const stage of stages) {
    const base = named.get(stage.from.image.text.toLowerCase());
    if (base !== undefined) bases.set(stage, base);
    if (stage.from.name !== undefined) named.set(stage.from.name, stage);
  }
  return bases;
}

function single(instruction: Instruction, report: Report): void {
  const { kind, range } = instruction;
  if (kind === 'maintainer') {
    report(
      'MaintainerDeprecated',
      range,
      'MAINTAINER is deprecated; write LABEL org.opencontainers.image.authors',
    );
  } else if ((kind === 'env' || kind === 'label') && instruction.isLegacy) {
    const keyword = kind.toUpperCase();
    report('LegacyKeyValueFormat', range, `write ${keyword} name=value instead of ${keyword} name value`);
  } else if (kind === 'expose') {
    for (const value of instruction.values) {
      const protocol = /\/([^/]*)$/.exec(value.text)?.[1] ?? '';
      if (!protocol.includes('$') && protocol !== protocol.toLowerCase())
        report('ExposeProtoCasing', value.range, `protocol of ${value.text} is not in lower case`);
      if (/^[^$]*:/.test(value.text))
        report(
          'ExposeInvalidFormat',
          value.range,
          `${value.text}: an address or a port of the host means nothing here`,
        );
    }
  } else if (kind === 'onbuild') single(instruction.instruction, report);
}

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;

function secrets(file: Dockerfile, report: Report): void {
  for (const instruction of allOf(file)) {
    const { kind } = instruction;
    if (kind !== 'arg' && kind !== 'env') continue;
    const names =
      kind === 'arg' ? instruction.args.map(({ name }) => name) : instruction.pairs.map(({ name }) => name);
    for (const { text, range } of names) {
      if (!SECRET.test(text) || NO_SECRET.test(text)) continue;
      const message = `${kind.toUpperCase()} ${text} stays in the image; use RUN --mount=type=secret`;
      report('SecretsUsedInArgOrEnv', range, message);
    }
  }
}

function workingFolders(file: Dockerfile, bases: Bases, report: Report): void {
  const absolute = new Set<Stage>();
  for (const stage of file.stages) {
    const base = bases.get(stage);
    if (base !== undefined && absolute.has(base)) absolute.add(stage);
    for (const instruction of stage.instructions) {
      if (instruction.kind !== 'workdir') continue;
      // What a variable holds is not known.
      if (/^["']?[/$]/.test(instruction.value.text)) absolute.add(stage);
      else if (!absolute.has(stage)) {
        const message = `${instruction.value.text} depends on the working folder of the base image`;
        report('WorkdirRelativePath', instruction.value.range, message);
      }
    }
  }
}

/** The variables of a stage, as far as the file says: a base image may bring any. */
interface Known {
  readonly names: Set<string>;
  readonly isComplete: boolean;
}

function variables(file: Dockerfile, bases: Bases, report: Report): void {
  const known = new Map<Stage, Known>();
  for (const stage of file.stages) {
    const base = bases.get(stage);
    const inherited = base && known.get(base);
    const isComplete = inherited?.isComplete ?? stage.from.image.text === 'scratch';
    const names = new Set(inherited?.names ?? ['PATH', ...PROXY_ARGS]);
    known.set(stage, { names, isComplete });
    for (const instruction of stage.instructions) {
      const get = (name: string) => (names.has(name) ? 'x' : undefined);
      for (const { text, range, expand } of expandedParts(instruction)) {
        for (const name of unsetIn(text, file, get, expand)) {
          const similar = similarTo(
            name,
            [...names].filter((it) => !PROXY_ARGS.includes(it)),
          );
          if (similar === undefined && !isComplete) continue;
          const hint = similar === undefined ? '' : ` (did you mean ${similar}?)`;
          report('UndefinedVar', range, `$${name} is not set here${hint}`);
        }
      }
      for (const name of declaredBy(instruction, file)) names.add(name);
    }
  }
}

function declaredBy(instruction: Instruction, file: Dockerfile): string[] {
  if (instruction.kind === 'arg') return instruction.args.map(({ name }) => nameOf(name, file));
  if (instruction.kind === 'env') return instruction.pairs.map(({ name }) => nameOf(name, file));
  return [];
}

interface Part {
  readonly text: string;
  readonly range: Range;
  readonly expand?: typeof expandWord;
}

/** What of an instruction is expanded. */
function expandedParts(instruction: Instruction): Part[] {
  switch (instruction.kind) {
    case 'arg':
      return instruction.args.flatMap(({ value }) => value ?? []);
    case 'env':
    case 'label':
      return instruction.pairs.flatMap(({ name, value }) => [name, value]);
    case 'copy':
    case 'add': {
      const { sources, destination, chown, chmod, checksum, exclude } = instruction;
      return [
        ...sources.flatMap((source) => ('text' in source ? source : contentOf(source))),
        ...[destination, chown, chmod, checksum, ...exclude].flatMap((word) => word ?? []),
      ];
    }
    case 'run':
      return [...instruction.mounts];
    case 'workdir':
    case 'user':
    case 'stopsignal':
      return [instruction.value];
    case 'expose':
    case 'volume':
      return [...instruction.values];
    default:
      return [];
  }
}

function contentOf({ content, isExpanded, range }: Heredoc): Part[] {
  return isExpanded ? [{ text: content, range, expand: expandHeredoc }] : [];
}

/** Only where nothing could use it: a command may read any argument from its environment. */
function unusedArguments(file: Dockerfile, bases: Bases, report: Report): void {
  const redeclared = new Set(
    file.stages.flatMap(({ instructions }) =>
      instructions.flatMap((it) => (it.kind === 'arg' ? declaredBy(it, file) : [])),
    ),
  );
  const inFrom = new Set([
    ...file.globals.flatMap(({ args }) => args.flatMap(({ value }) => mentionsIn(value?.text ?? ''))),
    ...file.stages.flatMap(({ from }) => mentionsIn(`${from.image.text} ${from.platform?.text ?? ''}`)),
    ...FROM_ARGS,
  ]);
  for (const { args } of file.globals) {
    for (const { name } of args) {
      const key = nameOf(name, file);
      if (!redeclared.has(key) && !inFrom.has(key))
        report('UnusedArg', name.range, `ARG ${key} is used by no FROM and declared in no stage`);
    }
  }
  // What the stages that are built from a stage use; they come after it.
  const later = new Map<Stage, Set<string>>();
  for (const stage of [...file.stages].reverse()) {
    const used = later.get(stage) ?? new Set();
    for (const instruction of stage.instructions) {
      if (instruction.kind === 'run' || instruction.kind === 'onbuild') used.add(ANYTHING);
      else
        for (const { text } of expandedParts(instruction))
          for (const name of mentionsIn(text)) used.add(name);
    }
    const base = bases.get(stage);
    if (base !== undefined) later.set(base, new Set([...(later.get(base) ?? []), ...used]));
    if (used.has(ANYTHING)) continue;
    for (const instruction of stage.instructions) {
      if (instruction.kind !== 'arg') continue;
      for (const { name } of instruction.args) {
        const key = nameOf(name, file);
        if (!used.has(key)) report('UnusedArg', name.range, `ARG ${key} is used nowhere`);
      }
    }
  }
}

/** No variable's name. */
const ANYTHING = '*';

function mentionsIn(text: string): string[] {
  return [...text.matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name);
}
