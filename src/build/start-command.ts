import { posix } from 'node:path';
import type { ContainerConfig } from '#oci-spec-types';
import { DEFAULT_SHELL } from './configure.ts';

/** How an image starts: what ENTRYPOINT and CMD say. */
export type StartCommand = Pick<ContainerConfig, 'Entrypoint' | 'Cmd'>;

/** Words that a shell would leave as they are. */
const PLAIN = /^[\w./:@%+,=-]+(?: +[\w./:@%+,=-]+)*$/;

/** A command without its shell, where that has nothing to do but to start it. */
export function withoutShell({ Entrypoint, Cmd, Shell }: ContainerConfig): StartCommand {
  // A shell has no use for further words.
  if (Entrypoint?.length) {
    const words = plainWords(Entrypoint, Shell);
    return words === undefined ? { Entrypoint, Cmd } : { Entrypoint: words, Cmd: undefined };
  }
  return { Entrypoint: undefined, Cmd: plainWords(Cmd ?? [], Shell) ?? Cmd };
}

function plainWords(argv: readonly string[], shell: ContainerConfig['Shell']): readonly string[] | undefined {
  const script = scriptOf(argv, shell)
    ?.trim()
    .replace(/^exec +/, '');
  if (script === undefined || !PLAIN.test(script)) return undefined;
  const words = script.split(/ +/);
  // `A=b program` is the shell's to understand.
  return words[0]?.includes('=') ? undefined : words;
}

/** What a command in shell form has for the shell. */
export function scriptOf(argv: readonly string[], shell?: ContainerConfig['Shell']): string | undefined {
  const prefix = shell?.length ? shell : DEFAULT_SHELL;
  const isShell = argv.length === prefix.length + 1 && prefix.every((word, at) => word === argv[at]);
  return isShell ? argv.at(-1) : undefined;
}

/**
 * The command that starts a program which has moved.
 * @param from where it was, from the root and without `/` in front
 */
export function movedCommand(config: ContainerConfig, from: string, to: string): StartCommand {
  const isProgram = (word = '') =>
    posix.resolve(config.WorkingDir || '/', word) === `/${from}` || word === posix.basename(from);
  const { Entrypoint, Cmd } = withoutShell(config);
  const moved = (words: readonly string[]) => {
    if (isProgram(words[0])) return [to, ...words.slice(1)];
    const [, before = '', first, after = ''] =
      /^((?:exec +)?)([^\s;&|<>()$`"'\\]+)(.*)$/s.exec(scriptOf(words, config.Shell) ?? '') ?? [];
    return isProgram(first) ? [...words.slice(0, -1), `${before}${to}${after}`] : undefined;
  };
  if (Entrypoint?.length) {
    const start = moved(Entrypoint);
    return start === undefined ? { Cmd: [to] } : { Entrypoint: start, Cmd };
  }
  return { Cmd: (Cmd && moved(Cmd)) ?? [to] };
}
