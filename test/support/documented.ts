import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './cli.ts';

/** A page of the documentation, by its path in the repository. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

export interface Documented {
  readonly page: string;
  /** Counted from 1. */
  readonly line: number;
  readonly command: string;
  /** What a page shows that it prints, by lines; of `console` blocks. */
  readonly shown: readonly string[];
}

export function pages(): readonly Page[] {
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...docs.sort().map((name) => `docs/${name}`)].map(pageOf);
}

export function pageOf(path: string): Page {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}

/** The lines that a reader may type: of `sh` blocks all, of `console` blocks those behind `$ `. */
export function linesToType({ path, text }: Page): readonly Documented[] {
  let block: string | undefined;
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    const [, fence] = /^```(.*)$/.exec(line) ?? [];
    if (fence !== undefined) {
      block = block === undefined ? fence : undefined;
      return [];
    }
    const typed = block === 'sh' ? line : block === 'console' && line.startsWith('$ ') ? line.slice(2) : '';
    const command = typed.replace(/\s+# .*$/, '').trim();
    const shown = block === 'console' ? outputAfter(lines.slice(index + 1)) : [];
    return command === '' ? [] : [{ page: path, line: index + 1, command, shown }];
  });
}

/** The lines up to the next command, or the block's end. */
function outputAfter(lines: readonly string[]): readonly string[] {
  return lines.slice(
    0,
    lines.findIndex((line) => /^(?:\$ |```)/.test(line)),
  );
}

/** Commands in the running text and in tables, such as `ocislim images`; not those with a gap for the reader to fill. */
export function inlineCommands({ path, text }: Page): readonly Documented[] {
  const prose = text.replace(/^```.*?^```$/gms, (block) => block.replace(/[^\n]/g, ''));
  return [...prose.matchAll(/`(ocislim [^`]+)`/g)].flatMap((match) => {
    const [, command = ''] = match;
    const line = prose.slice(0, match.index).split('\n').length;
    return /^ocislim (?:COMMAND|…)/.test(command)
      ? []
      : [{ page: path, line, command: command.replaceAll('\\|', '|'), shown: [] }];
  });
}

/** The words after each `ocislim` of a line, as a shell has them. */
export function ocislimCalls(command: string): readonly (readonly string[])[] {
  return simpleCommands(command).flatMap((words) => {
    const at = words.findIndex((word) => /^(?:[^=]*\/)?ocislim$/.test(word));
    const before = words.slice(0, Math.max(at, 0));
    const isCommand = at >= 0 && before.every((word) => word === 'npx' || word.includes('='));
    return isCommand ? [words.slice(at + 1)] : [];
  });
}

/** The commands of a pipeline or list, by words; quotes are taken away, and nothing is expanded. */
function simpleCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [token] of line.matchAll(
    /(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\|&;<>()])+|&&|[|;&()]|[<>]+\s*[^\s()]*/g,
  )) {
    if (/^[<>]/.test(token)) {
      if (token === '<') commands.push([]);
    } else if (/^(?:&&|[|;&()])$/.test(token)) commands.push([]);
    else commands.at(-1)?.push(token.replace(/'([^']*)'|"([^"]*)"|\\(.)/g, '$1$2$3'));
  }
  return commands;
}
