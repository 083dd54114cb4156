import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../src/commands/completion.ts';
import { createProgram } from '../../src/commands/program.ts';
import { tempDir } from '../support/temp.ts';

const program = () => createProgram(new AbortController().signal);
const commands = [
  ...[
    'pack',
    'build',
    'slim',
    'check',
    'pull',
    'push',
    'copy',
    'inspect',
    'explain',
    'sbom',
    'images',
    'tag',
    'rmi',
    'index',
    'login',
    'logout',
    'cache',
    'doctor',
    'run',
    'lock',
    'outdated',
    'serve',
    'rebase',
    'keygen',
    'sign',
    'verify',
    'completion',
  ],
];

describe('the program', () => {
  it('makes the one command that is asked for, and all where there is none of that name', () => {
    const names = (asked: string) =>
      createProgram(new AbortController().signal, asked).commands.map((command) => command.name());
    for (const name of commands.slice(0, -1)) expect(names(name)).toEqual([name, 'completion']);
    for (const other of ['', 'help', '--store', 'completion', 'bild', 'constructor'])
      expect(names(other)).toEqual(commands);
  });

  it('has the commands of the contract, each with a description', () => {
    const made = program();
    expect(made.commands.map((command) => command.name())).toEqual(commands);
    for (const command of made.commands) expect(command.description()).not.toBe('');
  });

  it('takes global options before and after any command', () => {
    for (const command of program().commands)
      for (const option of ['--store', '--json', '--quiet', '--mirror', '--insecure', '--ca-file'])
        expect([command.name(), command.options.some(({ long }) => long === option)]).toEqual([
          command.name(),
          true,
        ]);
  });

  it.each([
    [['pack', '--platfrom', 'x'], "unknown option '--platfrom'", 'Did you mean --platform?'],
    [['pakc'], "unknown command 'pakc'", 'Did you mean pack?'],
    [['tag', 'a'], "missing required argument 'new-name'", 'see ocislim --help'],
    [['pack', 'a', 'b'], 'too many arguments', 'see ocislim --help'],
    [['pack', '--progress', 'loud'], "argument 'loud' is invalid", 'see ocislim --help'],
  ])('says what is wrong with %j', async (args, message, hint) => {
    await expect(program().parseAsync(args, { from: 'user' })).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });
});

/** Asks a completion function as bash would. */
const DRIVER =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash that expands it.
  'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ocislim; printf "%s\\n" "${COMPREPLY[@]}"';

describe('completion', () => {
  it('for bash completes commands and options', () => {
    const script = join(tempDir(), 'completion.bash');
    writeFileSync(script, completionScript(program(), 'bash'));
    const complete = (...words: string[]) =>
      execFileSync('bash', ['-c', DRIVER, script, 'ocislim', ...words])
        .toString()
        .split('\n')
        .filter(Boolean);
    expect(complete('p')).toEqual(['pack', 'pull', 'push']);
    expect(complete('pack', '--pla')).toEqual(['--platform']);
    expect(complete('index', 'c')).toEqual(['create']);
    expect(complete('index', 'create', '--pu')).toEqual(['--push']);
    expect(complete('--json', 'ima')).toEqual(['images']);
  });

  it.each(['bash', 'zsh', 'fish'] as const)('for %s knows every command and option', (shell) => {
    const script = completionScript(program(), shell);
    for (const command of commands) expect(script).toContain(command);
    for (const option of ['dry-run', 'password-stdin', 'all-platforms', 'locked', 'update'])
      expect(script).toContain(option);
  });
});
