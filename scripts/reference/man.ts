import type { Argument, Command, Option } from 'commander';
import { createProgram } from '../../src/commands/program.ts';

/** Manual pages of the program and of each command, by file name: `ocislim.1`, `ocislim-index-create.1`. */
export function manPages(version: string): ReadonlyMap<string, string> {
  const program = createProgram(new AbortController().signal);
  return new Map(
    every(program, program.name()).map(({ name, command }) => [`${name}.1`, page(name, command, version)]),
  );
}

interface Named {
  /** `ocislim-index-create`. */
  readonly name: string;
  readonly command: Command;
}

function every(command: Command, name: string): readonly Named[] {
  return [{ name, command }, ...command.commands.flatMap((child) => every(child, `${name}-${child.name()}`))];
}

function page(name: string, command: Command, version: string): string {
  const words = name.replaceAll('-', ' ');
  const [global, own] = [
    command.options.filter((option) => option.helpGroupHeading === 'Global options:'),
    command.options.filter((option) => option.helpGroupHeading !== 'Global options:'),
  ];
  const lines = [
    // No date: the same program has the same pages.
    `.TH "${name.toUpperCase()}" 1 "" "ocislim ${version}" "ocislim"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(command.description())}`,
    '.SH SYNOPSIS',
    `.B ${escaped(words)}`,
    text(command.usage()),
    ...section('ARGUMENTS', command.registeredArguments.flatMap(argumentLines)),
    ...section(
      'COMMANDS',
      command.commands.flatMap((child) =>
        item(`\\fB${escaped(`${name}-${child.name()}`)}\\fR(1)`, child.description()),
      ),
    ),
    ...section('OPTIONS', own.filter(({ hidden }) => !hidden).flatMap(optionLines)),
    ...section('GLOBAL OPTIONS', global.flatMap(optionLines)),
    ...afterHelp(command),
    ...exitStatus(command),
    '.SH SEE ALSO',
    seeAlso(name, command),
  ];
  return `${lines.join('\n')}\n`;
}

function argumentLines(argument: Argument): readonly string[] {
  return item(
    `\\fI${escaped(argument.name())}\\fR`,
    argument.description || (argument.argChoices ?? ['a word']).join(' | '),
  );
}

function optionLines({ flags, description, argChoices, defaultValue }: Option): readonly string[] {
  const choices = argChoices === undefined ? '' : ` (${argChoices.join(' | ')})`;
  const isSaid =
    defaultValue === undefined || typeof defaultValue === 'boolean' || Array.isArray(defaultValue);
  const usual = isSaid ? '' : ` (default: ${defaultValue})`;
  return item(`\\fB${escaped(flags)}\\fR`, `${description}${choices}${usual}`);
}

/** What `addHelpText('after')` says: examples, as they are. */
function afterHelp(command: Command): readonly string[] {
  let help = '';
  command.configureOutput({ writeOut: (each) => (help += each) }).outputHelp();
  const told = help.slice(command.helpInformation().length).trim();
  if (told === '') return [];
  const lines = told.split('\n');
  const title = lines[0] === 'Examples:' ? 'EXAMPLES' : 'NOTES';
  return [`.SH ${title}`, '.nf', ...(title === 'EXAMPLES' ? lines.slice(1) : lines).map(text), '.fi'];
}

function exitStatus(command: Command): readonly string[] {
  if (command.parent !== null) return [];
  const codes: readonly (readonly [string, string])[] = [
    ['0', 'done'],
    ['1', 'failed'],
    ['2', 'wrong usage: an option, a reference, an input, a configuration file or a Dockerfile'],
    ['3', 'compile or build step failed'],
    ['4', 'registry or network'],
    ['5', 'not authorised'],
    ['6', 'check or verification failed'],
    ['130', 'interrupted'],
  ];
  return section(
    'EXIT STATUS',
    codes.flatMap(([code, meaning]) => item(`\\fB${code}\\fR`, meaning)),
  );
}

function seeAlso(name: string, command: Command): string {
  const others =
    command.parent === null ? command.commands.map((child) => `${name}-${child.name()}`) : ['ocislim'];
  return others.map((each) => `.BR ${escaped(each)} (1)`).join('\n');
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
}

function item(label: string, description: string): readonly string[] {
  return ['.TP', label, text(description)];
}

/** Text for roff: hyphens that can be copied, and no line that is taken for a request. */
function text(line: string): string {
  return escaped(line).replace(/^(?=[.'])/, '\\&');
}

function escaped(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga');
}
