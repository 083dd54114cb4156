import { Argument, Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Completion scripts, made from the program itself so that they know every command and option. */
export function completionCommand(program: Command): Command {
  return new Command('completion')
    .description('print a completion script')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText('after', '\nFor bash: source <(ocislim completion bash)')
    .action((shell: Shell) => {
      process.stdout.write(completionScript(program, shell));
    });
}

interface Completed {
  /** Words after `ocislim`, e.g. `index create`; empty for the program. */
  readonly path: string;
  readonly description: string;
  readonly options: readonly {
    readonly flag: string;
    readonly description: string;
    readonly takesValue: boolean;
  }[];
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
}

export function completionScript(program: Command, shell: Shell): string {
  const commands = describe(program, '');
  return { bash, zsh, fish }[shell](commands);
}

function optionsOf(command: Command): Completed['options'] {
  return command.options
    .filter((option) => !option.hidden && option.long)
    .map((option) => ({
      flag: option.long ?? '',
      description: option.description,
      takesValue: option.required || option.optional,
    }));
}

function describe(command: Command, path: string): Completed[] {
  const own: Completed = {
    path,
    description: command.description(),
    options: optionsOf(command),
    subcommands: command.commands.map((child) => ({ name: child.name(), description: child.description() })),
  };
  return [own, ...command.commands.flatMap((child) => describe(child, `${path} ${child.name()}`.trim()))];
}

function bash(commands: readonly Completed[]): string {
  const cases = commands.map(({ path, options, subcommands }) => {
    const words = [...subcommands.map((child) => child.name), ...options.map((option) => option.flag)];
    return `    '${path}') words='${words.join(' ')}' ;;`;
  });
  return `# bash completion for ocislim
_ocislim() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
${commands
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      '${path}') path='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  if [[ $current == -* || ( -z $path && $current != */* ) || $path == index ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -o bashdefault -F _ocislim ocislim
`;
}

function zsh(commands: readonly Completed[]): string {
  const quote = (text: string) => text.replace(/'/g, "'\\''").replace(/[[\]:]/g, '\\$&');
  const functions = commands.map(({ path, options, subcommands }) => {
    const flags = options.map(
      (option) =>
        `    '*${option.flag}[${quote(option.description)}]${option.takesValue ? ':value:_files' : ''}'`,
    );
    const name = `_ocislim${path === '' ? '' : `_${path.replaceAll(' ', '_')}`}`;
    if (subcommands.length === 0)
      return `${name}() {\n  _arguments \\\n${[...flags, "    '*:file:_files'"].join(' \\\n')}\n}`;
    const list = subcommands.map((child) => `    '${child.name}:${quote(child.description)}'`);
    return `${name}() {
  local -a commands=(
${list.join('\n')}
  )
  _arguments -C \\
${[...flags, "    '1:command:->command'", "    '*::argument:->argument'"].join(' \\\n')}
  case $state in
    command) _describe command commands ;;
    argument) (( $+functions[${name}_$words[1]] )) && ${name}_$words[1] ;;
  esac
}`;
  });
  return `#compdef ocislim\n${functions.join('\n')}\ncompdef _ocislim ocislim\n`;
}

function fish(commands: readonly Completed[]): string {
  const quote = (text: string) => `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`;
  const lines = commands.flatMap(({ path, options, subcommands }) => {
    const parts = path === '' ? [] : path.split(' ');
    const condition =
      parts.length === 0
        ? '__fish_use_subcommand'
        : parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ');
    const guard = `complete -c ocislim -n ${quote(condition)}`;
    return [
      ...subcommands.map((child) => `${guard} -f -a ${child.name} -d ${quote(child.description)}`),
      ...options.map(
        (option) =>
          `${guard} -l ${option.flag.slice(2)}${option.takesValue ? ' -r' : ''} -d ${quote(option.description)}`,
      ),
    ];
  });
  return `${lines.join('\n')}\n`;
}
