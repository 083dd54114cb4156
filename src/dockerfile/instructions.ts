import type {
  ArgInstruction,
  Command,
  CopyInstruction,
  HealthcheckInstruction,
  Heredoc,
  Instruction,
  OnbuildInstruction,
  PairsInstruction,
  RunInstruction,
  Word,
} from './ast.ts';
import { parseDuration } from './duration.ts';
import { jsonForm } from './json-form.ts';
import { isBlank, isSpace, skipSpace } from './lines.ts';
import { mountFields } from './mounts.ts';
import {
  blankWordsOf,
  type FlagValues,
  failure,
  flagsOf,
  place,
  quotedWordsOf,
  type Statement,
  shortened,
  sourceOf,
  statementAt,
  takeHeredocs,
  wholeRange,
  wordOf,
} from './statement.ts';
import { blankWords, type Span } from './words.ts';

type Parser = (statement: Statement) => Unranged<Instruction>;
type Unranged<T> = T extends unknown ? Omit<T, 'range' | 'source'> : never;

const PARSERS: Readonly<Record<string, Parser>> = {
  ADD: parseCopy,
  ARG: parseArg,
  CMD: (statement) => parseCommand(statement, 'cmd'),
  COPY: parseCopy,
  ENTRYPOINT: (statement) => parseCommand(statement, 'entrypoint'),
  ENV: (statement) => parsePairs(statement, 'env'),
  EXPOSE: parseExpose,
  HEALTHCHECK: parseHealthcheck,
  LABEL: (statement) => parsePairs(statement, 'label'),
  MAINTAINER: (statement) => parseValue(statement, 'maintainer'),
  ONBUILD: parseOnbuild,
  RUN: parseRun,
  SHELL: parseShell,
  STOPSIGNAL: (statement) => parseValue(statement, 'stopsignal'),
  USER: (statement) => parseValue(statement, 'user'),
  VOLUME: parseVolume,
  WORKDIR: (statement) => parseValue(statement, 'workdir'),
};

/** Of everything but FROM, in capitals. */
export const KEYWORDS: readonly string[] = Object.keys(PARSERS);

export function isKeyword(text: string): boolean {
  return Object.hasOwn(PARSERS, text.toUpperCase());
}

/** The instruction of a statement whose keyword is known; lines of its here-documents are taken. */
export function parseInstruction(statement: Statement): Instruction {
  const parse = PARSERS[statement.keyword.text.toUpperCase()];
  if (parse === undefined) throw failure(statement, `unknown instruction ${statement.keyword.text}`);
  const parsed = parse(statement);
  return { ...parsed, range: wholeRange(statement), source: sourceOf(statement) } as Instruction;
}

function parseArg(statement: Statement): Unranged<ArgInstruction> {
  flagsOf(statement, {});
  const words = quotedWordsOf(statement);
  if (words.length === 0) throw failure(statement, 'ARG has no name', 'expected ARG NAME[=DEFAULT]');
  return {
    kind: 'arg',
    args: words.map((word) => {
      const { name, value } = pairOf(statement, word);
      return { name: value === undefined ? wordOf(statement, word) : name, value };
    }),
  };
}

/** `name=value`; the value is undefined where there is no `=`. */
function pairOf(statement: Statement, word: Span): { name: Word; value: Word | undefined } {
  const cut = word.text.indexOf('=');
  if (cut === 0) {
    throw failure(statement, `${shortened(word.text)} has no name before its =`, 'expected NAME=VALUE', word);
  }
  if (cut < 0) return { name: wordOf(statement, word), value: undefined };
  const name = { text: word.text.slice(0, cut), start: word.start, end: word.start + cut };
  const value = {
    text: word.text.slice(cut + 1),
    start: name.end + 1,
    end: Math.max(name.end + 1, word.end),
  };
  return { name: wordOf(statement, name), value: wordOf(statement, value) };
}

function parsePairs(statement: Statement, kind: 'env' | 'label'): Unranged<PairsInstruction> {
  flagsOf(statement, {});
  const keyword = kind.toUpperCase();
  const words = quotedWordsOf(statement);
  const [first] = words;
  if (first === undefined)
    throw failure(statement, `${keyword} has no arguments`, `expected ${keyword} NAME=VALUE …`);
  if (!first.text.includes('=')) return legacyPair(statement, kind);
  return {
    kind,
    pairs: words.map((word) => {
      const { name, value } = pairOf(statement, word);
      if (value !== undefined) return { name, value };
      const hint = `expected NAME=VALUE; put quotes round a value with blanks`;
      throw failure(statement, `${shortened(word.text)} has no =`, hint, word);
    }),
  };
}

/** `ENV name the whole rest`. */
function legacyPair(statement: Statement, kind: 'env' | 'label'): Unranged<PairsInstruction> {
  const { line, rest } = statement;
  let cut = rest.start;
  while (cut < rest.end && !isBlank(line.text[cut])) cut++;
  const name = { text: line.text.slice(rest.start, cut), start: rest.start, end: cut };
  let start = cut;
  while (start < rest.end && isBlank(line.text[start])) start++;
  if (start >= rest.end) {
    const keyword = kind.toUpperCase();
    const message = `${keyword} ${shortened(name.text)} has no value`;
    throw failure(statement, message, `expected ${keyword} NAME=VALUE`, name);
  }
  const value = { text: line.text.slice(start, rest.end), start, end: rest.end };
  return {
    kind,
    pairs: [{ name: wordOf(statement, name), value: wordOf(statement, value) }],
    isLegacy: true,
  };
}

function parseRun(statement: Statement): Unranged<RunInstruction> {
  refuseDevice(statement);
  const flags = flagsOf(statement, { mount: 'list', network: 'text', security: 'text' });
  refuseSecurity(statement, flags);
  const network = flags.text('network');
  if (network !== undefined && !network.text.includes('$') && !NETWORKS.includes(network.text)) {
    throw atWord(
      statement,
      network,
      `unknown network ${shortened(network.text)}`,
      `it is ${NETWORKS.join(', ')}`,
    );
  }
  const mounts = flags.list('mount');
  for (const mount of mounts) refuseVariableFrom(statement, mount);
  const command = commandOf(statement, { takesHeredocs: true });
  if (command.form === 'exec' ? command.args.length === 0 : command.text === '')
    throw failure(statement, 'RUN has no command', 'expected RUN COMMAND or RUN ["PROGRAM", …]');
  return { kind: 'run', command, mounts, network };
}

const NETWORKS = ['default', 'none', 'host'];

function atWord(statement: Statement, { range }: Word, message: string, hint: string) {
  const flag = statement.flags.find(({ valueStart, end }) => {
    const at = place(statement, { start: valueStart, end });
    return at.start.line === range.start.line && at.start.column === range.start.column;
  });
  return failure(statement, message, hint, flag && { start: flag.valueStart, end: flag.end });
}

function refuseDevice(statement: Statement): void {
  const flag = statement.flags.find(({ name }) => name === 'device');
  if (flag === undefined) return;
  const hint = 'a sandbox has no devices but /dev/null and its like';
  throw failure(statement, 'RUN --device is not supported', hint, flag);
}

function refuseSecurity(statement: Statement, flags: FlagValues): void {
  const security = flags.text('security');
  if (security === undefined || security.text === 'sandbox') return;
  if (security.text === 'insecure') {
    const hint = 'commands run without privileges; leave the flag out';
    throw atWord(statement, security, 'RUN --security=insecure is not supported', hint);
  }
  throw atWord(statement, security, `unknown security mode ${shortened(security.text)}`, 'it is sandbox');
}

/** A stage has to be known before anything is expanded. */
function refuseVariableFrom(statement: Statement, mount: Word): void {
  const from = mountFields(mount.text)?.find((field) => /^from=.*\$./is.test(field));
  if (from === undefined) return;
  const hint = 'name it with FROM … AS, where variables are expanded';
  throw atWord(statement, mount, `${shortened(from)}: variables are not expanded here`, hint);
}

function commandOf(
  statement: Statement,
  { takesHeredocs }: { takesHeredocs: boolean },
  rest = statement.rest,
): Command {
  const args = jsonForm(rest.text);
  if (args === 'not-strings') throw notStrings(statement, rest);
  if (args !== undefined) return { form: 'exec', args };
  const heredocs = takesHeredocs ? takeHeredocs(statement).map(({ heredoc }) => heredoc) : [];
  return { form: 'shell', text: rest.text, heredocs };
}

function notStrings(statement: Statement, rest: Span) {
  return failure(statement, 'a JSON array of something else than strings', 'expected ["…", …]', rest);
}

/** Nothing at all is a shell that is given nothing, as in BuildKit. */
function parseCommand(statement: Statement, kind: 'cmd' | 'entrypoint') {
  flagsOf(statement, {});
  return { kind, command: commandOf(statement, { takesHeredocs: false }) };
}

const COPY_FLAGS = {
  from: 'text',
  chown: 'text',
  chmod: 'text',
  link: 'boolean',
  parents: 'boolean',
  exclude: 'list',
} as const;

const ADD_FLAGS = {
  chown: 'text',
  chmod: 'text',
  link: 'boolean',
  exclude: 'list',
  checksum: 'text',
  'keep-git-dir': 'boolean',
  unpack: 'boolean',
} as const;

function parseCopy(statement: Statement): Unranged<CopyInstruction> {
  const keyword = statement.keyword.text.toUpperCase();
  const flags = flagsOf(statement, keyword === 'ADD' ? ADD_FLAGS : COPY_FLAGS);
  const { sources, destination } = sourcesAndDestination(statement, keyword);
  return {
    kind: keyword === 'ADD' ? 'add' : 'copy',
    sources,
    destination,
    from: flags.text('from'),
    chown: flags.text('chown'),
    chmod: flags.text('chmod'),
    link: flags.boolean('link') ?? false,
    parents: flags.boolean('parents') ?? false,
    exclude: flags.list('exclude'),
    checksum: flags.text('checksum'),
    keepGitDir: flags.boolean('keep-git-dir') ?? false,
    unpack: flags.boolean('unpack'),
  };
}

function sourcesAndDestination(statement: Statement, keyword: string) {
  const words = jsonWords(statement) ?? wordsAndHeredocs(statement);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    const message = `${keyword} has no ${destination === undefined ? 'arguments' : 'destination'}`;
    throw failure(statement, message, `expected ${keyword} SOURCE … DESTINATION`);
  }
  if (!('text' in destination)) {
    const hint = `expected ${keyword} <<${destination.name} PATH`;
    throw failure(statement, 'a here-document cannot be the destination', hint, statement.rest);
  }
  return { sources: words.slice(0, -1), destination };
}

/** The words of the JSON form; where each of them starts is not known, so they all have the array's place. */
function jsonWords(statement: Statement): Word[] | undefined {
  const { rest } = statement;
  const args = jsonForm(rest.text);
  if (args === 'not-strings') throw notStrings(statement, rest);
  return args?.map((text) => ({ text, range: place(statement, rest) }));
}

function wordsAndHeredocs(statement: Statement): (Word | Heredoc)[] {
  const { line, rest } = statement;
  const words: (Word | Heredoc)[] = [];
  let at = rest.start;
  const takeWords = (end: number) => {
    for (const word of blankWords(line.text, at, end)) words.push(wordOf(statement, word));
  };
  for (const { heredoc, start, end } of takeHeredocs(statement)) {
    takeWords(start);
    words.push(heredoc);
    at = end;
  }
  takeWords(rest.end);
  return words;
}

type ValueKind = 'workdir' | 'user' | 'stopsignal' | 'maintainer';

function parseValue(statement: Statement, kind: ValueKind) {
  flagsOf(statement, {});
  const keyword = kind.toUpperCase();
  const { rest } = statement;
  if (rest.text === '') throw failure(statement, `${keyword} has no argument`, `expected ${keyword} VALUE`);
  return { kind, value: wordOf(statement, rest) };
}

function parseExpose(statement: Statement) {
  flagsOf(statement, {});
  const words = blankWordsOf(statement);
  if (words.length === 0) throw failure(statement, 'EXPOSE has no port', 'expected EXPOSE PORT[/PROTOCOL] …');
  return { kind: 'expose' as const, values: words.map((word) => wordOf(statement, word)) };
}

function parseVolume(statement: Statement) {
  flagsOf(statement, {});
  const values = jsonWords(statement) ?? blankWordsOf(statement).map((word) => wordOf(statement, word));
  if (values.length === 0) throw failure(statement, 'VOLUME has no path', 'expected VOLUME PATH …');
  if (values.some(({ text }) => text.trim() === ''))
    throw failure(statement, 'an empty path in VOLUME', 'expected VOLUME PATH …', statement.rest);
  return { kind: 'volume' as const, values };
}

function parseShell(statement: Statement) {
  flagsOf(statement, {});
  const { rest } = statement;
  const args = jsonForm(rest.text);
  if (args === 'not-strings') throw notStrings(statement, rest);
  if (args !== undefined && args.length > 0) return { kind: 'shell' as const, args };
  const hint = 'expected SHELL ["PROGRAM", …] in double quotes';
  if (rest.text === '' || args !== undefined) throw failure(statement, 'SHELL has no arguments', hint);
  throw failure(statement, 'SHELL is not a JSON array', hint, rest);
}

function parseHealthcheck(statement: Statement): Unranged<HealthcheckInstruction> {
  const { line, rest } = statement;
  let end = rest.start;
  while (end < rest.end && !isSpace(line.text[end])) end++;
  const type = { text: line.text.slice(rest.start, end), start: rest.start, end };
  const start = skipSpace(line.text, end, rest.end);
  const after = { text: line.text.slice(start, rest.end), start, end: rest.end };
  const expected = 'expected HEALTHCHECK CMD COMMAND or HEALTHCHECK NONE';
  if (type.text === '') throw failure(statement, 'HEALTHCHECK has no arguments', expected);
  const flags = flagsOf(statement, {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  });
  if (type.text.toUpperCase() === 'NONE') {
    if (after.text !== '') throw failure(statement, 'HEALTHCHECK NONE has arguments', expected, after);
    return { kind: 'healthcheck', command: undefined };
  }
  if (type.text.toUpperCase() !== 'CMD')
    throw failure(statement, `HEALTHCHECK ${shortened(type.text)} is unknown`, expected, type);
  const command = commandOf(statement, { takesHeredocs: false }, after);
  if (after.text === '' || (command.form === 'exec' && command.args.length === 0))
    throw failure(statement, 'HEALTHCHECK CMD has no command', expected, type);
  return {
    kind: 'healthcheck',
    command,
    interval: durationOf(statement, flags, 'interval'),
    timeout: durationOf(statement, flags, 'timeout'),
    startPeriod: durationOf(statement, flags, 'start-period'),
    startInterval: durationOf(statement, flags, 'start-interval'),
    retries: retriesOf(statement, flags),
  };
}

/** Docker's least is a millisecond. */
function durationOf(statement: Statement, flags: FlagValues, name: string): number | undefined {
  const word = flags.text(name);
  if (word === undefined) return undefined;
  const nanoseconds = parseDuration(word.text);
  if (nanoseconds !== undefined && (nanoseconds === 0 || nanoseconds >= 1e6)) return nanoseconds;
  const why = nanoseconds === undefined ? 'not a duration' : 'less than 1ms';
  throw atWord(
    statement,
    word,
    `--${name}=${shortened(word.text)}: ${why}`,
    'expected for example 30s or 1m30s',
  );
}

function retriesOf(statement: Statement, flags: FlagValues): number | undefined {
  const word = flags.text('retries');
  if (word === undefined) return undefined;
  const count = /^\+?\d{1,10}$/.test(word.text) ? Number(word.text) : -1;
  if (count >= 1 && count < 2 ** 31) return count;
  throw atWord(statement, word, `--retries=${shortened(word.text)}: not a count`, 'expected for example 3');
}

function parseOnbuild(statement: Statement): Unranged<OnbuildInstruction> {
  flagsOf(statement, {});
  const { rest } = statement;
  if (rest.text === '')
    throw failure(statement, 'ONBUILD has no instruction', 'expected ONBUILD INSTRUCTION …');
  const inner = statementAt(statement, rest.start);
  const keyword = inner.keyword.text.toUpperCase();
  if (keyword === 'ONBUILD')
    throw failure(inner, 'ONBUILD ONBUILD is not allowed', 'expected another instruction');
  if (keyword === 'FROM' || keyword === 'MAINTAINER')
    throw failure(inner, `ONBUILD ${keyword} is not allowed`, 'expected another instruction');
  if (!isKeyword(keyword)) {
    throw failure(
      inner,
      `unknown instruction ${shortened(inner.keyword.text)} in ONBUILD`,
      'expected ONBUILD INSTRUCTION …',
    );
  }
  const instruction = parseInstruction(inner);
  const trigger = [rest.text, ...heredocsOf(instruction).map(({ content, name }) => `${content}${name}`)];
  return { kind: 'onbuild', trigger: trigger.join('\n'), instruction };
}

/** The here-documents of an instruction, in their order. */
export function heredocsOf(instruction: Instruction): readonly Heredoc[] {
  if (instruction.kind === 'onbuild') return heredocsOf(instruction.instruction);
  if (instruction.kind === 'run' && instruction.command.form === 'shell') return instruction.command.heredocs;
  if (instruction.kind !== 'copy' && instruction.kind !== 'add') return [];
  return instruction.sources.filter((source): source is Heredoc => !('text' in source));
}
