import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/commands/program.ts';
import { type Documented, inlineCommands, linesToType, ocislimCalls, pages } from '../support/documented.ts';

/** The program, which then looks at its arguments and does nothing. */
function idle(): Command {
  const program = createProgram(new AbortController().signal);
  const quiet = (command: Command) => {
    command.action(() => {}).configureOutput({ writeOut: () => {} });
    command.commands.forEach(quiet);
  };
  program.commands.forEach(quiet);
  return program;
}

/** What the program says against a line, or nothing. */
async function complaint({ command }: Documented): Promise<string | undefined> {
  for (const words of ocislimCalls(command)) {
    try {
      await idle().parseAsync([...words], { from: 'user' });
    } catch (error) {
      return String(error);
    }
  }
  return undefined;
}

async function complaints(lines: readonly Documented[]) {
  const found = await Promise.all(lines.map(async (line) => ({ ...line, why: await complaint(line) })));
  return found.filter(({ why }) => why !== undefined);
}

describe('command lines in the documentation', () => {
  it('are found where a shell finds them', () => {
    expect(
      ocislimCalls('echo "$TOKEN" | npx ocislim login x -u "a b" --password-stdin && ocislim images'),
    ).toEqual([['login', 'x', '-u', 'a b', '--password-stdin'], ['images']]);
    expect(ocislimCalls('source <(ocislim completion bash)')).toEqual([['completion', 'bash']]);
    expect(ocislimCalls("ocislim pack './dist/hello-{os}-{arch}' -o - > hello.tar")).toEqual([
      ['pack', './dist/hello-{os}-{arch}', '-o', '-'],
    ]);
    expect(ocislimCalls('kubectl create secret ocislim push')).toEqual([]);
  });

  it('are complained of where they are wrong', async () => {
    const at = { page: 'x', line: 1, shown: [] };
    expect(await complaint({ ...at, command: 'ocislim pakc ./hello' })).toContain('unknown command');
    expect(await complaint({ ...at, command: 'ocislim pack ./hello --pushh' })).toContain('unknown option');
    expect(await complaint({ ...at, command: 'ocislim copy one' })).toContain('missing required argument');
    expect(await complaint({ ...at, command: 'ocislim pack ./hello --check=loud' })).toContain('invalid');
  });

  it.each(pages())('of $path have commands and options that there are', async (page) => {
    expect(await complaints(linesToType(page))).toEqual([]);
    // The running text also names commands alone, as in `ocislim run`.
    const inline = await complaints(inlineCommands(page));
    expect(inline.filter(({ why }) => !why?.includes('missing required argument'))).toEqual([]);
  });

  it('are many', () => {
    const calls = pages()
      .flatMap((page) => linesToType(page))
      .flatMap(({ command }) => ocislimCalls(command));
    expect(calls.length).toBeGreaterThan(50);
  });
});
